"""Nothing is called that SciPy 1.18 has removed, or deprecates, in the whole package.

The issue's versions are SciPy 1.18 and Python 3.11 to 3.13. Two nets: names that are known to be
gone or going, found in the source whatever SciPy is installed; and every name and argument that
the source uses, looked up in the SciPy that is installed.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import retinaforge

SOURCE = Path(retinaforge.__file__).parent
# Removed up to 1.18 (1.14 to 1.18's notes and docstrings), or deprecated in 1.17 and 1.18.
GOING = {
    "scipy.misc", "scipy.odr", "scipy.fftpack",
    *(f"scipy.integrate.{n}" for n in ("trapz", "simps", "cumtrapz", "quadrature", "romberg")),
    *(f"scipy.interpolate.{n}" for n in ("interp2d", "interpnd", "lagrange", "pade",
                                         "approximate_taylor_polynomial")),
    *(f"scipy.linalg.{n}" for n in ("tri", "triu", "tril", "kron", "basic", "decomp")),
    *(f"scipy.signal.{n}" for n in ("cwt", "morlet", "morlet2", "ricker", "daub", "qmf", "cascade",
                                    "lsim2", "impulse2", "step2", "wavelets", "spline")),
    *(f"scipy.special.{n}" for n in ("sph_harm", "lpn", "lpmn", "clpmn", "lqn", "btdtr",
                                     "btdtri")),
    *(f"scipy.stats.{n}" for n in ("binom_test", "rvs_ratio_uniforms", "itemfreq", "find_repeats",
                                   "stats", "morestats")),
    *(f"scipy.spatial.{n}" for n in ("minkowski_distance", "minkowski_distance_p",
                                     "distance_matrix", "distance.kulczynski1",
                                     "distance.sokalmichener")),
    *(f"scipy.ndimage.{n}" for n in ("filters", "fourier", "interpolation", "measurements",
                                     "morphology")),
}  # fmt: skip
ARGUMENTS = {
    **{f"scipy.linalg.{n}": {"disp", "blocksize"} for n in ("sqrtm", "logm", "signm")},
    "scipy.linalg.solve": {"sym_pos"}, "scipy.linalg.qr": {"lwork"},
    "scipy.signal.lombscargle": {"precenter"}, "scipy.stats.anderson_ksamp": {"midrank"},
    **{f"scipy.sparse.linalg.{n}": {"tol"} for n in ("cg", "gmres", "minres", "bicgstab")},
}  # fmt: skip
Use = tuple[str, frozenset[str], str]


def uses_of(text: str, where: str) -> Iterator[Use]:
    """Yield every dotted SciPy name that a file uses, its keyword arguments, and the place."""
    tree = ast.parse(text)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "scipy":
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        if isinstance(node, ast.Import):
            found = [a for a in node.names if a.name.split(".")[0] == "scipy"]
            names |= {a.asname or "scipy": a.name if a.asname else "scipy" for a in found}
    calls = {id(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
    inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for dotted in names.values():
        yield dotted, frozenset(), where
    for node in ast.walk(tree):
        dotted = _dotted(node, names)
        if dotted and id(node) not in inner:
            call = calls.get(id(node))
            said = {k.arg for k in call.keywords if k.arg} if call else set()
            yield dotted, frozenset(said), f"{where}:{getattr(node, 'lineno', 0)}"


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        parent = _dotted(node.value, names)
        return f"{parent}.{node.attr}" if parent else ""
    return ""


@cache
def uses() -> tuple[Use, ...]:
    found: list[Use] = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "scipy" in text:
            found += uses_of(text, str(path.relative_to(SOURCE)))
    return tuple(found)


def broken(found: Iterator[Use] | tuple[Use, ...]) -> list[str]:
    """Return the uses of names and arguments that are gone or going."""
    wrong = []
    for dotted, keywords, where in found:
        if any(dotted == name or dotted.startswith(f"{name}.") for name in GOING):
            wrong.append(f"{where}: {dotted}")
        wrong += [f"{where}: {dotted}({k}=)" for k in keywords & ARGUMENTS.get(dotted, set())]
    return wrong


def resolved(dotted: str) -> object:
    """Return what a dotted name stands for in the SciPy that is installed."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            thing: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            thing = getattr(thing, part)
        return thing
    raise ModuleNotFoundError(dotted)


def test_nothing_that_is_gone_or_going_is_named() -> None:
    assert broken(uses()) == []
    assert len({dotted for dotted, _, _ in uses()}) > 30  # the net holds fish


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("from scipy import linalg\nlinalg.sqrtm(a, disp=False)", "scipy.linalg.sqrtm(disp=)"),
        ("import scipy.linalg as sl\nsl.sqrtm(a, blocksize=3)", "scipy.linalg.sqrtm(blocksize=)"),
        ("from scipy.integrate import trapz", "scipy.integrate.trapz"),
        ("import scipy\nscipy.ndimage.morphology.label(a)", "scipy.ndimage.morphology.label"),
        ("from scipy.sparse.linalg import cg as c\nc(a, b, tol=1)", "scipy.sparse.linalg.cg(tol=)"),
    ],
)
def test_the_net_catches(text: str, said: str) -> None:
    assert [line.split(": ", 1)[1] for line in broken(uses_of(text, "x.py"))] == [said]


def test_every_name_and_argument_is_in_the_scipy_that_is_installed() -> None:
    for dotted, keywords, where in uses():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            thing = resolved(dotted)
        try:
            parameters = inspect.signature(thing).parameters  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue  # modules, and functions in C without a signature
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            assert keywords <= set(parameters), f"{where}: {dotted}"
