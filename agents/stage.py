"""What a stage is: where it reads and writes, and pure functions for what it decides.

A `Stage` has no I/O and no clock. Its state is one partition's; `step` turns waiting records into
records to write, and `restore`/`replay` bring the state back from the checkpoint and from the
stage's own output. `agents.runner` does the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from agents.errors import LostHistoryError
from agents.log import Entry, Record
from schemas.codec import Codec, UndecodableError, codec
from schemas.content import reading
from schemas.continuity import Fence
from schemas.records import NOTHING, Dead, Head, Origin
from schemas.topics import DLQ, RECORD_BYTES_MAX, Topic

DEAD_VALUE_BYTES_MAX = 64 * 1024
SEGMENT_BYTES_MAX = 64 * 1024
"""A record a stage writes is cut at about this size, well below what the broker takes."""


class Side(NamedTuple):
    """A record for another topic than the stage's own output; durable before the output is written."""

    topic: Topic
    partition: int
    entry: Entry


@dataclass(slots=True)
class Output:
    """What one step wants written."""

    main: list[Entry] = field(default_factory=list)
    before: list[Side] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    """Streams whose projection changed; applied after ``main`` is durable."""
    undecided: int | None = None
    """Source records from this offset on are not decided yet, and are not acknowledged."""
    decoded: list[Any] = field(default_factory=list)
    """What ``main`` says, for a stage of the same process; empty: that it decodes it itself."""

    def records(self, first: int, timestamp: int) -> list[Record]:
        """Return ``main`` as records from the offset ``first`` on."""
        rows = zip(self.main, self.decoded or repeat(None), strict=bool(self.decoded))
        return [Record(first + at, timestamp, *entry, decoded) for at, (entry, decoded) in enumerate(rows)]


@dataclass(slots=True)
class PartitionState:
    """What every stateful stage knows of its partition."""

    partition: int
    token: int = -1
    covered: Origin = NOTHING
    source: Fence = field(default_factory=Fence)
    at: int = 0
    """Log-append time of the last item decided, ms since 1970."""
    watermark: int = -1
    """Every output record up to this offset is in the table."""
    dirty: set[str] = field(default_factory=set)
    """Streams that changed since their last checkpoint."""

    def cover(self, head: Head) -> None:
        """Take over what one of the stage's own records says it covers."""
        self.covered = max(self.covered, Origin.from_wire(head["covered"]))
        self.source.token = max(self.source.token, head.get("source_token", -1))  # type: ignore[call-overload]


S = TypeVar("S", bound=PartitionState)


class Stage(ABC, Generic[S]):
    """One stage with one source, one output and at most one table."""

    name: ClassVar[str]
    source: ClassVar[Topic]
    sink: ClassVar[Topic]
    table: ClassVar[Topic | None] = None
    hears: ClassVar[tuple[Topic, ...]] = ()
    """Other topics, of which it takes note: see `hear`."""
    value_bytes_max: ClassVar[int] = RECORD_BYTES_MAX
    """A larger input is not read."""
    passes_over: ClassVar[tuple[str, ...]] = ()
    """Fields of the source's items that it seldom looks at: see `schemas.content.reading`."""
    hands_on_whole: ClassVar[bool] = False
    """Whether it writes items around all that it read of them."""

    def __init__(self) -> None:
        self.hands_on = False
        """Whether another stage of this process takes the output from here, decoded; it may change that."""
        self.codec: Codec = codec(self.sink.record)
        self._source_codec: Codec = reading(
            self.source.record, whole=self.hands_on_whole, without=self.passes_over
        )

    @abstractmethod
    def open(self, partition: int) -> S:
        """Return the state of a partition that has no history."""

    @abstractmethod
    def step(self, state: S, inputs: Sequence[Record]) -> Output:
        """Decide waiting records together. Deterministic in the items, whatever the cut of ``inputs``."""

    async def prepare(self, state: S, inputs: Sequence[Record]) -> None:
        """Get ready what `step` needs for ``inputs`` and would keep the loop too long, or must be asked for.

        Awaited before every step; the partition waits, the others go on.
        """

    def tick(self, state: S, now: float) -> Output | None:
        """Do what time asks for. After every step, and when `due` says. ``now``: ms, monotonic.

        None: the stage has no use for time. What comes of it is decided by being written: it need not come
        again in a repeat that is cut elsewhere.
        """
        del state, now
        return None

    def due(self, state: S) -> float | None:
        """Return when `tick` is wanted, as `tick` counts time; None: not before the next record."""
        del state
        return None

    def hear(self, state: S, topic: Topic, record: Record, now: float) -> None:
        """Take note of a record of one of ``hears``; nothing is written, and nothing acknowledged."""

    def heard(self, state: S, topic: Topic) -> int | None:
        """Return the offset of ``topic`` that the recovered state reaches to; None: its last seconds do."""
        del state, topic
        return None

    def figures(self, state: S) -> Mapping[str, float]:
        """Return what the metrics page shows of a partition, by name; ``…_total`` only grow."""
        del state
        return {}

    @abstractmethod
    def claim(self, worker: str) -> bytes:
        """Return the record that claims a partition for ``worker``."""

    def replay(self, state: S, record: Any) -> None:
        """Fold one record of the stage's own output into the state."""
        state.cover(record)

    def restore(self, state: S, key: bytes, value: bytes) -> None:
        """Fold one table entry into the state."""

    def checkpoint(self, state: S, offset: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changed entries as of output ``offset``, the watermark last; nothing is dirty then.

        What is yielded later is what held at the call: the state may move on meanwhile.
        """
        del state, offset
        return iter(())

    def streams(self, state: S) -> Iterable[str]:
        """Return every stream that has an entry."""
        del state
        return ()

    def tail_since(self, state: S) -> int | None:
        """Return a time (ms since 1970) back to which the output must be read, if not the watermark alone."""
        del state
        return None

    def read(self, inputs: Sequence[Record], output: Output, partition: int) -> Iterator[tuple[Record, Any]]:
        """Decode what can be decoded; the rest becomes dead letters in ``output``.

        One after the other: what was read of a record is still in the processor's cache when it is decided.
        """
        for record in inputs:
            if record.decoded is not None:
                yield record, record.decoded
                continue
            try:
                if record.value is not None and len(record.value) > self.value_bytes_max:
                    raise UndecodableError("oversized", f"{len(record.value)} bytes")
                decoded = self._source_codec.decode(record.value)
            except UndecodableError as error:
                output.before.append(self.dead(partition, record, error.reason, error.detail))
            else:
                yield record, decoded

    def dead(self, partition: int, record: Record, reason: str, detail: str) -> Side:
        """Return the dead letter for ``record``."""
        value = record.value or b""
        letter = Dead(
            stage=self.name,
            topic=self.source.name,
            partition=partition,
            offset=record.offset,
            reason=reason,
            detail=detail,
            at=max(record.timestamp, 0),
            size=len(value),
            value=value[:DEAD_VALUE_BYTES_MAX],
        )
        return Side(DLQ, partition, (None, codec(DLQ.record).encode(letter)))


def must_follow(stage: str, partition: int, after: Origin, covered: Origin) -> None:
    """Stop the stage when a record begins beyond what its partition covers.

    Raises:
        LostHistoryError: a stretch of the input log was lost.

    """
    if after > covered:
        raise LostHistoryError(
            f"{stage}, partition {partition}: the input goes on after origin {tuple(after)}, but only "
            f"{tuple(covered)} is covered: records between them are lost"
        )
