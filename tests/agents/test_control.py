"""When a stream is sampled and at what rate: thresholds, hysteresis, pace."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agents.core.control import AUTO, Control, Limits, Override, View

LIMITS = Limits(
    viewers=1_000,
    off_share=0.4,
    viewers_off_ms=300_000,
    latency_ms=300,
    latency_on_ms=3_000,
    latency_off_ms=60_000,
    queue_ms=50,
    clean_ms=3_000,
    rate_max=4.0,
    rate_min=0.5,
)
CALM = View(viewers=500, arrivals=50)
LATE = replace(CALM, late_share=0.5)


def watch(
    control: Control, view: View, seconds: float, start: float = 0.0, override: Override = AUTO
) -> float:
    """Look once a second; return the time behind it."""
    now = start
    while now < start + seconds * 1000:
        control.decide(view, AUTO, now)
        now += 1_000
    return now


def test_viewers_switch_it_on_at_the_threshold() -> None:
    """One viewer fewer does not."""
    control = Control(LIMITS)
    control.decide(View(999), AUTO, 0)
    assert control.why is None
    control.decide(View(1_000), AUTO, 1)
    assert control.why == "viewers"


def test_it_goes_off_only_after_five_minutes_below_two_fifths() -> None:
    """A moment at two fifths starts the five minutes over."""
    control = Control(LIMITS)
    control.decide(View(1_000), AUTO, 0)
    now = watch(control, View(399), 299)
    assert control.why == "viewers"
    now = watch(control, View(400), 1, now)
    now = watch(control, View(399), 299, now)
    assert control.why == "viewers"
    watch(control, View(399), 3, now)
    assert control.why is None


def test_lateness_switches_it_on_after_three_seconds_and_off_after_a_minute_on_time() -> None:
    """One late second is nothing; one late second within the minute starts it over."""
    control = Control(LIMITS)
    now = watch(control, LATE, 3)
    assert control.why is None
    now = watch(control, LATE, 1, now)
    assert control.why == "latency"
    now = watch(control, CALM, 59, now)
    now = watch(control, LATE, 1, now)
    now = watch(control, CALM, 60, now)
    assert control.why == "latency"
    watch(control, CALM, 1, now)
    assert control.why is None


def test_lateness_of_few_viewers_or_of_a_quiet_stream_is_no_reason() -> None:
    """One sick edge is its own affair, and showing less of little helps nobody."""
    for view in (replace(CALM, late_share=0.09), replace(LATE, arrivals=3)):
        control = Control(LIMITS)
        watch(control, view, 10)
        assert control.why is None


def test_lateness_holds_it_when_the_viewers_have_left() -> None:
    """It goes from one reason to the other without a pause."""
    control = Control(LIMITS)
    control.decide(View(1_000), AUTO, 0)
    watch(control, replace(LATE, viewers=10), 302)
    assert control.why == "latency"


def test_a_streams_own_settings_come_first() -> None:
    """On, off, and another threshold; back at auto it is judged as others are."""
    control = Control(LIMITS)
    control.decide(View(0), Override("on"), 0)
    assert control.why == "setting"
    control.decide(View(10**6), Override("off"), 1)
    assert control.why is None
    control.decide(View(50), Override(viewers=50), 2)
    assert control.why == "viewers"
    control.decide(View(0), Override("on"), 3)
    control.decide(View(0), AUTO, 4)
    assert control.why is None


def test_a_queue_lowers_the_rate_each_second_to_a_floor_and_a_clean_time_raises_it() -> None:
    """Times 0.7 a second; after three clean seconds a tenth a second, up to the setting."""
    control = Control(LIMITS)
    busy, queued = View(5_000), View(5_000, queued_share=0.1)
    now = watch(control, busy, 1)
    now = watch(control, queued, 3, now)
    assert round(control.rate, 4) == round(4 * 0.7**3, 4)
    now = watch(control, queued, 20, now)
    assert control.rate == 0.5
    now = watch(control, busy, 3, now)
    assert control.rate == 0.5
    now = watch(control, busy, 10, now)
    assert round(control.rate, 6) == 1.5
    watch(control, busy, 60, now)
    assert control.rate == 4.0


def test_the_rate_moves_once_a_second_however_often_it_is_looked_at() -> None:
    """Ten looks in a second are one step."""
    control = Control(LIMITS)
    control.decide(View(5_000), AUTO, 0)
    for tenth in range(1, 31):
        control.decide(View(5_000, queued_share=1.0), AUTO, tenth * 100)
    assert round(control.rate, 4) == round(4 * 0.7**3, 4)


def test_it_goes_on_from_what_the_log_says() -> None:
    """Reason and rate are kept; what lasts begins to last anew."""
    control = Control(LIMITS)
    control.resume("viewers", 1.25)
    now = watch(control, View(399), 299, 10_000)
    assert (control.why, control.rate) == ("viewers", 4.0)
    watch(control, View(399), 3, now)
    assert control.why is None


@given(
    st.lists(
        st.builds(
            View,
            st.integers(-1, 3_000),
            st.floats(0, 1),
            st.floats(0, 1),
            st.floats(0, 100),
        ),
        max_size=200,
    )
)
def test_the_rate_stays_within_its_bounds(views: list[View]) -> None:
    """Whatever is seen."""
    control = Control(LIMITS)
    for second, view in enumerate(views):
        control.decide(view, AUTO, second * 1_000.0)
        assert 0.5 <= control.rate <= 4.0
