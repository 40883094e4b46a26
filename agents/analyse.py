"""analyse: what is said on each stream, counted. ``comments.sequenced`` → ``stream.analytics``.

Beside the path of comments: nobody waits for it, and it need not run. A stream's events of two seconds are
one record; they wait, unacknowledged, for the next slice to begin, or for a clock, as hot streams' windows
do in `agents.sample`. What the stage has put out is the truth about its state; the table ``analyse-streams``
is a checkpoint of it.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from agents.core import positions
from agents.core.counting import MINUTE_MS, SLICE_MS, Slice, Tally
from agents.core.following import Passed
from agents.errors import LostHistoryError
from agents.log import Record
from agents.stage import Output, PartitionState, Stage
from schemas.continuity import follow
from schemas.records import NOTHING, Analytics, Origin, Sequenced
from schemas.sketch import estimate, sketch_of, union
from schemas.topics import ANALYTICS, ANALYTICS_CHANGELOG, SEQUENCED

LATE_MS = 250.0
"""How long after its end a clock closes a slice: what belongs to it is mostly there by then."""


STREAMS_MAX = 100_000
"""That a partition remembers from one minute to the next; a quiet stream takes 2 KB, a loud one 50."""


@dataclass(slots=True)
class AnalyseState(PartitionState):
    """One partition's."""

    places: dict[str, Passed] = field(default_factory=dict)
    """Where each stream stands in what was read."""
    open: dict[str, Slice] = field(default_factory=dict)
    """Slices under way, in the order in which they were begun."""
    tallies: dict[str, Tally] = field(default_factory=dict)
    reading: deque[tuple[int, Origin]] = field(default_factory=deque)
    """Source records that are not counted whole, or stand behind one: offset, and what they cover."""
    swept: int = 0
    """Minute in which streams were last forgotten."""


class AnalyseStage(Stage[AnalyseState]):
    """See the module. ``epoch`` is the cluster's, for control records."""

    name = "analyse"
    source = SEQUENCED
    sink = ANALYTICS
    table = ANALYTICS_CHANGELOG

    def __init__(self, epoch: str) -> None:
        super().__init__()
        self._epoch = epoch

    def open(self, partition: int) -> AnalyseState:
        """Nothing was counted yet."""
        return AnalyseState(partition)

    def claim(self, worker: str) -> bytes:
        """Claim the partition."""
        return self.codec.encode(_record("", Slice(0, 0, self._epoch, 0, 0, 0), claim=worker))

    def step(self, state: AnalyseState, inputs: Sequence[Record]) -> Output:
        """Count events; a slice is written when one of a later slice comes."""
        output, closed = Output(), list[tuple[str, Slice]]()
        for record, segment in self.read(inputs, output, state.partition):
            if not state.source.admits(record.offset, segment):
                continue
            if segment["stream_id"]:
                closed += _count(state, record.offset, segment)
            state.reading.append((record.offset, Origin.from_wire(segment["covered"])))
        self._write(state, output, closed)
        return output

    def tick(self, state: AnalyseState, now: float) -> Output:
        """Close the slices whose time is over."""
        output, closed = Output(), list[tuple[str, Slice]]()
        # They stand in the order in which they were begun, which is that of their deadlines.
        for each in reversed(state.open.values()):
            if each.deadline is not None:
                break
            each.deadline = now + SLICE_MS + LATE_MS
        while state.open:
            stream_id, each = next(iter(state.open.items()))
            if each.deadline is None or now < each.deadline:
                break
            closed.append((stream_id, state.open.pop(stream_id)))
        self._write(state, output, closed)
        return output

    def due(self, state: AnalyseState) -> float | None:
        """Return when the oldest slice is to be closed."""
        return next((each.deadline for each in state.open.values()), None)

    def figures(self, state: AnalyseState) -> Mapping[str, float]:
        """Count what is remembered."""
        return {"streams": len(state.tallies), "open_slices": len(state.open)}

    def replay(self, state: AnalyseState, record: Analytics) -> None:
        """Take over one of the stage's own records."""
        state.cover(record)
        stream_id = record["stream_id"]
        if not stream_id:
            return
        place = Passed(record["epoch"], record["to_seq"], Origin.from_wire(record["origin"]), record["at"])
        if _is_behind(state.places.get(stream_id), place):
            state.places[stream_id] = place
            _fold(state, record)

    def restore(self, state: AnalyseState, key: bytes, value: bytes) -> None:
        """Take over a checkpoint entry."""
        entry = positions.decode(value)
        origin = Origin.from_wire(entry["origin"])
        if positions.is_watermark(key):
            state.covered, state.at = origin, entry["at"]
            state.watermark, state.source.token = entry["segment_offset"], entry["source_token"]
            return
        more = entry.get("more")
        if more is not None:
            stream_id = key.decode()
            state.places[stream_id] = Passed(entry["epoch"], entry["seq"], origin, entry["at"])
            state.tallies[stream_id] = Tally.of_json(json.loads(more))

    def checkpoint(self, state: AnalyseState, offset: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changed streams' tallies, and of forgotten ones that they are; then the watermark."""
        changed = [(stream_id, self._entry(state, stream_id, offset)) for stream_id in sorted(state.dirty)]
        state.dirty.clear()
        token = state.source.token
        mark = positions.encode(self._epoch, 0, state.covered, offset, at=state.at, source_token=token)
        entries = ((stream_id.encode(), entry) for stream_id, entry in changed)
        return chain(entries, [(positions.watermark_key(state.partition), mark)])

    def streams(self, state: AnalyseState) -> Iterable[str]:
        """Every stream that is remembered."""
        return state.tallies

    def _entry(self, state: AnalyseState, stream_id: str, offset: int) -> bytes:
        tally = state.tallies.get(stream_id)
        if tally is None:
            return positions.encode(self._epoch, 0, NOTHING, offset, at=state.at)
        place = state.places[stream_id]
        # What is read and not written yet is not in the tally: the entry ends where the last slice did.
        under_way = state.open.get(stream_id)
        epoch, seq = place.epoch, place.seq
        if under_way is not None:
            epoch, seq = under_way.epoch, under_way.from_seq
        more = json.dumps(tally.to_json(), ensure_ascii=False, separators=(",", ":"))
        return positions.encode(epoch, seq, place.origin, offset, at=place.at, more=more)

    def _write(self, state: AnalyseState, output: Output, closed: Sequence[tuple[str, Slice]]) -> None:
        """Encode; covered is what nothing uncounted stands before."""
        before = state.covered
        output.undecided = next((each.first for each in state.open.values()), None)
        while state.reading and (output.undecided is None or state.reading[0][0] < output.undecided):
            state.covered = max(state.covered, state.reading.popleft()[1])
        for index, (stream_id, each) in enumerate(closed):
            covered = state.covered if index == len(closed) - 1 else before
            record = _record(stream_id, each, state, covered)
            output.main.append((stream_id.encode(), self.codec.encode(record)))
            output.effects.append(stream_id)
            _fold(state, record)
        _forget(state)


def _count(state: AnalyseState, offset: int, segment: Sequenced) -> Iterator[tuple[str, Slice]]:
    """Count a segment's events; yield the slices that it closes."""
    stream_id, known = segment["stream_id"], state.places.get(segment["stream_id"])
    step = follow(known.epoch if known else None, known.seq if known else 0, segment)
    if step is None:
        return
    if step.gap is not None:
        raise LostHistoryError(
            f"analyse: a stream's segments jump from {step.gap[0]} to {step.gap[1]}: records of "
            f"{SEQUENCED.name} between them are lost"
        )
    under_way = state.open.get(stream_id)
    if under_way is not None and known is not None and known.epoch != step.epoch:
        yield stream_id, state.open.pop(stream_id)
        under_way = None
    seq, origin = step.from_seq, Origin.from_wire(segment["origin"])
    for event in step.events:
        number = event["at"] // SLICE_MS
        if under_way is not None and number > under_way.number:
            yield stream_id, state.open.pop(stream_id)
            under_way = None
        if under_way is None:
            under_way = Slice(number, offset, step.epoch, seq, seq, event["at"])
            state.open[stream_id] = under_way
        under_way.add(event)
        under_way.origin = origin
        seq = event["seq"]
        state.at = max(state.at, event["at"])
    state.places[stream_id] = Passed(step.epoch, step.to_seq, origin, state.at)


def _fold(state: AnalyseState, record: Analytics) -> None:
    """Add a record to its stream's tally."""
    stream_id, minute = record["stream_id"], record["at"] // MINUTE_MS
    tally = state.tallies.setdefault(stream_id, Tally())
    same = bool(tally.minutes) and minute <= tally.minutes[-1].minute
    sketch = union([tally.sketch, record["authors"]]) if same else record["authors"]
    tally.take(minute, record["comments"], record["actions"], sketch, estimate([sketch]))
    tally.add_terms(record["terms"])
    state.at = max(state.at, record["at"])
    state.dirty.add(stream_id)


def _forget(state: AnalyseState) -> None:
    """Forget streams that were silent for an hour, by the log; and the most silent beyond the bound."""
    minute = state.at // MINUTE_MS
    if minute <= state.swept:
        return
    state.swept = minute
    silent = {each: tally for each, tally in state.tallies.items() if each not in state.open}
    over = {stream_id for stream_id, tally in silent.items() if tally.is_over(minute)}
    surplus = len(state.tallies) - len(over) - STREAMS_MAX
    if surplus > 0:
        last = sorted((tally.minutes[-1].minute, each) for each, tally in silent.items() if each not in over)
        over.update(stream_id for _, stream_id in last[:surplus])
    for stream_id in sorted(over):
        del state.tallies[stream_id], state.places[stream_id]
        state.dirty.add(stream_id)


def _is_behind(known: Passed | None, place: Passed) -> bool:
    return known is None or known.epoch != place.epoch or known.seq < place.seq


def _record(
    stream_id: str,
    each: Slice,
    state: AnalyseState | None = None,
    covered: Origin = NOTHING,
    claim: str = "",
) -> Analytics:
    return Analytics(
        claim=claim,
        token=state.token if state else -1,
        covered=covered.to_wire(),
        source_token=state.source.token if state else -1,
        stream_id=stream_id,
        epoch=each.epoch,
        from_seq=each.from_seq,
        to_seq=each.to_seq,
        origin=each.origin.to_wire(),
        at=each.at,
        comments=each.comments,
        actions=each.actions,
        authors=sketch_of(each.authors),
        terms=each.terms(),
    )
