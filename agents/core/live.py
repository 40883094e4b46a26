"""One stream as `sample` knows it beside its place: who watches, whether it is sampled, what waits. Pure."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from agents.core.control import AUTO, Control, Override, Why
from agents.core.lanes import WINDOW_MS
from agents.core.presence import NOBODY, Audience
from agents.core.sampling import Batch, Sampler
from schemas.records import NOTHING, Origin

SLACK_MS: Final = 50.0
"""How long after its end a window waits for events that are still on their way through the stages."""
MEASURE_MS: Final = 2_000.0
"""Over which a stream's comments a second are counted."""
TELL_VIEWERS_MIN: Final = 1_000
"""Streams with fewer viewers tell their number with the next comment alone."""
TELL_CHANGE: Final = 0.02
TELL_MS: Final = 2_000.0
MODES: Final = frozenset({"auto", "on", "off"})


class Mark(NamedTuple):
    """A segment with events that are not decided: where it ends, its origin, its offset in the source."""

    to_seq: int
    origin: Origin
    offset: int


@dataclass(slots=True)
class Pace:
    """Comments a second, counted over `MEASURE_MS`."""

    arrivals: float = 0.0
    shown: float = 0.0
    _at: float | None = None
    _arrived: int = 0
    _shown: int = 0

    def look(self, now: float, arrived: int, shown: int | None) -> None:
        """Take note of the counts so far; ``shown`` None: all."""
        showed = arrived if shown is None else shown
        if self._at is None or arrived < self._arrived or showed < self._shown:
            self._at, self._arrived, self._shown = now, arrived, showed
        elif now - self._at >= MEASURE_MS:
            seconds = (now - self._at) / 1000
            self.arrivals, self.shown = (arrived - self._arrived) / seconds, (showed - self._shown) / seconds
            self._at, self._arrived, self._shown = now, arrived, showed

    def restart(self) -> None:
        """Count anew: what is counted has changed."""
        self._at = None


@dataclass(slots=True)
class Live:
    """See the module. ``sampler`` None: all is shown. ``why``: it is, or was last, sampled."""

    control: Control
    why: Why = "setting"
    audience: Audience = NOBODY
    override: Override = AUTO
    epoch: str = ""
    sampler: Sampler | None = None
    origin: Origin = NOTHING
    """Of the last segment that is decided whole."""
    marks: deque[Mark] = field(default_factory=deque)
    deadline: float | None = None
    """When what waits is decided, should nothing more come."""
    pace: Pace = field(default_factory=Pace)
    told_viewers: int = -1
    told_at: float = float("-inf")
    reactions_untold: bool = False
    switched: bool = False
    """Whether viewers do not know yet that sampling began or ended."""

    def begin(self, stream_id: str, epoch: str, seq: int, origin: Origin, secret: bytes) -> None:
        """Begin to sample behind ``seq``."""
        self.epoch, self.origin = epoch, origin
        self.why = self.control.why or self.why
        self.sampler = Sampler(stream_id, seq, secret, self.control.rate)
        self._anew()

    def end(self) -> None:
        """Sample no more; what waited was decided before."""
        self.sampler = None
        self._anew()

    def adjust(self) -> None:
        """Take over the rate and the reason that `control` has come to."""
        if self.sampler is not None:
            self.sampler.rate = self.control.rate
            self.why = self.control.why or self.why

    def decided(self, batch: Batch) -> Origin:
        """Take note of a decision; return the origin of the last segment that it is through with."""
        while self.marks and self.marks[0].to_seq <= batch.to_seq:
            self.origin = self.marks.popleft().origin
        self.deadline = None
        return self.origin

    def wait(self, now: float) -> None:
        """Set when what waits is to be decided: its window's end as the log counts it, and some slack."""
        sampler = self.sampler
        if self.deadline is None and sampler is not None and sampler.pending:
            self.deadline = now + WINDOW_MS - sampler.since_at % WINDOW_MS + SLACK_MS

    def must_tell(self, now: float) -> bool:
        """Whether viewers are to be told of the stream's state although it has nothing to show."""
        if self.switched:
            return True
        viewers = self.audience.viewers
        change = abs(viewers - self.told_viewers)
        moved = viewers >= TELL_VIEWERS_MIN and change >= max(1.0, TELL_CHANGE * self.told_viewers)
        return now - self.told_at >= TELL_MS and moved

    def told(self) -> None:
        """Take note that a record with all of the state is written."""
        self.told_viewers = self.audience.viewers
        self.reactions_untold = self.switched = False

    def _anew(self) -> None:
        self.marks.clear()
        self.deadline = None
        self.pace.restart()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to remember."""
        return self.sampler is None and self.audience is NOBODY and self.override == AUTO


def override_of(events: Iterable[Mapping[str, Any]], known: Override) -> Override:
    """Return what the settings among ``events`` say of sampling, over ``known``."""
    for event in events:
        if event["type"] == "settings" and event["command"] and event["command"]["settings"]:
            said = json.loads(event["command"]["settings"])
            mode = said.get("sampling", known.mode)
            viewers = said.get("sampling_viewers", known.viewers) or None
            known = Override(mode if mode in MODES else known.mode, viewers)
    return known


@dataclass(frozen=True, slots=True)
class More:
    """What a checkpoint keeps of a stream beside its place."""

    why: Why | None = None
    rate: float = 0.0
    override: Override = AUTO
    reactions: Mapping[str, int] = field(default_factory=dict)
    reacted: int = -1

    def to_json(self) -> str | None:
        """As the table holds it; None: there is nothing."""
        more: dict[str, Any] = {}
        if self.why is not None:
            more |= {"why": self.why, "rate": self.rate}
        if self.override != AUTO:
            more |= {"mode": self.override.mode, "viewers": self.override.viewers}
        if self.reactions:
            more["reactions"] = dict(self.reactions)
        if self.reacted >= 0:
            more["reacted"] = self.reacted
        return json.dumps(more, ensure_ascii=False, separators=(",", ":")) if more else None

    @classmethod
    def from_json(cls, text: str | None) -> "More":
        """From the table."""
        more = json.loads(text) if text else {}
        override = Override(more.get("mode", "auto"), more.get("viewers"))
        reactions, reacted = more.get("reactions", {}), more.get("reacted", -1)
        return cls(more.get("why"), more.get("rate", 0.0), override, reactions, reacted)
