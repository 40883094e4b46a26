"""A viewer's position: applied, trimmed, gap, hole."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from livecomments.client.position import (
    Applied,
    Gap,
    Hole,
    Malformed,
    Position,
    apply,
    skip,
    subscribed,
)


def publication(start: int, end: int, *seqs: int, **more: Any) -> dict[str, Any]:
    return {"from": start, "to": end, "events": [{"type": "comment", "seq": seq} for seq in seqs]} | more


def whole(start: int, end: int) -> dict[str, Any]:
    return publication(start, end, *range(start + 1, end + 1))


def seqs(found: object) -> list[int]:
    assert isinstance(found, Applied)
    return [event["seq"] for event in found.events]


def test_joined() -> None:
    """A first subscribe joins at the reply, and the last comments may be older."""
    joined = subscribed(None, "e-0", 20)
    found = apply(joined, publication(10, 20, 11, 15, 20))
    assert seqs(found) == [11, 15, 20]
    assert isinstance(found, Applied)
    assert found.position == Position("e-0", 20)
    assert found.omitted == 7
    assert apply(joined, publication(21, 22, 22)) == Gap(20, 21)


def test_subscribed_again() -> None:
    """In its epoch a position stays where it is; another epoch starts over."""
    assert subscribed(Position("e-0", 9), "e-0", 4) == Position("e-0", 9)
    assert subscribed(Position("e-0", 9), "e-1", 4) == Position("e-1", 4, joined=True)


def test_overlap_and_gap() -> None:
    """What is known is trimmed, per seq; what starts beyond is a gap."""
    assert seqs(apply(Position("e-0", 6), whole(4, 8))) == [7, 8]
    assert seqs(apply(Position("e-0", 9), whole(4, 8))) == []
    assert apply(Position("e-0", 5), whole(7, 8)) == Gap(5, 7)
    assert skip(Position("e-0", 5), Gap(5, 7)) == Position("e-0", 7)


def test_holes() -> None:
    """The part of an announced hole that is news is told, and is not counted as omitted; a doubt is kept."""
    hole = {"from": 2, "to": 8, "reason": "window"}
    found = apply(Position("e-0", 5), publication(2, 10, 9, 10, hole=hole))
    assert isinstance(found, Applied)
    assert (found.hole, found.omitted) == (Hole(5, 8, "window"), 0)
    doubt = {"from": 5, "to": 5, "reason": "unknown"}
    found = apply(Position("e-0", 5), publication(5, 5, hole=doubt))
    assert isinstance(found, Applied)
    assert found.hole == Hole(5, 5, "unknown")


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["from", "to", "events", "hole", "seq", "reason"]), inner)))  # fmt: skip
def test_anything(value: Any) -> None:
    """Whatever comes is applied, a gap or malformed; nothing raises."""
    assert isinstance(apply(Position("e-0", 5), value), Applied | Gap | Malformed)


@given(st.lists(st.tuples(st.integers(-4, 3), st.integers(0, 5)), max_size=60))
def test_every_seq_once(steps: list[tuple[int, int]]) -> None:
    """However a history is cut and repeated, every seq is applied once, in order, or is a gap."""
    position, seen = Position("e-0", 0), list[int]()
    for shift, length in steps:
        start = max(0, position.seq + shift)
        match apply(position, whole(start, start + length)):
            case Applied() as applied:
                position = applied.position
                seen += seqs(applied)
            case Gap(first, last):
                assert first == position.seq < last == start
    assert seen == list(range(1, position.seq + 1))
