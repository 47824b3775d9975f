"""How feature spaces are named where a reader reads."""

from __future__ import annotations


def short_space(name: str) -> str:
    """Return a space's name, or a score's in it, without the file of its encoder.

    "squeezenet:weights/s.npz: precision" becomes "squeezenet: precision".
    """
    encoder, colon, rest = name.partition(":")
    if not colon or rest.startswith(" "):
        return name
    file, colon, score = rest.rpartition(": ")
    return f"{encoder}: {score}" if file else encoder
