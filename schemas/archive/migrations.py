"""Which steps bring a store's schema to this version's. The rules are the same for both stores; pure.

A store keeps one row a migration: number, checksum, whether it was finished. Migrations are numbered from 1
without a hole and never change once released; each can be run again after it broke off in the middle.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.archive.base import ArchiveError


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step: statements that do no harm when they are run again."""

    number: int
    name: str
    statements: tuple[str, ...]

    @property
    def checksum(self) -> str:
        """Of the statements, so that a released migration that was changed is noticed."""
        return hashlib.sha256("\0".join(self.statements).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class Applied(NamedTuple):
    """What a store says of a migration."""

    number: int
    checksum: str
    finished: bool


def pending(applied: Iterable[Applied], known: Sequence[Migration], where: str) -> Sequence[Migration]:
    """Return the migrations to run, in order; one that broke off is run again.

    Raises:
        ArchiveError: the schema is of a later version, or what was applied is not what this version knows.

    """
    rows = {row.number: row for row in applied}
    last = max(rows, default=0)
    if last > len(known):
        raise ArchiveError(
            f"{where}: the schema is at version {last}, this program knows versions up to {len(known)}: "
            "install the version that made it, or a later one"
        )
    for migration in known:
        row = rows.get(migration.number)
        if row is not None and row.finished and row.checksum != migration.checksum:
            raise ArchiveError(
                f"{where}: migration {migration} was applied with other content ({row.checksum}, here "
                f"{migration.checksum}): the schema was made by another build of this program"
            )
        if row is None and migration.number < last:
            raise ArchiveError(f"{where}: migration {migration} is missing below version {last}")
    return [each for each in known if each.number not in rows or not rows[each.number].finished]


def check(applied: Iterable[Applied], known: Sequence[Migration], where: str) -> None:
    """Raise ArchiveError unless the schema is this version's, and finished."""
    rows = list(applied)
    left = pending(rows, known, where)
    if not left:
        return
    broken = next((each for each in left if any(row.number == each.number for row in rows)), None)
    state = f"migration {broken} is unfinished" if broken else f"migration {left[0]} is not applied"
    raise ArchiveError(f"{where}: {state}: run «livecomments migrate»")
