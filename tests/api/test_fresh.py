"""Archive and window put together: the pure part, for any way the log was cut."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api import fresh
from edge.api.fresh import BehindError
from edge.api.history import OVERLAP_SEQS
from schemas.archive import Stored
from schemas.overlay import Overlay
from schemas.stores import Head
from tests.api.records import event, id_of, segment

USERS = ("ana", "bo")


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a stream's events: comments, deletes of any number, clears."""
    found = []
    for seq in range(1, draw(st.integers(1, 25)) + 1):
        match draw(st.sampled_from("cccdk")):
            case "c":
                found.append(event(seq, user_id=draw(st.sampled_from(USERS))))
            case "d":
                found.append(event(seq, "delete", id_of(draw(st.integers(1, 25)))))
            case _:
                found.append(event(seq, "clear", draw(st.sampled_from(USERS))))
    return found


def cut(log: list[dict[str, Any]], places: set[int]) -> list[dict[str, Any]]:
    ends = sorted({0, len(log)} | {place for place in places if place < len(log)})
    return [segment(log[a:b]) for a, b in pairwise(ends)]


@given(logs(), st.sets(st.integers(1, 25)), st.sets(st.integers(1, 25)), st.data())
def test_what_is_shown_is_what_the_whole_log_shows(
    log: list[dict[str, Any]], one: set[int], other: set[int], data: st.DataObject
) -> None:
    """However the log is cut, repeated, and shared between archive and window."""
    stored = data.draw(st.integers(0, len(log)))
    segments = sorted(cut(log, one) + cut(log, other), key=lambda each: each["to_seq"])
    window = [each for each in segments if each["to_seq"] > stored - OVERLAP_SEQS]
    beyond = fresh.join(stored, len(log), window)
    whole, archived = Overlay(), Overlay()
    whole.add_all(log)
    archived.add_all(log[:stored])
    # An archive's page: what it has, without what it knows to be hidden.
    page = [each for each in log[:stored] if each["type"] == "comment" and not archived.hides(each)]
    shown = [each["seq"] for each in page if not beyond.overlay.hides(each)]
    shown += [each["seq"] for each in beyond.shown(stored + 1, len(log))]
    assert shown == [each["seq"] for each in log if each["type"] == "comment" and not whole.hides(each)]
    assert beyond.omitted(1, len(log)) == 0


@given(logs(), st.sets(st.integers(1, 25)), st.data())
def test_a_segment_that_is_missing_is_noticed(
    log: list[dict[str, Any]], places: set[int], data: st.DataObject
) -> None:
    """Whichever it is, the first, the last or one between."""
    segments = cut(log, places)
    stored = data.draw(st.integers(0, len(log) - 1))
    window = [each for each in segments if each["to_seq"] > stored]
    del window[data.draw(st.integers(0, len(window) - 1))]
    with pytest.raises(BehindError):
        fresh.join(stored, len(log), window)


@pytest.mark.parametrize(
    ("head", "stored", "epoch"),
    [
        (None, None, None),
        (Head("a-0", 1), None, "a-0"),
        (None, Stored("a-0", 1), "a-0"),
        (Head("a-1", 1), Stored("a-0", 9), "a-1"),
        (Head("a-0", 1), Stored("a-1", 9), "a-1"),
        (Head("a-9", 1), Stored("a-10", 9), "a-10"),
        (Head("b-0", 1), Stored("a-5", 9), "b-0"),
    ],
)
def test_newest_epoch(head: Head | None, stored: Stored | None, epoch: str | None) -> None:
    """The higher counter of one incarnation; of two, the one that the window has."""
    assert fresh.newest(head, stored) == epoch
