"""Which migrations a store needs, from what it says of itself."""

import pytest

from schemas.archive import ArchiveError, cassandra_schema, sqlite_schema
from schemas.archive.migrations import Applied, Migration, check, pending

KNOWN = tuple(Migration(number, f"step {number}", (f"DO {number}",)) for number in (1, 2, 3))


def applied(*numbers: int, unfinished: int | None = None) -> list[Applied]:
    return [Applied(each, KNOWN[each - 1].checksum, each != unfinished) for each in numbers]


def test_a_new_store_needs_all() -> None:
    """Nothing applied: all, in order."""
    assert pending([], KNOWN, "here") == list(KNOWN)


def test_what_is_applied_is_not_run_again() -> None:
    """A finished store needs nothing, and passes the check."""
    assert pending(applied(1, 2, 3), KNOWN, "here") == []
    check(applied(1, 2, 3), KNOWN, "here")


def test_what_broke_off_is_run_again() -> None:
    """An unfinished migration is pending, and the check names it."""
    rows = applied(1, 2, unfinished=2)
    assert pending(rows, KNOWN, "here") == [KNOWN[1], KNOWN[2]]
    with pytest.raises(ArchiveError, match="here: migration 2 step 2 is unfinished"):
        check(rows, KNOWN, "here")


def test_an_older_schema_is_refused_until_migrated() -> None:
    """The check says which step is missing and what to do."""
    with pytest.raises(ArchiveError, match="2 step 2 is not applied: run «livecomments migrate»"):
        check(applied(1), KNOWN, "here")


def test_a_schema_from_the_future_is_refused() -> None:
    """A number that this version does not know stops both."""
    rows = [*applied(1, 2, 3), Applied(4, "x", finished=True)]
    for ask in (pending, check):
        with pytest.raises(ArchiveError, match="version 4, this program knows versions up to 3"):
            ask(rows, KNOWN, "here")


def test_a_changed_migration_is_refused() -> None:
    """A released migration whose statements changed is noticed."""
    with pytest.raises(ArchiveError, match="other content"):
        pending([Applied(1, "x", finished=True)], KNOWN, "here")


def test_a_hole_is_refused() -> None:
    """A missing number below an applied one is damage, not something to run late."""
    with pytest.raises(ArchiveError, match="1 step 1 is missing below version 2"):
        pending(applied(2), KNOWN, "here")


@pytest.mark.parametrize("known", [sqlite_schema.MIGRATIONS, cassandra_schema.MIGRATIONS])
def test_ours_are_numbered_without_a_hole(known: tuple[Migration, ...]) -> None:
    """Both stores' migrations count from 1, and every statement may be run again."""
    assert [each.number for each in known] == list(range(1, len(known) + 1))
    for statement in (statement for each in known for statement in each.statements):
        assert "IF NOT EXISTS" in statement
