"""What the end of a window says of a stream."""

from edge.api.pulse import Pulse, pulse
from schemas.stores import Head
from tests.api.records import AT, EPOCH, comments, event, segment

HEAD = Head(EPOCH, 20)


def test_nothing_is_known_of_a_stream_without_a_window() -> None:
    """No head: nothing; a head alone: where it ends."""
    assert pulse(None, [], {}, AT) == Pulse()
    assert pulse(HEAD, [], {}, AT) == Pulse(EPOCH, 20)


def test_rate_counts_numbers_of_the_last_ten_seconds() -> None:
    """By seq, so that what sampling left out counts too."""
    old, new = comments(1, 5), segment([event(16), event(20)], from_seq=5, to_seq=25)
    assert pulse(HEAD, [new, old], {}, AT + 20_000).events_per_second == 2.0


def test_rate_of_a_short_window_is_over_what_it_covers() -> None:
    """A busy stream's last segments do not reach back ten seconds."""
    newest = segment([event(20)], from_seq=0, to_seq=40)
    assert pulse(HEAD, [newest], {}, AT + 24_000).events_per_second == 10.0


def test_quiet_streams_have_no_rate() -> None:
    """What is long ago does not count."""
    assert pulse(HEAD, [comments(1, 20)], {}, AT + 60_000).events_per_second == 0.0


def test_viewers_that_are_not_known() -> None:
    """-1 in the record is None here."""
    assert pulse(HEAD, [comments(1, 2)], {}, AT).viewers is None
    assert pulse(HEAD, [comments(1, 2, viewers=0)], {}, AT).viewers == 0
