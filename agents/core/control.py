"""Whether a stream is sampled, why, and at what rate. Pure; time is given.

On: the stream's viewers pass the threshold; or, for some seconds, a tenth of them is served later than the
limit, while more comes in than can be read; or a setting of the stream says so. Off: below a share of the
threshold for minutes, or on time again for a minute. While it is sampled, the rate falls by three tenths
for every second in which a tenth of the viewers' edges had a queue, and rises by a tenth of a comment for
every second after three without.
"""

from dataclasses import dataclass
from typing import Final, Literal

Why = Literal["viewers", "latency", "setting"]

VIEWERS_SHARE: Final = 0.1
"""Of a stream's viewers, whose edges must be late for the stream to be: one sick edge is its own affair."""
LOWERED: Final = 0.7
RAISED_PER_SECOND: Final = 0.1
STEP_MS: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When it goes on and off, from the settings. Durations in ms, rates in comments a viewer and second."""

    viewers: int
    off_share: float
    viewers_off_ms: float
    latency_ms: float
    latency_on_ms: float
    latency_off_ms: float
    queue_ms: float
    clean_ms: float
    rate_max: float
    rate_min: float


@dataclass(frozen=True, slots=True)
class Override:
    """What the stream's own settings say. ``mode``: auto | on | off; ``viewers`` None: the platform's."""

    mode: str = "auto"
    viewers: int | None = None


AUTO: Final = Override()


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of a stream now. ``viewers`` -1: unknown; ``arrivals``: comments a second.

    The shares are of viewers that are served late, and by an edge with a queue.
    """

    viewers: int
    late_share: float = 0.0
    queued_share: float = 0.0
    arrivals: float = 0.0


class Control:
    """One stream's state. ``why`` None: not sampled."""

    __slots__ = (
        "_clean_since",
        "_late_since",
        "_limits",
        "_on_time_since",
        "_small_since",
        "_stepped_at",
        "rate",
        "why",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.why: Why | None = None
        self.rate = limits.rate_max
        self._small_since: float | None = None
        self._late_since: float | None = None
        self._on_time_since: float | None = None
        self._clean_since: float | None = None
        self._stepped_at = float("-inf")

    def resume(self, why: Why, rate: float) -> None:
        """Go on from what the log says of the stream; what lasts begins to last anew."""
        self.why, self.rate = why, min(max(rate, self._limits.rate_min), self._limits.rate_max)

    def decide(self, view: View, override: Override, now: float) -> None:
        """Take a look; ``now``: ms, monotonic. About once a second."""
        before = self.why
        match override.mode:
            case "on":
                self.why = "setting"
            case "off":
                self.why = None
            case _:
                self._judge(view, override.viewers or self._limits.viewers, now)
        if before is None:
            self.rate, self._clean_since, self._stepped_at = self._limits.rate_max, None, now
        elif self.why is not None:
            self._pace(view, now)

    def _judge(self, view: View, threshold: int, now: float) -> None:
        limits = self._limits
        many = view.viewers >= threshold
        small = view.viewers < limits.off_share * threshold
        late = view.late_share >= VIEWERS_SHARE and view.arrivals > limits.rate_max
        self._small_since = _since(self._small_since, now) if small else None
        self._late_since = _since(self._late_since, now) if late else None
        self._on_time_since = None if late else _since(self._on_time_since, now)
        if many:
            self.why = "viewers"
        elif self.why is None:
            if _lasted(self._late_since, now, limits.latency_on_ms):
                self.why = "latency"
        elif self.why == "viewers":
            if _lasted(self._small_since, now, limits.viewers_off_ms):
                self.why = "latency" if late else None
        elif _lasted(self._on_time_since, now, limits.latency_off_ms) or self.why == "setting":
            self.why = None

    def _pace(self, view: View, now: float) -> None:
        limits = self._limits
        queued = view.queued_share >= VIEWERS_SHARE
        self._clean_since = None if queued else _since(self._clean_since, now)
        if now - self._stepped_at < STEP_MS:
            return
        if queued:
            self.rate = max(limits.rate_min, self.rate * LOWERED)
        elif not _lasted(self._clean_since, now, limits.clean_ms):
            return
        else:
            self.rate = min(limits.rate_max, self.rate + RAISED_PER_SECOND)
        self._stepped_at = now


def why_of(text: str | None) -> Why:
    """Read a reason from a record."""
    return "viewers" if text == "viewers" else "latency" if text == "latency" else "setting"


def _since(since: float | None, now: float) -> float:
    return now if since is None else since


def _lasted(since: float | None, now: float, ms: float) -> bool:
    return since is not None and now - since >= ms
