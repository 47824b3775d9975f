"""Codes of readers and the organiser's token: said once, kept as salted hashes.

60 bits a reader, 100 the organiser, drawn by the system and never from the study's seed. Nobody
guesses them through a rate-limited door, and who reads the file cannot turn them back.
"""

from __future__ import annotations

import hashlib
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U, which are read as other signs."""
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})


def new_code(groups: int = 3) -> str:
    """Return a code such as 7KQF-2MXA-9RTD, 20 bits a group."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(groups))


def tidy(code: str) -> str:
    """Return a code as typed, in one spelling: case, dashes, blanks, O and 0 do not matter."""
    return code.strip().upper().translate(_READ_AS)


def hashed(code: str, salt: str) -> str:
    """Return the hash under which a code is kept, hex."""
    return hashlib.sha256(f"{salt}\x1f{tidy(code)}".encode()).hexdigest()
