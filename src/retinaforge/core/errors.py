"""Refusals: what was expected, what came, what to do."""

from __future__ import annotations


class RetinaForgeError(Exception):
    """Anything a user can cause; the command line prints it without a traceback."""


class Refusal(RetinaForgeError):
    """Refuse an input in three parts, so that every message answers the same three questions.

    Args:
        expected: what would have been accepted.
        came: what was given instead.
        remedy: what the user can do now.
    """

    def __init__(self, expected: str, came: str, remedy: str) -> None:
        super().__init__(f"expected {expected}; got {came}; {remedy}")
        self.expected, self.came, self.remedy = expected, came, remedy

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        """Let a refusal travel from a worker process; the parts, not the message, rebuild it."""
        return type(self), (self.expected, self.came, self.remedy)


def in_one_line(error: BaseException, most: int = 200) -> str:
    """Return what another library's error says, its first line; its kind where it says nothing.

    Args:
        error: as it was raised.
        most: characters.
    """
    lines = str(error).strip().splitlines()
    return lines[0][:most] if lines else type(error).__name__
