"""Experiments as data files, run: question, expected result, cost and seed in one TOML."""

from retinaforge.studies.plan import Arm, Study, load_study
from retinaforge.studies.run import StudyOutcome, run_study

__all__ = ["Arm", "Study", "StudyOutcome", "load_study", "run_study"]
