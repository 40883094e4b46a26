"""What one channel knows: what follows, what is missing, what is over."""

from hypothesis import given
from hypothesis import strategies as st

from edge.feed.track import WAITING_SEGMENTS_MAX, Track, Verdict
from schemas.stores import Head
from tests.edge.fakes import comments


def at(seq: int, epoch: str = "test-0") -> Track:
    track = Track()
    track.told(comments(1, seq, epoch=epoch))
    return track


def test_the_first_segment_counts_wherever_it_begins() -> None:
    """Nothing was told before it: the past is looked up, not told."""
    assert Track().judge(comments(41, 50)) is Verdict.NEXT


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 20))
def test_segments_are_judged_by_their_range(seq: int, start: int, length: int) -> None:
    """Covered: old. Joined or overlapping: next. Beyond: a gap."""
    verdict = at(seq).judge(comments(start, start + length))
    if start + length <= seq:
        assert verdict is Verdict.OLD
    else:
        assert verdict is (Verdict.NEXT if start <= seq + 1 else Verdict.GAP)


def test_an_epoch_that_is_over_does_not_come_back() -> None:
    """A paused writer's messages of the last epoch are old; a new epoch follows, from its beginning."""
    track = at(9, "made-2")
    assert track.judge(comments(10, 11, epoch="made-1")) is Verdict.OLD
    assert track.judge(comments(1, 1, epoch="made-3")) is Verdict.NEXT
    assert track.judge(comments(4, 5, epoch="made-3")) is Verdict.GAP
    assert track.judge(comments(1, 1, epoch="other-0")) is Verdict.NEXT


def test_a_head_shows_what_is_missing() -> None:
    """Beyond what was told, or of a later epoch; gone or lower shows nothing."""
    track = at(9, "made-2")
    assert track.missing(Head("made-2", 10))
    assert track.missing(Head("made-3", 1))
    assert not track.missing(Head("made-2", 9))
    assert not track.missing(Head("made-2", 3))
    assert not track.missing(Head("made-1", 99))
    assert not track.missing(None)


def test_a_channel_begins_at_its_first_head() -> None:
    """What is before it is not missing."""
    track = Track()
    assert not track.missing(Head("made-0", 70))
    assert track.judge(comments(71, 71, epoch="made-0")) is Verdict.NEXT
    assert track.judge(comments(80, 81, epoch="made-0")) is Verdict.GAP


def test_a_channel_that_was_empty_begins_at_nothing() -> None:
    """Where there was no head, whatever comes first is to be told from its beginning."""
    track = Track()
    assert not track.missing(None)
    assert track.judge(comments(1, 3)) is Verdict.NEXT
    assert track.judge(comments(4, 5)) is Verdict.GAP
    assert track.missing(Head("test-0", 3))
    assert track.whence("test-0") == 0


def test_what_waits_is_bounded() -> None:
    """The oldest go first; they are in the window."""
    track = at(1)
    for seq in range(2, WAITING_SEGMENTS_MAX + 7):
        track.wait(comments(seq, seq))
    found = [record["to_seq"] for record in track.waiting()]
    assert len(found) == WAITING_SEGMENTS_MAX
    assert found[-1] == WAITING_SEGMENTS_MAX + 6
    assert list(track.waiting()) == []


def test_a_record_of_the_streams_state_alone_is_news_at_its_place() -> None:
    """An empty range at the position follows; one behind it is old, one beyond it shows a gap."""
    track = at(9)
    state = comments(1, 9) | {"from_seq": 9, "events": []}
    assert track.judge(state) is Verdict.NEXT
    assert track.judge(state | {"from_seq": 4, "to_seq": 4}) is Verdict.OLD
    assert track.judge(state | {"from_seq": 12, "to_seq": 12}) is Verdict.GAP
    track.told(state)
    assert track.judge(comments(10, 10)) is Verdict.NEXT
