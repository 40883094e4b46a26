"""What `sample` knows of its partition: places, and of some streams more. How it is brought back. Pure."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from typing import Any

from agents.core import positions
from agents.core.control import AUTO, Control, Limits, why_of
from agents.core.following import Follower, Passed
from agents.core.lanes import WINDOW_MS
from agents.core.live import Live, More, override_of
from agents.core.presence import Estimate, Presence
from agents.core.reactions import Totals
from agents.core.shown import MEMORY_WINDOWS
from agents.stage import PartitionState
from schemas.records import Fanout, Origin
from schemas.settings import Settings

TAIL_MS = MEMORY_WINDOWS * WINDOW_MS + 10_000
"""How much of the stage's own output is read back where a stream is sampled."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the stage is set up with. ``partitions``: of every topic; ``secret``: key of the draw.

    ``viewers_max``, ``known``, ``estimate``: see `agents.core.presence.Presence`.
    """

    partitions: int
    secret: bytes
    limits: Limits
    viewers_max: int
    known: Callable[[], frozenset[str] | None] = lambda: None
    estimate: Estimate = lambda _: -1

    @classmethod
    def of(cls, settings: Settings) -> "Options":
        """Take what the settings say."""
        sampling = settings.sampling
        limits = Limits(
            viewers=sampling.viewers_threshold,
            off_share=sampling.viewers_off_share,
            viewers_off_ms=sampling.viewers_off_seconds * 1000,
            latency_ms=sampling.latency_limit_ms,
            latency_on_ms=sampling.latency_on_seconds * 1000,
            latency_off_ms=sampling.latency_off_seconds * 1000,
            queue_ms=sampling.queue_limit_ms,
            clean_ms=sampling.clean_seconds * 1000,
            rate_max=sampling.rate_per_second,
            rate_min=min(sampling.rate_per_second_min, sampling.rate_per_second),
        )
        return cls(settings.kafka.partitions, secret_of(settings), limits, settings.edge.connections_max)


def secret_of(settings: Settings) -> bytes:
    """Return the key of the draw: the setting's, or one made from ``auth.secret``."""
    source = settings.sampling.secret or f"sampling\0{settings.auth.secret}"
    return blake2b(source.encode(), digest_size=32).digest()


@dataclass(slots=True, kw_only=True)
class SampleState(PartitionState):
    """One partition's."""

    options: Options
    presence: Presence
    follower: Follower = field(default_factory=Follower)
    lives: dict[str, Live] = field(default_factory=dict)
    """Streams of which more than their place is known."""
    sampled: dict[str, Live] = field(default_factory=dict)
    """Those of them that are sampled."""
    reactions: dict[str, Totals] = field(default_factory=dict)
    reacted: int = -1
    """Offset of stream.reactions up to which they count."""
    reading: deque[tuple[int, Origin]] = field(default_factory=deque)
    """Source records that are not decided whole, or stand behind one: offset, and what they cover."""
    touched: set[str] = field(default_factory=set)
    """Streams to look at."""
    arrived: int = 0
    """Events of sampled streams since the worker began; and of those, passed on."""
    shown: int = 0
    look_at: float = 0.0
    swept_at: float = 0.0

    @classmethod
    def empty(cls, partition: int, options: Options) -> "SampleState":
        """Nothing was passed on yet."""
        presence = Presence(options.viewers_max, options.known, options.estimate)
        return cls(partition, options=options, presence=presence)

    def live(self, stream_id: str) -> Live:
        """Return what is known of a stream; begins to know it."""
        found = self.lives.get(stream_id)
        if found is None:
            found = self.lives[stream_id] = Live(Control(self.options.limits))
        return found

    def begin(self, stream_id: str, place: Passed) -> None:
        """Begin to sample a stream behind its place."""
        live = self.sampled[stream_id] = self.live(stream_id)
        live.begin(stream_id, place.epoch, place.seq, place.origin, self.options.secret)

    def end(self, stream_id: str) -> None:
        """Sample a stream no more; what waited was decided before."""
        live = self.sampled.pop(stream_id, None)
        if live is not None:
            live.end()

    def undecided(self) -> int | None:
        """Return the offset of the first source record with an event that is not decided."""
        return min((live.marks[0].offset for live in self.sampled.values() if live.marks), default=None)

    def settings(self, stream_id: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Take note of what a stream's settings say of sampling."""
        known = self.lives.get(stream_id)
        before = known.override if known is not None else AUTO
        override = override_of(events, before)
        if override != before:
            self.live(stream_id).override = override
            self.touched.add(stream_id)

    def place(self, stream_id: str, epoch: str) -> Passed:
        """Return where a stream stands; at the beginning of ``epoch`` if nothing was passed on."""
        return self.follower.places.get(stream_id) or Passed(epoch, 0, Origin(-1, 0), 0)

    def replay(self, record: Fanout) -> None:
        """Take over one of the stage's own records, in the order of the log."""
        self.cover(record)
        stream_id = record["stream_id"]
        if not stream_id:
            return
        self.follower.fold(record)
        self.dirty.add(stream_id)
        if record["reactions"] is not None:
            totals = self.reactions.setdefault(stream_id, Totals())
            totals.raise_to(record["reactions"], record.get("reacted", -1))
        if record["events"]:
            self.at = max(self.at, record["events"][-1]["at"])
        self.settings(stream_id, record["events"])
        if record["sampled"]:
            self._resume(stream_id, record)
        elif stream_id in self.sampled:
            self.sampled[stream_id].control.why = None
            self.end(stream_id)

    def restore(self, key: bytes, value: bytes) -> None:
        """Take over a checkpoint entry."""
        entry = positions.decode(value)
        origin, more = Origin.from_wire(entry["origin"]), More.from_json(entry.get("more"))
        if positions.is_watermark(key):
            self.covered = origin
            self.watermark = entry["segment_offset"]
            self.source.token = entry["source_token"]
            self.at, self.reacted = entry["at"], more.reacted
            return
        stream_id, place = key.decode(), Passed(entry["epoch"], entry["seq"], origin, entry["at"])
        self.follower.raise_to(stream_id, place)
        if more.reactions:
            self.reactions.setdefault(stream_id, Totals()).raise_to(more.reactions, more.reacted)
        if more.override != AUTO:
            self.live(stream_id).override = more.override
        if more.why is not None:
            self.live(stream_id).control.resume(why_of(more.why), more.rate)
            self.begin(stream_id, place)

    def entries(self, epoch: str, offset: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changed streams' checkpoint entries, then the watermark; nothing is dirty then."""
        changed = [(stream, self.place(stream, epoch), self._more(stream)) for stream in self.dirty]
        self.dirty.clear()
        watermark = positions.encode(
            epoch,
            0,
            self.covered,
            offset,
            at=self.at if self.sampled else 0,
            source_token=self.source.token,
            more=More(reacted=self.reacted).to_json(),
        )
        entries = (
            (
                stream.encode(),
                positions.encode(place.epoch, place.seq, place.origin, offset, at=place.at, more=more),
            )
            for stream, place, more in changed
        )
        return chain(entries, [(positions.watermark_key(self.partition), watermark)])

    def _more(self, stream_id: str) -> str | None:
        live, totals = self.lives.get(stream_id), self.reactions.get(stream_id)
        if live is None and totals is None:
            return None
        more = More(
            live.control.why if live else None,
            live.control.rate if live else 0.0,
            live.override if live else AUTO,
            totals.counts if totals else {},
            totals.reacted if totals else -1,
        )
        return more.to_json()

    def _resume(self, stream_id: str, record: Fanout) -> None:
        origin = Origin.from_wire(record["origin"])
        live = self.live(stream_id)
        live.control.resume(why_of(record["why"]), record.get("rate", 0.0))
        if live.sampler is None or live.epoch != record["epoch"]:
            self.begin(stream_id, Passed(record["epoch"], record["from_seq"], origin, 0))
        live.adjust()
        live.origin = max(live.origin, origin)
        window = record.get("window", -1)
        if live.sampler is not None and window >= 0:
            live.sampler.fold(window, record["to_seq"], record["events"])
