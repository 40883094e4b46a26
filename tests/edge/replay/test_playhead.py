"""The clock of a video: speed, pause, jumps."""

import math

from hypothesis import given
from hypothesis import strategies as st

from edge.replay.asked import SPEED_MAX, SPEED_MIN, Asked
from edge.replay.playhead import JUMP_MS, Playhead

seconds = st.floats(0, 1e5)
positions = st.floats(0, 1e9)
speeds = st.floats(SPEED_MIN, SPEED_MAX)
heads = st.builds(Playhead, positions, seconds, speeds, st.booleans())


def test_it_goes_on_at_its_speed() -> None:
    """Twice the speed is twice as far; a pause stands still."""
    head = Playhead(1_000, 10.0, 2.0)
    assert head.at(10.5) == 2_000
    paused = head.asked(Asked(paused=True), 10.5)
    assert (paused.at(99.0), paused.when(2_001)) == (2_000, math.inf)
    assert paused.asked(Asked(paused=False), 20.0).at(21.0) == 4_000


@given(heads, positions, seconds)
def test_when_and_at_agree(head: Playhead, position: float, later: float) -> None:
    """At the time that `when` gives for what is ahead, the video is there."""
    when = head.when(position)
    if position >= head.position_ms and when != math.inf:
        assert math.isclose(head.at(when), position, abs_tol=1.0)
    if when == math.inf:
        assert head.at(head.since + later) < position


@given(heads, seconds, speeds, st.booleans())
def test_speed_and_pause_do_not_move_it(head: Playhead, later: float, speed: float, paused: bool) -> None:
    """Whatever else is asked, the position is what it was at that moment."""
    now = head.since + later
    changed = head.asked(Asked(speed=speed, paused=paused), now)
    assert changed.at(now) == head.at(now)
    assert not head.jumps(Asked(speed=speed, paused=paused), now)


@given(heads, seconds, positions)
def test_what_is_near_is_no_jump(head: Playhead, later: float, position: float) -> None:
    """A video drifts; only what is farther off is elsewhere. Either way it is where the viewer says."""
    now = head.since + later
    far = abs(position - head.at(now)) > JUMP_MS * max(1.0, head.speed)
    assert head.jumps(Asked(position), now) is far
    assert head.asked(Asked(position), now).at(now) == position
