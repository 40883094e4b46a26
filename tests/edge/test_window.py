"""Windows against what they promise."""

from hypothesis import given
from hypothesis import strategies as st

from edge.window import Windows

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["offer", "tick", "forget", "sent"]), st.sampled_from("abc"), st.floats(0, 0.08)
    ),
    max_size=60,
)


@given(STEPS)
def test_at_once_after_a_pause_and_then_at_most_once_a_window(  # noqa: C901 - a machine of four moves
    steps: list[tuple[str, str, float]],
) -> None:
    """Whatever the order: two sends of a key are a window apart, and nothing waits beyond its window."""
    windows: Windows[str] = Windows(0.05)
    now = 0.0
    sent: dict[str, float] = {}
    waiting: dict[str, float] = {}

    def send(key: str, at: float) -> None:
        assert at - sent.get(key, -1.0) >= 0.05 - 1e-9
        sent[key] = at
        waiting.pop(key, None)

    for what, key, pause in steps:
        until = now + pause
        while (due := windows.next_at) is not None and due <= until:
            for each in windows.due(due):
                send(each, due)
        now = until
        match what:
            case "offer":
                if windows.offer(key, now):
                    assert key not in waiting
                    send(key, now)
                else:
                    waiting.setdefault(key, now)
            case "forget":
                windows.forget(key)
                waiting.pop(key, None)
                sent.pop(key, None)
            case "sent":
                windows.sent(key)
                waiting.pop(key, None)
        assert all(now - since <= 0.05 + 1e-9 for since in waiting.values())
    while (due := windows.next_at) is not None:
        for each in windows.due(due):
            send(each, due)
    assert not waiting
    assert windows._ends == {}


def test_no_window_sends_everything_at_once() -> None:
    """A length of 0 is for benchmarks and sampled streams."""
    windows: Windows[str] = Windows(0)
    assert windows.offer("a", 0.0)
    assert windows.offer("a", 0.0)
    assert windows.next_at is None
