"""Where the glaucoma challenges keep their truth and want their answers.

REFUGE (2018)   truth    Disc_Cup_Masks/[Glaucoma|Non-Glaucoma/]V0001.bmp, Fovea_locations.xlsx,
                         Glaucoma_label_and_Fovea_location.xlsx, GT.xlsx
                answers  segmentation/V0001.bmp, classification_results.csv,
                         fovea_location_results.csv (or fovea_localization_results.csv)
REFUGE2 (2020)  truth    as REFUGE, or Disc_Masks/ (Disc_Mask/) V0001.png, glaucoma.csv (task1.xls),
                         fovea.csv (fovea.xlsx)
                answers  as REFUGE
GAMMA (2021)    truth    Disc_Cup_Mask/0001.png, glaucoma_grading_training_GT.xlsx,
                         fovea_localization_training_GT.xlsx
                answers  Disc_Cup_Segmentations/0001.bmp, Classification_Results.csv,
                         Localization_Results.csv

In every mask 0 is the cup, 128 the rim, 255 the rest.

References:
    REFUGE: ignaciorlando/refuge-evaluation@b8fc1a8bd1bdd3eddd63bad8775ccfa4258488bb,
        evaluate_single_submission.py, util/file_management.py, README.md;
        https://refuge.grand-challenge.org/Details/
    REFUGE2: the released folders, as stored public loaders read them (`task1.xls`, `glaucoma.csv`,
        `Disc_Masks`); https://refuge.grand-challenge.org/Home2020/
    GAMMA: RealMarco/GlaucomaRecognition@1aa119b9795b01dae04b67e221de6893c7f86a9a (the official
        baselines filled in, with a whole submission: results1.0000+0.0189+0.9320/);
        J. Wu et al., Medical Image Analysis 90 (2023), 102938.
Layouts were read there; no code was copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retinaforge.core import Refusal

CUP_VALUE, RIM_VALUE, OUTSIDE_VALUE = 0, 128, 255
GROUPS_FILE = "groups.csv"
"""Ours, beside the truth: name, device, quality, patient and whatever else to tell apart."""


@dataclass(frozen=True)
class Layout:
    """A challenge's files.

    Attributes:
        name: on the command line.
        title: as it calls itself.
        truth_masks: folders of masks, the first that is there.
        truth_labels: stems of tables of the disease.
        truth_fovea: stems of tables of the fovea.
        answer_masks: folder of masks.
        answer_labels: table of the disease.
        answer_fovea: tables of the fovea, the first that is there.
        grades: classes, from none to severe; two where a risk is asked for.
        devices: camera by (width, height) of its photographs, where the challenge says so.
    """

    name: str
    title: str
    truth_masks: tuple[str, ...]
    truth_labels: tuple[str, ...]
    truth_fovea: tuple[str, ...]
    answer_masks: str
    answer_labels: str
    answer_fovea: tuple[str, ...]
    grades: tuple[str, ...]
    devices: dict[tuple[int, int], str]

    @property
    def graded(self) -> bool:
        """Return whether a grade is asked for, not a risk."""
        return len(self.grades) > 2

    def key(self, text: object) -> str:
        """Return what identifies an image in every file: no folder, no ending, no capitals.

        A spreadsheet turns 0007 into 7: GAMMA's names are filled up again.
        """
        name = str(text).strip().replace("\\", "/").rpartition("/")[2]
        name = (name[:-2] if name.endswith(".0") else Path(name).stem).lower()
        return name.zfill(4) if self.graded and name.isdigit() else name


REFUGE_DEVICES = {(2124, 2056): "Zeiss Visucam 500", (1634, 1634): "Canon CR-2"}
"""Orlando et al. 2020, section 3.1."""
_REFUGE_LABELS = ("GT", "Glaucoma_label_and_Fovea_location", "Fovea_locations")
_REFUGE_FOVEA = ("Fovea_location", "Fovea_locations", "Glaucoma_label_and_Fovea_location")
_REFUGE_ANSWERS = ("fovea_location_results.csv", "fovea_localization_results.csv")

LAYOUTS = {
    "refuge": Layout(
        "refuge", "REFUGE", ("Disc_Cup_Masks",), _REFUGE_LABELS, _REFUGE_FOVEA,
        "segmentation", "classification_results.csv", _REFUGE_ANSWERS,
        ("no glaucoma", "glaucoma"), REFUGE_DEVICES,
    ),
    "refuge2": Layout(
        "refuge2", "REFUGE2", ("Disc_Masks", "Disc_Mask", "Disc_Cup_Masks"),
        ("glaucoma", "task1", *_REFUGE_LABELS), ("fovea", *_REFUGE_FOVEA),
        "segmentation", "classification_results.csv", _REFUGE_ANSWERS,
        ("no glaucoma", "glaucoma"), REFUGE_DEVICES,
    ),
    "gamma": Layout(
        "gamma", "GAMMA", ("Disc_Cup_Mask", "Disc_Cup_Masks"),
        ("glaucoma_grading_training_GT", "glaucoma_grading_testing_GT", "glaucoma_grading_val_GT"),
        ("fovea_localization_training_GT", "fovea_localization_testing_GT",
         "fovea_localization_val_GT"),
        "Disc_Cup_Segmentations", "Classification_Results.csv", ("Localization_Results.csv",),
        ("non", "early", "mid_advanced"), {},
    ),
}  # fmt: skip


def layout_named(name: str) -> Layout:
    """Return a challenge's layout.

    Raises:
        Refusal: "expected a challenge, one of refuge, refuge2, gamma; got ...".
    """
    if name not in LAYOUTS:
        raise Refusal(f"a challenge, one of {', '.join(LAYOUTS)}", repr(name), "choose one of them")
    return LAYOUTS[name]
