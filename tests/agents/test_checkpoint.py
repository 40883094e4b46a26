"""A stage's checkpoint, folded from its changelog."""

from hypothesis import given
from hypothesis import strategies as st

from agents.checkpoint import Checkpoint, load
from agents.core import positions
from agents.testing import MemoryLog
from schemas.records import Origin
from schemas.topics import POSITIONS_CHANGELOG

WRITES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 99)), max_size=30)


def entry(offset: int, seq: int) -> bytes:
    return positions.encode("e-0", seq, Origin(offset, 0), offset, at=0)


def folded(writes: list[tuple[str, int, int]]) -> Checkpoint:
    found = Checkpoint("position")
    for key, offset, seq in writes:
        found.take(key.encode(), entry(offset, seq))
    return found


@given(WRITES)
def test_the_highest_entry_of_a_key_holds(writes: list[tuple[str, int, int]]) -> None:
    """Whatever a paused predecessor wrote behind it, a stream is never set back."""
    for key, value in folded(writes).entries.items():
        highest = max(offset for name, offset, _ in writes if name.encode() == key)
        assert positions.decode(value)["segment_offset"] == highest


@given(WRITES)
def test_streams_whose_last_entry_is_lower_are_written_again(
    writes: list[tuple[str, int, int]],
) -> None:
    """Compaction keeps the last entry: where that is not the highest, it must be."""
    last = {key: offset for key, offset, _ in writes}
    highest = {key: max(offset for name, offset, _ in writes if name == key) for key in last}
    assert set(folded(writes).stale) == {key for key in last if last[key] < highest[key]}


async def test_what_is_not_an_entry_is_passed_over() -> None:
    """A stranger's record, a tombstone and a record without a key do not stop a recovery."""
    log = MemoryLog()
    rows: list[tuple[bytes | None, bytes]] = [(b"a", entry(1, 5)), (b"b", b"rubbish"), (None, entry(2, 2))]
    log.put(POSITIONS_CHANGELOG.name, 0, rows)
    found = await load(log, POSITIONS_CHANGELOG, 0)
    assert list(found.entries) == [b"a"]
    assert found.stale == []
