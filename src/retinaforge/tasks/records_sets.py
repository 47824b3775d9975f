"""What the tables of the public sets in ../shared/data mean, as maps of their columns.

ODIR: disease labels are a patient's, so grades come from the eye's keywords alone; its
"quality=low" does not say whether the photograph can be read (one is black, another sharp with a
speck). IDRiD's masks of haemorrhages do not part dot from flame, nor does their fact. IDRiD and
HEI-MED name a mask only where there was something to mark. HEI-MED's quality value (ELVD) has no
published threshold, so it gives no grade. A crop round the disc shows no fovea.
"""

from __future__ import annotations

from retinaforge.tasks.records_columns import ColumnMap

SETS: dict[str, ColumnMap] = {
    "odir": ColumnMap(
        columns={"caption": "keywords", "dr_grade": "", "glaucoma": ""},
    ),
    "idrid_grading": ColumnMap(labels={"dme_risk": "macular_oedema"}),
    "idrid_segmentation": ColumnMap(
        tables=("lesions.csv",),
        absent=True,
        masks={
            "microaneurysms": "microaneurysm",
            "haemorrhages": "haemorrhage",
            "hard_exudates": "hard_exudate",
            "soft_exudates": "cotton_wool_spot",
        },
    ),
    "hei_med": ColumnMap(
        tables=("annotations.csv",),
        absent=True,
        disc_centre=("optic_nerve_col", "optic_nerve_row"),
        labels={"ethnicity": "ethnicity", "diabetes": "diabetes"},
        masks={"exudate_mask": "hard_exudate"},
        values={
            "diabetes": {"type_i": True, "type_ii": True, "unknown": ""},
            "ethnicity": {
                "african": "African American",
                "caucasian": "Caucasian",
                "hispanic": "Hispanic",
                "unknown": "",
            },
        },
    ),
    "hrf": ColumnMap(
        words={
            "healthy": {"dr_grade": 0, "glaucoma": 0},
            "diabetic_retinopathy": {"diabetes": True},
            "glaucoma": {"glaucoma": 2},
        }
    ),
    "drishti_gs_crops": ColumnMap(
        labels={"crop": "fovea_in_view"}, values={"fovea_in_view": {"optic_disc": False}}
    ),
}
