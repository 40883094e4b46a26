"""sample: what viewers get. ``comments.sequenced`` → ``comments.fanout``, a segment a stream.

Passes everything on, every lane (a stream that is not hot is not sampled); segments of one stream
that wait together become one. What it has put out is the truth about its state; the table
``fanout-positions`` is a checkpoint of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from agents.chunks import weight
from agents.core import positions
from agents.core.following import Follower, Passed
from agents.log import Record
from agents.stage import SEGMENT_BYTES_MAX, Output, PartitionState, Stage
from schemas.continuity import Step
from schemas.records import NOTHING, Fanout, FanoutEvent, Origin, Sequenced
from schemas.topics import FANOUT, FANOUT_POSITIONS_CHANGELOG, SEQUENCED


@dataclass(slots=True, kw_only=True)
class SampleState(PartitionState):
    """Where each stream stands beside what every stage knows."""

    follower: Follower = field(default_factory=Follower)


@dataclass(slots=True)
class _Draft:
    stream_id: str
    epoch: str
    from_seq: int
    to_seq: int
    origin: Origin
    events: list[FanoutEvent]
    size: int


class SampleStage(Stage[SampleState]):
    """See the module. ``epoch`` is the cluster's, for control records."""

    name = "sample"
    source = SEQUENCED
    sink = FANOUT
    table = FANOUT_POSITIONS_CHANGELOG

    def __init__(self, epoch: str) -> None:
        super().__init__()
        self._epoch = epoch

    def open(self, partition: int) -> SampleState:
        """Nothing was passed on yet."""
        return SampleState(partition)

    def claim(self, worker: str) -> bytes:
        """Claim the partition."""
        return self.codec.encode(self._fanout(_Draft("", self._epoch, 0, 0, NOTHING, [], 0), claim=worker))

    def step(self, state: SampleState, inputs: Sequence[Record]) -> Output:
        """Pass on what is new, merged by stream; only the last record advances ``covered``."""
        output = Output()
        before = state.covered
        drafts: list[_Draft] = []
        last: dict[str, _Draft] = {}
        for record, segment in self.read(inputs, output, state.partition):
            if not state.source.admits(record.offset, segment):
                continue
            step = state.follower.take(segment) if segment["stream_id"] else None
            if step is not None:
                draft = _extend(last.get(segment["stream_id"]), segment, step)
                if draft is not last.get(segment["stream_id"]):
                    drafts.append(draft)
                    last[segment["stream_id"]] = draft
            state.covered = max(state.covered, Origin.from_wire(segment["covered"]))
        for draft in drafts:
            record_ = self._fanout(draft, state, before if draft is not drafts[-1] else state.covered)
            output.main.append((draft.stream_id.encode(), self.codec.encode(record_)))
            state.dirty.add(draft.stream_id)
        return output

    def replay(self, state: SampleState, record: Fanout) -> None:
        """Take over one of the stage's own records."""
        state.cover(record)
        if record["stream_id"]:
            state.follower.fold(record)
            state.dirty.add(record["stream_id"])

    def restore(self, state: SampleState, key: bytes, value: bytes) -> None:
        """Take over a checkpoint entry."""
        entry = positions.decode(value)
        origin = Origin.from_wire(entry["origin"])
        if positions.is_watermark(key):
            state.covered = origin
            state.watermark = entry["segment_offset"]
            state.source.token = entry["source_token"]
        else:
            state.follower.raise_to(key.decode(), Passed(entry["epoch"], entry["seq"], origin, entry["at"]))

    def checkpoint(self, state: SampleState, offset: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changed streams' places, then the watermark."""
        changed = [(stream, state.follower.places[stream]) for stream in state.dirty]
        state.dirty.clear()
        watermark = positions.encode(
            self._epoch, 0, state.covered, offset, at=state.at, source_token=state.source.token
        )
        entries = (
            (stream.encode(), positions.encode(place.epoch, place.seq, place.origin, offset, at=place.at))
            for stream, place in changed
        )
        return chain(entries, [(positions.watermark_key(state.partition), watermark)])

    def streams(self, state: SampleState) -> Iterable[str]:
        """Every stream that was passed on."""
        return state.follower.places

    def _fanout(
        self, draft: _Draft, state: SampleState | None = None, covered: Origin = NOTHING, claim: str = ""
    ) -> Fanout:
        return Fanout(
            stream_id=draft.stream_id,
            epoch=draft.epoch,
            from_seq=draft.from_seq,
            to_seq=draft.to_seq,
            origin=draft.origin.to_wire(),
            covered=covered.to_wire(),
            claim=claim,
            token=state.token if state else -1,
            source_token=state.source.token if state else -1,
            viewers=-1,
            sampled=False,
            why=None,
            reactions=None,
            events=draft.events,
        )


def _extend(draft: _Draft | None, segment: Sequenced, step: Step) -> _Draft:
    """Append to the stream's draft where it follows on and stays small; else begin another."""
    size = sum(weight(event) for event in step.events)
    origin = Origin.from_wire(segment["origin"])
    follows = draft is not None and draft.epoch == step.epoch and draft.to_seq == step.from_seq
    if draft is not None and follows and draft.size + size <= SEGMENT_BYTES_MAX:
        draft.events.extend(step.events)
        draft.to_seq, draft.origin, draft.size = step.to_seq, origin, draft.size + size
        return draft
    events = list(step.events)
    return _Draft(segment["stream_id"], step.epoch, step.from_seq, step.to_seq, origin, events, size)
