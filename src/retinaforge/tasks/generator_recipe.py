"""The recipe file: pretrain at low resolution, purify, fine-tune at high resolution.

The three steps are RetinaLogos's (MICCAI 2025, arXiv 2505.12887v3, section 2.2); its thresholds and
schedules are not public, so every number of ours stands in the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from retinaforge.core import Refusal
from retinaforge.tasks.generator_recipe_tables import (
    AutoencoderTable,
    DataTable,
    FlowTable,
    NetworkTable,
    PurifyTable,
    SampleTable,
    Table,
    TextTable,
    TrainTable,
)

Step = Literal["pretrain", "purify", "finetune"]
STEPS: tuple[Step, ...] = get_args(Step)


@dataclass(frozen=True)
class Arm:
    """One arm of the ablation.

    Attributes:
        steps: that it takes.
        selection: what it fine-tunes on after purification: "kept", or as many at "random".
    """

    steps: tuple[Step, ...]
    selection: Literal["kept", "random"] = "kept"


ARMS = {
    "low": Arm(("pretrain",)),
    "scratch": Arm(("finetune",)),
    "purified": Arm(("purify", "finetune")),
    "unpurified": Arm(("pretrain", "finetune")),
    "random": Arm(STEPS, "random"),
    "full": Arm(STEPS),
}
"""The ablation's arms: the published table's, and one whose pairs are as few but not chosen."""


class Recipe(Table):
    """A whole recipe, as the TOML says it.

    Attributes:
        name: short; stands on the reports.
        about: one sentence.
        cost: about how long it takes, and on what.
        seed: base of every other seed.
        arms: of the ablation (`--arms`), by name of ARMS.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_+-]*$")
    about: str = ""
    cost: str = ""
    seed: int = 0
    arms: tuple[str, ...] = ("low", "scratch", "unpurified", "random", "full")
    data: DataTable = DataTable()
    autoencoder: AutoencoderTable = AutoencoderTable()
    text: TextTable = TextTable()
    network: NetworkTable = NetworkTable()
    flow: FlowTable = FlowTable()
    pretrain: TrainTable
    purify: PurifyTable = PurifyTable()
    finetune: TrainTable
    sample: SampleTable = SampleTable()

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if unknown := [name for name in self.arms if name not in ARMS]:
            raise ValueError(f"arm {unknown[0]!r} is none of {', '.join(ARMS)}")
        return self


def load_recipe(spec: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        spec: a TOML file, or the name of one that the package ships.
        changes: "table.key=value", the value as in TOML or a bare word.

    Raises:
        Refusal: if it is missing, no TOML, or a field is unknown or out of range.
    """
    path = find_recipe(spec)
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal("a recipe file", f"{path}: {error.strerror}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refusal("valid TOML", f"{path}: {error}", "mend the line it names") from error
    for change in changes:
        _change(plain, change)
    return parse_recipe(plain, str(path))


def parse_recipe(plain: Mapping[str, Any], where: str) -> Recipe:
    """Return the recipe of plain data.

    Raises:
        Refusal: naming every field that is wrong, and the nearest one to an unknown.
    """
    try:
        return Recipe.model_validate(plain)
    except ValidationError as error:
        wrong = "; ".join(_said(item) for item in error.errors())
        raise Refusal(
            f"a valid recipe in {where}",
            wrong,
            "the fields are listed in docs/how-to/train-generator.md",
        ) from error


def find_recipe(spec: str | Path) -> Path:
    """Return the file of a recipe.

    Raises:
        Refusal: if it is neither a file nor the name of a shipped one.
    """
    path = Path(spec)
    if path.is_file():
        return path
    shipped = {found.stem: found for found in shipped_recipes()}
    if str(spec) in shipped:
        return shipped[str(spec)]
    raise Refusal(
        f"a recipe file, or one of {', '.join(shipped)}",
        str(spec),
        "name a .toml file; copy a shipped one to begin with",
    )


def shipped_recipes() -> list[Path]:
    """Return the recipes that the package ships: in the wheel, or in the repository's root."""
    inside = Path(str(files("retinaforge"))) / "recipes"
    root = inside.parents[2] / "recipes"
    folder = inside if inside.is_dir() else root
    return sorted(folder.glob("*.toml"))


def _change(plain: dict[str, Any], change: str) -> None:
    name, equals, said = change.partition("=")
    if not equals or not name.strip():
        raise Refusal("--set table.key=value", repr(change), "such as --set finetune.steps=2000")
    *tables, last = (part.strip() for part in name.split("."))
    for table in tables:
        plain = plain.setdefault(table, {})
        if not isinstance(plain, dict):
            raise Refusal(f"a table {table}", repr(change), "name a field, not a part of one")
    plain[last] = _value(said.strip())


def _value(said: str) -> Any:
    try:
        return tomllib.loads(f"value = {said}")["value"]
    except tomllib.TOMLDecodeError:
        return said


def _said(item: Mapping[str, Any]) -> str:
    """Return one error in words; an unknown field's has the nearest that is known."""
    place = [str(part) for part in item["loc"]]
    name = ".".join(place) or "recipe"
    if item["type"] != "extra_forbidden":
        said = item["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
        return f"{name}: {said}"
    near = get_close_matches(name, list(_fields(Recipe)), n=1, cutoff=0.5)
    near = near or get_close_matches(place[-1], [n.split(".")[-1] for n in _fields(Recipe)], n=1)
    return f"{name} is unknown{f' (did you mean {near[0]}?)' if near else ''}"


def _fields(table: type[BaseModel], head: str = "") -> Iterator[str]:
    for name, field in table.model_fields.items():
        yield head + name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _fields(inner, f"{head}{name}.")
