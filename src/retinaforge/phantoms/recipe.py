"""A recipe: the population that phantoms are drawn from, as a TOML file says it.

`[people]` says who comes and how often; `[anatomy]`, `[vessels]`, `[disease]` and `[camera]` say
how each field of `PhantomParams` is spread; each `[[dependence]]` plants a known dependence of one
trait on another, for tests of fairness and of shortcuts:

    z_of = sum_i strength_i * z_on_i + sqrt(1 - sum_i strength_i^2) * e,   value = Q_of(Phi(z_of))

with standard normal z and e, and Q the quantile function of the trait: a Gaussian copula, so that
every trait keeps the distribution written down for it, whatever it depends on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_type_hints

from retinaforge.core import Refusal
from retinaforge.phantoms.cameras import PROFILES
from retinaforge.phantoms.params import (
    RANGES,
    AnatomyParams,
    CameraParams,
    DiseaseParams,
    VesselParams,
)
from retinaforge.phantoms.spread import Fixed, Kind, Normal, Spread, Uniform, parse_spread

RECIPES = ("healthy", "screening", "diabetic", "glaucoma", "captioned", "shortcut")
"""Names of the recipes that the package ships."""
GROUPS: dict[str, type] = {
    "anatomy": AnatomyParams, "vessels": VesselParams, "disease": DiseaseParams,
    "camera": CameraParams,
}  # fmt: skip
SEEN = "docs/reference/phantom-recipe.md lists the fields"
SPLITS = ("train", "val", "test")
CAUSES = ("age", "sex", "group", "disease.diabetic_grade", "disease.amd", "disease.glaucoma")
"""What a trait may depend on."""
ONE_VISIT = Fixed(1)
A_YEAR = Uniform(0.9, 1.3)
ADULTS = Normal(55.0, 15.0, 18.0, 95.0)


@dataclass(frozen=True)
class PeoplePlan:
    """Who comes, how often, and into which split.

    Attributes:
        eyes: photographs a visit: 2 for both eyes, 1 for one eye drawn by chance.
        visits: how often a person comes; the same vessels each time, lesions that progress.
        years_between: years from one visit to the next.
        age: years at the first visit.
        female: share of women.
        groups: name and weight of groups that a person may belong to; without any dependence
            the group has no effect on the photograph.
        alike: correlation between the two eyes of a person in what each has of its own
            (severity, cup, vessels), 0-1; pigment, choroid and camera are the person's.
        split: shares of people in train, val and test; nobody is in two of them.
    """

    eyes: int = 2
    visits: Spread = ONE_VISIT
    years_between: Spread = A_YEAR
    age: Spread = ADULTS
    female: float = 0.5
    groups: Mapping[str, float] = field(default_factory=dict)
    alike: float = 0.8
    split: Mapping[str, float] = field(
        default_factory=lambda: {"train": 0.7, "val": 0.1, "test": 0.2}
    )


@dataclass(frozen=True)
class Dependence:
    """A planted dependence, known exactly.

    Attributes:
        of: the trait that depends, e.g. "camera.model"; the recipe must spread it.
        on: what it depends on: age, sex (women are high), group (in the order listed),
            disease.diabetic_grade, disease.amd or disease.glaucoma.
        strength: correlation of the two underlying normal variables, from -1 to 1; at 1 or -1
            the trait is a monotone function of what it depends on.
    """

    of: str
    on: str
    strength: float


@dataclass(frozen=True)
class Recipe:
    """A population of phantoms.

    Attributes:
        name: short; stands in the data set's settings.
        about: one sentence.
        people: who comes.
        spreads: spread of each field that the recipe names, by "group.field"; every other field
            keeps its default, or is drawn by the phantom where the default is None.
        dependence: what is planted.
        written: the TOML as plain data, which identifies the recipe.
    """

    name: str
    about: str = ""
    people: PeoplePlan = field(default_factory=PeoplePlan)
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    dependence: tuple[Dependence, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict)


def load_recipe(name: str | Path) -> Recipe:
    """Return a shipped recipe by name, or read a recipe file.

    Raises:
        Refusal: if it is neither, no TOML, or a field is unknown or out of range.
    """
    if str(name) in RECIPES:
        text = (files("retinaforge.phantoms") / "recipes" / f"{name}.toml").read_text()
        return parse_recipe(tomllib.loads(text), where=str(name))
    path = Path(name)
    try:
        return parse_recipe(tomllib.loads(path.read_text()), where=str(name))
    except OSError as error:
        raise Refusal(
            f"a recipe file or one of {', '.join(RECIPES)}",
            f"{name}: {error.strerror}",
            "check the path",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refusal("valid TOML", f"{name}: {error}", "mend the line it names") from error


def parse_recipe(written: Mapping[str, Any], *, where: str = "recipe") -> Recipe:
    """Return the recipe that a TOML document means.

    Raises:
        Refusal: if a field is unknown or out of range, named with the nearest that there is.
    """
    _known(written, ("name", "about", "people", *GROUPS, "dependence"), where)
    name, about = written.get("name", Path(where).stem), written.get("about", "")
    if not (isinstance(name, str) and isinstance(about, str)):
        raise Refusal("name and about as text", f"{name!r} and {about!r}", "put them in quotes")
    spreads: dict[str, Spread] = {}
    for group, cls in GROUPS.items():
        section = _table(written.get(group, {}), group)
        _known(section, tuple(entry.name for entry in fields(cls)), f"[{group}]")
        for key, given in section.items():
            kind = kind_of(cls, key)
            limits = None if kind == "choice" else RANGES.get(key)
            spreads[f"{group}.{key}"] = parse_spread(given, f"{group}.{key}", kind=kind,
                                                     limits=limits)  # fmt: skip
            for value in words_of(spreads[f"{group}.{key}"]) if kind == "choice" else ():
                _require_word(value, group, cls, key)
    people = _people(_table(written.get("people", {}), "people"))
    planted = written.get("dependence", [])
    if not isinstance(planted, list):
        raise Refusal("[[dependence]] as a list of tables", f"{planted!r}", "use two brackets")
    dependence = _dependences(planted, spreads, people)
    return Recipe(name, about, people, spreads, dependence, dict(written))


def kind_of(cls: type, name: str) -> Kind:
    """Return whether a field of the parameters is a number, a whole number or a choice."""
    hint = get_type_hints(cls)[name]
    inner = [one for one in get_args(hint) if one is not type(None)] or [hint]
    return {float: "number", int: "whole"}.get(inner[0], "choice")  # type: ignore[return-value]


def words_of(spread: Spread) -> tuple[Any, ...]:
    """Return the values that a fixed spread or a choice may take."""
    return getattr(spread, "choices", None) or (spread.value,)  # type: ignore[union-attr]


def allowed_words(cls: type, key: str) -> tuple[Any, ...]:
    """Return the words or switches that a field takes."""
    hint = get_type_hints(cls)[key]
    inner = [one for one in get_args(hint) if one is not type(None)] or [hint]
    if inner[0] is bool or hint is bool:
        return (True, False)
    words = [word for one in inner for word in (get_args(one) or (one,))]
    words = [word for word in words if isinstance(word, str)]
    return tuple(words) or camera_names()


def camera_names() -> tuple[str, ...]:
    """Return the names of the cameras that there are."""
    return tuple(PROFILES)


def _require_word(value: Any, group: str, cls: type, key: str) -> None:
    words = allowed_words(cls, key)
    if value not in words:
        shown = ", ".join(str(word).lower() if word in (True, False) else word for word in words)
        raise Refusal(f"{group}.{key} as one of {shown}", f"{value!r}", _nearest(value, words))


def _table(given: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise Refusal(f"[{name}] as a table", f"{given!r}", f"write [{name}] and its fields below")
    return given


def _known(given: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in names:
            raise Refusal(f"a field of {where}", f"{key!r}", _nearest(key, names))


def _nearest(key: Any, names: tuple[Any, ...]) -> str:
    near = get_close_matches(str(key), [str(name) for name in names], n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}? {SEEN}" if near else SEEN


def _people(given: Mapping[str, Any]) -> PeoplePlan:
    _known(given, tuple(entry.name for entry in fields(PeoplePlan)), "[people]")
    plan: dict[str, Any] = {}
    limits = {"years_between": (0.0, 50.0), "age": (0.0, 120.0), "female": (0.0, 1.0),
              "alike": (0.0, 1.0), "eyes": (1, 2), "visits": (1, 50)}  # fmt: skip
    for key, value in given.items():
        if key in ("groups", "split"):
            plan[key] = _shares(value, f"people.{key}", SPLITS if key == "split" else None)
            continue
        kind: Kind = "whole" if key in ("eyes", "visits") else "number"
        spread = parse_spread(value, f"people.{key}", kind=kind, limits=limits[key])
        if key in ("eyes", "female", "alike") and not isinstance(spread, Fixed):
            raise Refusal(f"people.{key} as one number", f"{value!r}", "it is the same for all")
        plan[key] = spread.value if key in ("eyes", "female", "alike") else spread  # type: ignore[union-attr]
    return PeoplePlan(**plan)


def _shares(given: Any, name: str, names: tuple[str, ...] | None) -> dict[str, float]:
    """Return weights as shares that sum to 1."""
    table = _table(given, name)
    if names:
        _known(table, names, f"[{name}]")
    spread = parse_spread({"choices": list(table), "weights": list(table.values())}, name,
                          kind="choice")  # fmt: skip
    total = sum(spread.weights)  # type: ignore[union-attr]
    return {key: weight / total for key, weight in table.items()}


def _dependences(
    given: list[Any], spreads: Mapping[str, Spread], people: PeoplePlan
) -> tuple[Dependence, ...]:
    found = []
    varying = {name for name, spread in spreads.items() if not isinstance(spread, Fixed)}
    varying |= {"age", "sex"} | ({"group"} if len(people.groups) > 1 else set())
    for entry in given:
        _known(_table(entry, "[dependence]"), ("of", "on", "strength"), "[[dependence]]")
        if missing := {"of", "on", "strength"} - set(entry):
            raise Refusal(
                "of, on and strength in each [[dependence]]", f"no {min(missing)}", "add it"
            )
        strength = parse_spread(entry["strength"], "strength", limits=(-1.0, 1.0)).at(0.5)
        _require_cause(entry["of"], entry["on"])
        for name in (entry["of"], entry["on"]):
            if name not in varying or entry["of"] not in spreads:
                raise Refusal(
                    f"a spread of {name} in the recipe, as {entry['of']} shall depend on "
                    f"{entry['on']}",
                    "none",
                    "give it low and high, mean and sd, or choices (a group: people.groups)",
                )
        found.append(Dependence(entry["of"], entry["on"], float(strength)))
    for of in {one.of for one in found}:
        total = sum(one.strength**2 for one in found if one.of == of)
        if total > 1 + 1e-9:
            raise Refusal(
                f"strengths of {of} whose squares sum to at most 1", f"{total:.3g}", "lower them"
            )
    return tuple(found)


def _require_cause(of: Any, on: Any) -> None:
    if on not in CAUSES:
        raise Refusal(f"on as one of {', '.join(CAUSES)}", f"{on!r}", _nearest(on, CAUSES))
    if of in CAUSES and str(on).startswith("disease."):
        raise Refusal(
            "a disease that depends on age, sex or group",
            f"{of} on {on}",
            "let both depend on the same one",
        )
