"""Captions in ophthalmologists' style with what they say, to measure the parser on.

Written by hand before the parser had seen them, by one who knows the parser; no clinician has
read them. The parser was mended on READ_BEFORE (its second half was measured unseen first: 58 of 61
facts told, no wrong claim); UNSEEN was written after that and measured once.
"""

from __future__ import annotations

from retinaforge.captions.record import EyeRecord, Fact, Value

Said = dict[str, Value | tuple[Value, tuple[str, ...]]]
QUADRANTS = ("superior temporal", "inferior temporal", "superior nasal", "inferior nasal")
NO_BLOOD: Said = {
    "haemorrhage_dot": 0,
    "haemorrhage_flame": 0,
    "preretinal_haemorrhage": 0,
    "disc_haemorrhage": 0,
}

READ_BEFORE: tuple[tuple[str, Said], ...] = (
    (
        "OD: Optic disc pink with well-defined margins, C/D 0.3. Macula flat with good foveal "
        "reflex. Vessels normal in course and calibre. No haemorrhages or exudates.",
        {
            "eye": "OD",
            "disc_colour": "pink",
            "disc_margin": "sharp",
            "cup_to_disc": 0.3,
            "foveal_reflex": True,
            "hard_exudate": 0,
            **NO_BLOOD,
        },
    ),
    (
        "Left eye. Scattered microaneurysms and dot-blot haemorrhages in all four quadrants, with "
        "hard exudates temporal to the macula. No neovascularization of the disc or elsewhere.",
        {
            "eye": "OS",
            "microaneurysm": (True, QUADRANTS),
            "haemorrhage_dot": (True, QUADRANTS),
            "hard_exudate": (True, ("temporal",)),
            "neovascularisation": 0,
        },
    ),
    (
        "The image quality is poor owing to media opacity; fundus details are obscured.",
        {"quality": "reject", "haze": True},
    ),
    (
        "Color fundus photograph of the left eye showing a pale optic disc with a cup-to-disc "
        "ratio of 0.9 and inferior notching of the neuroretinal rim. A splinter hemorrhage is "
        "noted at the inferotemporal disc margin. Marked peripapillary atrophy.",
        {
            "eye": "OS",
            "disc_colour": "pale",
            "cup_to_disc": 0.9,
            "rim_notch": (True, ("inferior",)),
            "disc_haemorrhage": (1, ("inferior temporal",)),
            "peripapillary_atrophy": True,
        },
    ),
    (
        "Multiple large soft drusen at the macula with pigmentary changes. No geographic atrophy "
        "and no subretinal fluid.",
        {"drusen": (10, ("macula",)), "pigment_change": True, "geographic_atrophy": 0},
    ),
    (
        "There are a few cotton wool spots along the superior arcade and flame-shaped hemorrhages "
        "inferiorly; veins are tortuous. The optic disc margins are blurred.",
        {
            "cotton_wool_spot": (3, ("superior",)),
            "haemorrhage_flame": (True, ("inferior",)),
            "tortuosity": 1.07,
            "disc_margin": "blurred",
        },
    ),
    (
        "Status post panretinal photocoagulation with laser scars in the periphery. "
        "Neovascularisation at the disc with a boat-shaped preretinal haemorrhage inferior to it.",
        {
            "laser_scar": (True, ("periphery",)),
            "neovascularisation": (True, ("disc",)),
            "preretinal_haemorrhage": (1, ("inferior",)),
        },
    ),
    (
        "Tessellated fundus with a large temporal crescent of peripapillary atrophy. Disc tilted. "
        "Cup small.",
        {"tessellation": True, "peripapillary_atrophy": True, "cup_to_disc": 0.2},
    ),
    (
        "Unremarkable right fundus: disc healthy with a CDR of approximately 0.4, clear media, no "
        "diabetic changes.",
        {"eye": "OD", "cup_to_disc": 0.4, "haze": False, "dr_grade": 0},
    ),
    (
        "Approximately 10 microaneurysms temporal to the fovea and two small dot hemorrhages in "
        "the superonasal quadrant. Exudates are absent.",
        {
            "microaneurysm": (10, ("temporal",)),
            "haemorrhage_dot": (2, ("superior nasal",)),
            "hard_exudate": 0,
        },
    ),
    (
        "Attenuated arterioles with arteriovenous ratio 1:2. Cotton wool spots are seen nasally, "
        "but no disc swelling.",
        {"artery_vein_ratio": 0.5, "cotton_wool_spot": (True, ("nasal",))},
    ),
    (
        "RNFL defect inferotemporally in the left eye. Vertical C/D ratio 0.7-0.8 with thinning of "
        "the inferior rim. Possible glaucoma.",
        {
            "nerve_fibre_layer": ("defect", ("inferior temporal",)),
            "eye": "OS",
            "cup_to_disc": 0.75,
            "rim_notch": (True, ("inferior",)),
            "glaucoma": 2,
        },
    ),
    (
        "Image is out of focus and underexposed, though the disc and macula can be made out.",
        {"blur": True, "illumination": True},
    ),
    (
        "Foveal reflex is dull. A fine epiretinal membrane covers the macula. Venous beading in "
        "two quadrants and IRMA superotemporally.",
        {
            "foveal_reflex": False,
            "epiretinal_membrane": True,
            "venous_beading": True,
            "irma": (True, ("superior temporal",)),
        },
    ),
    (
        "Heavily pigmented fundus of good quality; the nerve fiber layer is well seen and there is "
        "no evidence of haemorrhage, exudate or cotton-wool spots.",
        {
            "pigmentation": 0.9,
            "quality": "good",
            "nerve_fibre_layer": "visible",
            "hard_exudate": 0,
            "cotton_wool_spot": 0,
            **NO_BLOOD,
        },
    ),
    (
        "Fundus photo OS. Disc: C/D 0.5, rim intact, no notching. Macula: drusen ++, otherwise "
        "flat. Periphery: a few laser burns.",
        {
            "eye": "OS",
            "cup_to_disc": 0.5,
            "rim_notch": False,
            "drusen": (True, ("macula",)),
            "laser_scar": (3, ("periphery",)),
        },
    ),
    (
        "Several yellow hard exudates form a circinate ring around the fovea. Microaneurysms are "
        "numerous; blot haemorrhages are few.",
        {"hard_exudate": (10, ("fovea",)), "microaneurysm": 40, "haemorrhage_dot": 3},
    ),
    (
        "No signs of diabetic retinopathy. Vessels of normal calibre. The disc is pink and its "
        "margins are distinct.",
        {"dr_grade": 0, "disc_colour": "pink", "disc_margin": "sharp"},
    ),
    (
        "Hazy view because of cataract. Through it, the optic nerve appears pale with a cup of "
        "0.8.",
        {"haze": True, "cataract": True, "disc_colour": "pale", "cup_to_disc": 0.8},
    ),
    (
        "Right eye with flame and dot haemorrhages in the superotemporal quadrant, consistent with "
        "a branch retinal vein occlusion. Arteries are narrowed.",
        {
            "eye": "OD",
            "haemorrhage_flame": (True, ("superior temporal",)),
            "haemorrhage_dot": (True, ("superior temporal",)),
            "vein_occlusion": True,
            "artery_vein_ratio": 0.5,
        },
    ),
    (
        "Geographic atrophy involving the fovea, surrounded by pigment clumping. No hemorrhage "
        "seen.",
        {"geographic_atrophy": (True, ("fovea",)), "pigment_change": True, **NO_BLOOD},
    ),
    (
        "The nasal half shows new vessels elsewhere with a subhyaloid bleed. Cannot exclude "
        "macular oedema.",
        {
            "neovascularisation": (True, ("nasal",)),
            "preretinal_haemorrhage": (1, ("nasal",)),
            "macular_oedema": 1,
        },
    ),
    (
        "Photograph of a 67-year-old woman, left eye: dense vasculature, dark fundus, cup not "
        "enlarged.",
        {
            "age": 67,
            "sex": "female",
            "eye": "OS",
            "vessel_density": 3.0,
            "pigmentation": 0.9,
            "cup_to_disc": 0.3,
        },
    ),
    (
        "Even illumination and sharp focus. Myelinated nerve fibres extend superiorly from the "
        "disc.",
        {"illumination": False, "blur": False, "myelinated_fibres": (True, ("superior", "disc"))},
    ),
    (
        "Disc margins clear, cup/disc 0.25, vessels straight, macula healthy.",
        {"disc_margin": "sharp", "cup_to_disc": 0.25, "tortuosity": 1.02},
    ),
    (
        "Neither haemorrhages nor exudates; one isolated cotton-wool patch above the disc.",
        {"hard_exudate": 0, "cotton_wool_spot": 1, **NO_BLOOD},
    ),
    (
        "Preretinal hemorrhage obscures the inferior macula; scattered laser marks are present in "
        "the periphery except nasally.",
        {
            "preretinal_haemorrhage": (True, ("inferior", "macula")),
            "laser_scar": (True, ("periphery",)),
        },
    ),
    (
        "Ungradable: heavy blur, eyelash artefact and the fovea outside the field.",
        {"quality": "reject", "blur": True, "artefact": True, "fovea_in_view": False},
    ),
    (
        "C:D 0.65, with pallor of the temporal rim and focal loss of the nerve fibre layer. There "
        "is no disc haemorrhage.",
        {
            "cup_to_disc": 0.65,
            "disc_colour": "pale",
            "nerve_fibre_layer": "defect",
            "disc_haemorrhage": 0,
        },
    ),
    (
        "Mild NPDR: six microaneurysms, no venous beading, no IRMA.",
        {"dr_grade": 1, "microaneurysm": 6, "venous_beading": 0, "irma": 0},
    ),
)

UNSEEN: tuple[tuple[str, Said], ...] = (
    (
        "This color fundus photograph shows the left eye. The optic nerve head is well defined "
        "with a physiologic cup. A handful of microaneurysms dot the temporal macula. No hard "
        "exudates, cotton wool spots or venous beading are appreciated.",
        {
            "eye": "OS",
            "disc_margin": "sharp",
            "cup_to_disc": 0.3,
            "microaneurysm": (4, ("temporal", "macula")),
            "hard_exudate": 0,
            "cotton_wool_spot": 0,
            "venous_beading": 0,
        },
    ),
    (
        "Retinal image of fair quality with some haze. The right optic disc shows a C/D of 0.7 "
        "vertically, with inferior rim thinning and a disc haemorrhage at 7 o'clock.",
        {
            "quality": "usable",
            "haze": True,
            "eye": "OD",
            "cup_to_disc": 0.7,
            "rim_notch": (True, ("inferior",)),
            "disc_haemorrhage": 1,
        },
    ),
    (
        "Extensive confluent drusen occupy the central macula in this eye, and a patch of "
        "geographic atrophy lies just nasal to the fovea. Hemorrhage is not evident.",
        {
            "drusen": (30, ("macula",)),
            "geographic_atrophy": (1, ("nasal",)),
            "haemorrhage_dot": 0,
            "haemorrhage_flame": 0,
            "preretinal_haemorrhage": 0,
            "disc_haemorrhage": 0,
        },
    ),
    (
        "The disc is hyperaemic with indistinct borders; flame haemorrhages radiate from it and "
        "the veins are dilated and tortuous.",
        {"disc_margin": "blurred", "haemorrhage_flame": True, "tortuosity": 1.08},
    ),
    (
        "PRP scars in all quadrants. Fibrovascular fronds at the disc have regressed; no active "
        "neovascularisation. Few residual blot haemorrhages inferotemporally.",
        {
            "laser_scar": (True, QUADRANTS),
            "neovascularisation": 0,
            "haemorrhage_dot": (3, ("inferior temporal",)),
        },
    ),
    (
        "Normal fundus. Cup-disc ratio 0.2, sharp disc edge, bright foveal reflex, straight "
        "arterioles with an A:V ratio of 0.7.",
        {
            "cup_to_disc": 0.2,
            "disc_margin": "sharp",
            "foveal_reflex": True,
            "artery_vein_ratio": 0.7,
        },
    ),
    (
        "Dark choroidal background, tigroid near the arcades. I see neither microaneurysms nor "
        "exudation. Dust spots in the lower corner.",
        {
            "pigmentation": 0.9,
            "tessellation": True,
            "microaneurysm": 0,
            "hard_exudate": 0,
            "artefact": True,
        },
    ),
    (
        "There appear to be three or four cotton-wool spots superonasal to the disc, and perhaps "
        "an intraretinal microvascular abnormality beside them.",
        {"cotton_wool_spot": (4, ("superior nasal",)), "irma": 1},
    ),
    (
        "Poorly focused, unevenly illuminated picture of the right fundus; the fovea is not in "
        "view, the nerve fibre layer cannot be judged.",
        {"blur": True, "illumination": True, "eye": "OD", "fovea_in_view": False},
    ),
    (
        "Macula: circinate exudates temporally, about 15, encroaching on the fovea. Disc: healthy, "
        "pink rim, cup-to-disc 0.35. Vessels: generalised arteriolar narrowing.",
        {
            "hard_exudate": (15, ("temporal", "fovea", "macula")),
            "disc_colour": "pink",
            "cup_to_disc": 0.35,
            "artery_vein_ratio": 0.5,
        },
    ),
    (
        "No retinopathy of any kind, no maculopathy, no disc pallor. Media clear.",
        {"dr_grade": 0, "disc_colour": "pink", "haze": False},
    ),
    (
        "Severe non-proliferative diabetic retinopathy with more than 20 blot haemorrhages in each "
        "quadrant, venous beading inferotemporally and definite IRMA. Macular oedema is suspected.",
        {
            "dr_grade": 3,
            "haemorrhage_dot": (90, QUADRANTS),
            "venous_beading": (True, ("inferior temporal",)),
            "irma": True,
            "macular_oedema": 1,
        },
    ),
    (
        "A blond fundus with a dense vascular tree. The foveal reflex has gone and a cellophane "
        "reflex is seen over the macula.",
        {
            "pigmentation": 0.1,
            "vessel_density": 3.0,
            "foveal_reflex": False,
            "epiretinal_membrane": True,
        },
    ),
    (
        "Superior wedge defect of the RNFL; rim notched at the upper pole. The disc otherwise sits "
        "on the left of the frame with beta-zone peripapillary atrophy.",
        {
            "nerve_fibre_layer": ("defect", ("superior",)),
            "rim_notch": (True, ("superior",)),
            "disc_side": "left",
            "peripapillary_atrophy": True,
        },
    ),
    (
        "Laser burns are confined to the temporal periphery. Pigment clumping marks two of them. "
        "The rest of the retina is free from haemorrhages or drusen.",
        {
            "laser_scar": (True, ("temporal", "periphery")),
            "pigment_change": True,
            "drusen": 0,
            "haemorrhage_dot": 0,
            "haemorrhage_flame": 0,
            "preretinal_haemorrhage": 0,
            "disc_haemorrhage": 0,
        },
    ),
)


def record_of(said: Said) -> EyeRecord:
    """Return what a caption says as a record."""
    facts: dict[str, Fact] = {}
    for name, each in said.items():
        value, places = each if isinstance(each, tuple) else (each, ())
        facts[name] = Fact(name, value, "by hand", places)
    return EyeRecord("free.png", facts)
