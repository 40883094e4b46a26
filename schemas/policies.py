"""Records of ``moderation.policy``: who writes them (the API) and who reads them (`moderate`) agree here.

Keys, so that the topic can be compacted to what holds: ``ban/<user>``, and ``words/<list>/<part>``.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

EVERYWHERE: Final = "*"
"""Stands for all streams where a stream id would be: no stream is called so."""
LIST_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PART_CHARS_MAX: Final = 150_000
"""Of one record's rules."""
PARTS_MAX: Final = 256
RULES_MAX: Final = 200_000


class Part(NamedTuple):
    """One of ``total`` parts of a list's ``version``."""

    number: int
    total: int
    version: str
    rules: tuple[str, ...]

    def to_value(self) -> dict[str, Any]:
        """As the command's settings hold it."""
        return {"part": self.number, "parts": self.total, "version": self.version, "rules": list(self.rules)}


def ban_key(user: str) -> bytes:
    """Key of a user's ban."""
    return f"ban/{user}".encode()


def words_key(name: str, part: int) -> bytes:
    """Key of a part of a list."""
    return f"words/{name}/{part}".encode()


def parts_of(rules: Sequence[str]) -> list[Part]:
    """Cut a list into parts; the empty list has one, empty."""
    chunks = list(_chunks(rules))
    version = hashlib.sha256("\n".join(rules).encode()).hexdigest()[:16]
    return [Part(number, len(chunks), version, chunk) for number, chunk in enumerate(chunks)]


def part_of(value: Mapping[str, Any]) -> Part | None:
    """Read a part; None: it is none."""
    match value:
        case {"part": int(number), "parts": int(total), "version": str(version), "rules": list(rules)}:
            if 0 <= number < total <= PARTS_MAX and all(isinstance(rule, str) for rule in rules):
                return Part(number, total, version, tuple(rules))
    return None


def _chunks(rules: Sequence[str]) -> Iterator[tuple[str, ...]]:
    chunk: list[str] = []
    size = 0
    for rule in rules:
        size += len(rule) + 1
        if chunk and size > PART_CHARS_MAX:
            yield tuple(chunk)
            chunk, size = [], len(rule) + 1
        chunk.append(rule)
    yield tuple(chunk)
