"""Write the reference pages that are made from code: cli.md, study-file.md, phantom-recipe.md,
biomarkers.md.

`python tools/make_reference.py` writes them; tests/docs/test_reference.py compares them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from retinaforge.cli import app
from retinaforge.phantoms.params import RANGES
from retinaforge.phantoms.recipe import (
    CAUSES,
    GROUPS,
    RECIPES,
    Dependence,
    PeoplePlan,
    allowed_words,
    kind_of,
    load_recipe,
)
from retinaforge.studies.plan import Arm, DataPlan, MeasurePlan, ModelPlan, Study, TrainPlan
from retinaforge.vessels.biomarkers import BIOMARKERS

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
MADE = (
    "Made by `python tools/make_reference.py` from {what}; a test keeps it true. "
    "Do not edit by hand."
)
TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("At the top of the file", Study),
    ("`[data]`", DataPlan),
    ("`[model]`", ModelPlan),
    ("`[train]`", TrainPlan),
    ("`[measure]`", MeasurePlan),
    ("`[[arm]]`", Arm),
)


def attribute_texts(cls: type) -> dict[str, str]:
    """Return what a class's docstring says of each attribute, on one line each."""
    _, _, block = inspect.getdoc(cls).partition("Attributes:\n")
    texts: dict[str, str] = {}
    for line in block.splitlines():
        if found := re.match(r" {4}(\w+): (.*)", line):
            name, texts[found[1]] = found[1], found[2]
        elif line.startswith(" " * 8):
            texts[name] += " " + line.strip()
    return texts


def _type_name(annotation: Any) -> str:
    inner = [one for one in get_args(annotation) if one not in (type(None), Ellipsis)]
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{_toml(value)}`" for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {_type_name(inner[0])}"
    if get_origin(annotation) is dict:
        return "table of texts"
    if type(None) in get_args(annotation):
        return _type_name(inner[0])
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return plain.get(annotation, "table")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    if field.default_factory is not None or isinstance(field.default, BaseModel):
        return "empty" if field.default_factory else "its own defaults"
    return "as in the code" if field.default is None else f"`{_toml(field.default)}`"


def _limits(field: FieldInfo) -> str:
    """Return pydantic's bounds in words, e.g. "at least 64"."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = [
        f"{text} {getattr(item, key)}"
        for item in field.metadata
        for key, text in words.items()
        if getattr(item, key, None) is not None
    ]
    return ", ".join(found)


def _field_rows(cls: type[BaseModel]) -> Iterator[str]:
    texts = attribute_texts(cls)
    for name, field in cls.model_fields.items():
        kind = ", ".join(filter(None, (_type_name(field.annotation), _limits(field))))
        yield f"| `{name}` | {kind} | {_default(field)} | {texts[name]} |"


def study_page() -> str:
    """Return docs/reference/study-file.md."""
    lines = [
        "# The study file", "", MADE.format(what="the models in `retinaforge/studies/plan.py`"),
        "", "A study is a TOML file: the question, what is trained, what is measured. A field that",
        "is unknown or out of range is refused before anything is trained, with its name.",
        "`studies/loss-study.toml` and `src/retinaforge/studies/demo.toml` are whole examples;",
        "the losses of an arm are listed in [losses](losses.md).",
    ]  # fmt: skip
    for title, cls in TABLES:
        about = inspect.getdoc(cls).splitlines()[0]
        lines += ["", f"## {title}", "", about, "", "| field | what | default | meaning |"]
        lines += ["|---|---|---|---|", *_field_rows(cls)]
    return "\n".join(lines) + "\n"


def commands(command: Any = None, path: tuple[str, ...] = ("retinaforge",)) -> Iterator[Any]:
    """Yield (words, command) of every command that does something, in the order of --help."""
    command = command or typer.main.get_command(app)
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name, child in children.items():
        yield from commands(child, (*path, name))


def _call_name(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))


def _param_default(param: Any) -> str:
    value = param.default() if callable(param.default) else param.default
    if param.required:
        return "must be given"
    if value is None or value == "" or value == []:
        return ""
    if isinstance(value, bool):
        names = param.opts if value else param.secondary_opts
        return f"`{names[0]}`" if names else ""
    shown = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"`{shown}`"


def _command_lines(path: tuple[str, ...], command: Any) -> Iterator[str]:
    yield from ("", f"## `{' '.join(path)}`", "", inspect.cleandoc(command.help or ""), "")
    params = [param for param in command.params if param.name != "help"]
    if params:
        yield from ("| argument or option | default | meaning |", "|---|---|---|")
    for param in params:
        yield f"| {_call_name(param)} | {_param_default(param)} | {param.help or ''} |"
    if command.epilog:
        yield from ("", inspect.cleandoc(command.epilog))


def cli_page() -> str:
    """Return docs/reference/cli.md."""
    lines = [
        "# The command line", "", MADE.format(what="the commands in `retinaforge/cli`"), "",
        "Answers go to stdout, narration to stderr; `--json` makes the answer JSON. The same",
        "command again resumes. Exit codes: 0 all done, 1 done but for what was named (unreadable",
        "photographs, failed arms), 2 refused, with what was expected, what came and what to do;",
        "130 interrupted. `retinaforge --version` prints the version.",
    ]  # fmt: skip
    for path, command in commands():
        lines += _command_lines(path, command)
    return "\n".join(lines) + "\n"


def _recipe_field(cls: type, field: Any) -> str:
    """Return one field of the parameters as a row: what it takes, its default."""
    kind = kind_of(cls, field.name)
    if kind == "choice":
        what = "one of " + ", ".join(f"`{_toml(word)}`" for word in allowed_words(cls, field.name))
    else:
        low, high = RANGES.get(field.name, (None, None))
        limits = "" if low is None else f", {low:g} to {high:g}"
        what = ("whole number" if kind == "whole" else "number") + limits
    default = "drawn by the eye's seed" if field.default is None else f"`{_toml(field.default)}`"
    return f"| `{field.name}` | {what} | {default} | {attribute_texts(cls)[field.name]} |"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def recipe_page() -> str:
    """Return docs/reference/phantom-recipe.md."""
    lines = [
        "# The recipe of a set of phantoms", "",
        MADE.format(what="`PhantomParams` and `retinaforge/phantoms/recipe.py`"), "",
        inspect.cleandoc("""
        A recipe is a TOML file: who comes, how each trait is spread, what depends on what. Pass it
        as `--recipe FILE` to [`retinaforge phantoms draw`](cli.md#retinaforge-phantoms-draw), or
        the name of one that is shipped. A field that is unknown is refused with the nearest one
        that there is. A field may be
        - a value, the same for everybody: `tortuosity = 1.4`;
        - `{ low = 0.1, high = 0.9 }`: every number between them is equally likely;
        - `{ mean = 1.0, sd = 0.3 }`, with `low` and `high` if wanted: normal, cut off at the ends,
          or else at the limits in the tables below;
        - `{ choices = [0, 1, 2], weights = [8, 1, 1] }`, in this order; equal without weights.

        A field that is left out keeps its default, or is drawn by the eye's own seed.
        """),
        "", "## Shipped recipes", "", "| name | what it draws |", "|---|---|",
        *(f"| `{name}` | {load_recipe(name).about} |" for name in RECIPES),
        "", "## `[people]`", "", inspect.getdoc(PeoplePlan).splitlines()[0], "",
        "| field | meaning |", "|---|---|",
        *(f"| `{name}` | {text} |" for name, text in attribute_texts(PeoplePlan).items()),
    ]  # fmt: skip
    for group, cls in GROUPS.items():
        about = inspect.getdoc(cls).splitlines()[0]
        lines += ["", f"## `[{group}]`", "", about, "", "| field | what | default | meaning |"]
        lines += ["|---|---|---|---|", *(_recipe_field(cls, field) for field in fields(cls))]
    lines += [
        "", "## `[[dependence]]`", "", inspect.getdoc(Dependence).splitlines()[0], "",
        "| field | meaning |", "|---|---|",
        *(f"| `{name}` | {text} |" for name, text in attribute_texts(Dependence).items()), "",
        inspect.cleandoc(f"""
        Behind every trait lies a standard normal number z, and the trait is the quantile of its own
        spread at Phi(z). A planted dependence makes z_of = strength · z_on +
        sqrt(1 - strength²) · e, with e independent: a Gaussian copula. So each trait keeps the
        spread that is written down for it, whatever it depends on; for two traits without ties
        Spearman's correlation is (6 / pi) · asin(strength / 2). What is not planted is independent,
        but for what an eye's anatomy brings: a glaucomatous disc has a wide cup. A trait may depend
        on {_listed(CAUSES[:3])}, {_listed(CAUSES[3:])};
        on several, if their strengths' squares sum to at most 1. An audit that looks for shortcuts
        or for unfairness is held against these numbers.

        Both eyes of a person share pigment, choroid, reflex and camera; in what else they have of
        their own the z of the two eyes correlate by `people.alike`. Vignetting, blur, dust and
        noise are each photograph's.
        """),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Return text that may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ") or "–"


def biomarkers_page() -> str:
    """Return docs/reference/biomarkers.md."""
    cards = [biomarker.card for biomarker in BIOMARKERS]
    lines = [
        "# Biomarkers", "", MADE.format(what="the cards in `retinaforge/vessels/biomarkers`"), "",
        inspect.cleandoc("""
        The columns of `biomarkers.csv`, in its order. A column is the biomarker's name with its
        unit: `_px` pixels, `_um` micrometres, `_mm` millimetres, `_deg` degrees, `_dd` disc
        diameters, `_fov` diameters of the camera's circle, `_fov512` such diameters / 512;
        columns without a unit are ratios or counts. What cannot be measured is empty there and has
        its reason in `reasons.csv`; no number is invented. Prefixes such as `pvbm:` name the
        package whose definition a column follows. A changed value is a new version.
        *Retest ICC* tells how well photographs of the same phantom eyes by two cameras agree, with
        its 95 % interval; [accuracy](biomarker-accuracy.md) says how it was measured, and how far
        each column lies from the truth.
        [Measure vessels](../how-to/measure-vessels.md) shows how to get the table.
        """),
        "", f"{len(cards)} columns.",
    ]  # fmt: skip
    for region in dict.fromkeys(card.region for card in cards):
        lines += ["", f"## {region[:1].upper()}{region[1:]}", "",
                  "| column | measures | definition | range | unit | smallest n | retest ICC "
                  "| misleads when |", "|---|---|---|---|---|---|---|---|"]  # fmt: skip
        for card in cards:
            if card.region == region:
                cells = (card.measures, card.definition, card.range, card.unit,
                         str(card.smallest_n), str(card.retest), card.known_failure)  # fmt: skip
                name = f"`{card.column}` v{card.version}"
                lines.append(f"| {name} | {' | '.join(map(_plain, cells))} |")
    references = dict.fromkeys(card.reference for card in cards)
    lines += ["", "## References", "", *(f"- {_plain(reference)}" for reference in references)]
    return "\n".join(lines) + "\n"


PAGES: tuple[tuple[str, Callable[[], str]], ...] = (
    ("study-file.md", study_page),
    ("cli.md", cli_page),
    ("phantom-recipe.md", recipe_page),
    ("biomarkers.md", biomarkers_page),
)


def main() -> None:
    """Write every page."""
    for name, page in PAGES:
        (REFERENCE / name).write_text(page(), encoding="utf-8")
        print(f"wrote {REFERENCE / name}", file=sys.stderr)


if __name__ == "__main__":
    main()
