"""What readers are asked of an image: plain data that page, server and statistics share.

The six aspects and their three steps follow the clinicians' form of caption-to-fundus papers (disc,
macula, vessels, nerve fibre layer, lesions, overall). "0" stands for what cannot be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from retinaforge.core import Refusal

DESIGNS = ("turing", "2afc", "grading")
EXTRAS = ("verdict", "aspects", "grade", "comment")
REAL, SYNTHETIC, LEFT, RIGHT, UNKNOWN = "real", "synthetic", "left", "right", "0"
LONGEST_COMMENT = 2000


@dataclass(frozen=True)
class Choice:
    """One answer: its value in the table, its words, its key."""

    value: str
    words: str
    key: str


@dataclass(frozen=True)
class Question:
    """One question of an image.

    Attributes:
        name: its name in the table.
        words: what the page asks.
        kind: "choice" or "text".
        choices: of a choice.
        needed: whether an image can be closed without it.
    """

    name: str
    words: str
    kind: str
    choices: tuple[Choice, ...] = ()
    needed: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


VERDICT = Question("verdict", "Is this image real or synthetic?", "choice",
                   (Choice(REAL, "Real", "r"), Choice(SYNTHETIC, "Synthetic", "s")))  # fmt: skip
PAIR = Question("pair", "Which of the two images is synthetic?", "choice",
                (Choice(LEFT, "Left", "l"), Choice(RIGHT, "Right", "r")))  # fmt: skip
CONFIDENCE = Question("confidence", "How sure are you?", "choice",
                      (Choice("1", "Guess", "1"), Choice("2", "Fairly", "2"),
                       Choice("3", "Sure", "3")))  # fmt: skip
ASPECTS: dict[str, str] = {
    "disc": "Optic disc", "macula": "Macula", "vessels": "Vessels",
    "nerve_fibre_layer": "Nerve fibre layer", "lesions": "Lesions", "overall": "Overall",
}  # fmt: skip
STEPS = (Choice("1", "Implausible", "1"), Choice("2", "Doubtful", "2"),
         Choice("3", "Plausible", "3"), Choice(UNKNOWN, "Cannot say", "0"))  # fmt: skip
COMMENT = Question("comment", "Remark (if any)", "text", needed=False)
GRADES: dict[str, tuple[str, tuple[str, ...]]] = {
    "dr_grade": ("Diabetic retinopathy", ("None", "Mild", "Moderate", "Severe", "Proliferative")),
    "glaucoma": ("Glaucoma", ("No", "Yes")),
    "amd_stage": ("Macular degeneration", ("None", "Early", "Intermediate", "Late")),
}
UNGRADABLE = Choice("ungradable", "Ungradable", "u")


def grade_question(target: str) -> Question:
    """Return the question for a grade; its name is the column that it is compared with.

    Raises:
        Refusal: "expected a grade of dr_grade, glaucoma, amd_stage; got ...".
    """
    if target not in GRADES:
        raise Refusal(f"a grade of {', '.join(GRADES)}", target, "name one of them with --grade")
    words, steps = GRADES[target]
    choices = tuple(Choice(str(k), step, str(k)) for k, step in enumerate(steps))
    return Question(target, words, "choice", (*choices, UNGRADABLE))


def questions_of(design: str, extras: Sequence[str], grade: str) -> tuple[Question, ...]:
    """Return what is asked of each image, in order.

    Args:
        design: "turing" (real or synthetic, with confidence), "2afc" (which of two is synthetic)
            or "grading" (aspects and grade).
        extras: further parts: verdict, aspects, grade, comment.
        grade: what the grade grades.

    Raises:
        Refusal: for a design or a part that is not known, or that two images cannot be asked.
    """
    if design not in DESIGNS:
        raise Refusal(f"a design of {', '.join(DESIGNS)}", design, "name one with --design")
    if odd := sorted(set(extras) - set(EXTRAS)):
        raise Refusal(f"parts of {', '.join(EXTRAS)}", ", ".join(odd), "name them with --ask")
    if design == "2afc" and (wrong := sorted(set(extras) - {"comment"})):
        raise Refusal("one question of two images, and a comment", ", ".join(wrong),
                      "ask it in a study of --design turing or grading")  # fmt: skip
    asked = {"comment", *extras, *({"aspects", "grade"} if design == "grading" else ())}
    if design == "2afc":
        return (PAIR, CONFIDENCE, COMMENT)
    found = [VERDICT, CONFIDENCE] if design == "turing" or "verdict" in asked else []
    if "aspects" in asked:
        found += [Question(name, words, "choice", STEPS) for name, words in ASPECTS.items()]
    if "grade" in asked:
        found.append(grade_question(grade))
    return (*found, COMMENT)


def checked_value(question: dict[str, Any], value: str) -> str:
    """Return an answer that the question allows.

    Raises:
        Refusal: "expected one of ... as an answer to NAME; got ...".
    """
    if question["kind"] == "text":
        if len(value) > LONGEST_COMMENT:
            raise Refusal(f"a remark of at most {LONGEST_COMMENT} characters", f"{len(value)}",
                          "shorten it")  # fmt: skip
        return value
    allowed = [choice["value"] for choice in question["choices"]]
    if value not in allowed:
        raise Refusal(f"one of {', '.join(allowed)} as an answer to {question['name']}",
                      repr(value)[:60], "reload the page")  # fmt: skip
    return value
