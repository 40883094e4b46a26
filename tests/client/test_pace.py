"""When messages are due."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from livecomments.client.chatlog import Message
from livecomments.client.pace import LOOP_GAP_MS, Pace, limited, looped


def messages(*times: int) -> list[Message]:
    return [Message(t_ms, "ana", "Ana", f"text {t_ms}") for t_ms in times]


def test_due() -> None:
    """A message is due at its time over the speed; at speed 0 at once."""
    [message] = messages(3_000)
    assert Pace(1).due_seconds(message) == 3
    assert Pace(6).due_seconds(message) == 0.5
    assert Pace(0).due_seconds(message) == 0


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8).map(sorted), st.integers(1, 40))
def test_looped(times: list[int], count: int) -> None:
    """A log that is looped goes on for ever; each round keeps its pace and begins behind the last."""
    found = list(limited(looped(lambda: messages(*times)), count))
    assert len(found) == count
    assert all(a.t_ms <= b.t_ms for a, b in pairwise(found))
    for n, message in enumerate(found):
        turn, place = divmod(n, len(times))
        assert message.t_ms == turn * (times[-1] + LOOP_GAP_MS) + times[place]


def test_empty_log_does_not_loop() -> None:
    """A log without messages ends instead of turning for ever."""
    assert list(looped(list)) == []


def test_limit() -> None:
    """Without a limit all are played."""
    assert len(list(limited(messages(1, 2, 3), None))) == 3
    assert len(list(limited(messages(1, 2, 3), 2))) == 2
