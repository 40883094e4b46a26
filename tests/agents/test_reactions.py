"""Totals of taps: counted once, whoever reads or writes twice."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.core.reactions import EMOJI_CHARS_MAX, KINDS_MAX, TAPS_MAX, Totals
from schemas.records import Reaction


def taps(window: int, edge: str = "a", boot: str = "1", **counts: int) -> Reaction:
    return Reaction(edge=edge, boot=boot, window=window, stream_id="s", counts=counts or {"❤": 1})


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(1, 5)), max_size=30), st.data()
)
def test_totals_are_the_same_wherever_reading_begins_again(rows: Any, data: st.DataObject) -> None:
    """After a restart at totals that were written, reading any part again adds only what is new."""
    records = [taps(window, edge, x=count) for edge, window, count in rows]
    whole = Totals()
    for offset, record in enumerate(records):
        whole.take(offset, record)
    stop = data.draw(st.integers(0, len(records)))
    first = Totals()
    for offset, record in enumerate(records[:stop]):
        first.take(offset, record)
    resumed = Totals()
    resumed.raise_to(first.counts, first.reacted)
    windows = dict(first._windows)
    resumed._windows = windows
    start = data.draw(st.integers(0, stop))
    for offset, record in enumerate(records[start:], start=start):
        resumed.take(offset, record)
    assert resumed.counts == whole.counts


def test_a_record_that_an_edge_writes_twice_counts_once() -> None:
    """It has another offset and the same name."""
    totals = Totals()
    assert totals.take(0, taps(5))
    assert not totals.take(1, taps(5))
    assert totals.take(2, taps(6))
    assert totals.take(3, taps(1, boot="2"))
    assert totals.counts == {"❤": 3}


def test_what_cannot_be_tapped_does_not_count() -> None:
    """Negative, huge and long things; and more kinds than anybody needs."""
    totals = Totals()
    assert not totals.take(0, taps(1, x=-5, y=0, z=TAPS_MAX + 1, **{"e" * (EMOJI_CHARS_MAX + 1): 1}))
    totals.take(1, taps(2, **{f"e{n}": 1 for n in range(KINDS_MAX + 5)}))
    assert len(totals.counts) == KINDS_MAX


def test_totals_never_go_back() -> None:
    """Older ones that are read later change nothing."""
    totals = Totals()
    totals.raise_to({"❤": 9}, 7)
    totals.raise_to({"❤": 3}, 4)
    assert totals.counts == {"❤": 9}
