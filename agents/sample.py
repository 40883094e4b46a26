"""sample: what viewers get. ``comments.sequenced`` → ``comments.fanout``, a segment a stream.

Passes everything on to every lane; segments of one stream that wait together become one. A hot stream is
sampled (`agents.core.sampling`): its events wait, unacknowledged, for the end of their quarter of a second,
and go on with a lane mask each, or not at all. What the stage has put out is the truth about its state; the
table ``fanout-positions`` is a checkpoint of it.

*When a window ends.* An event of a later quarter, by the log's own time, ends it, and what is decided then
depends on nothing but the stream's events: not on how they were cut into records, nor on when they were
read. Where none comes, no later record of the partition could say so either (it may be silent, and records
of other streams tell nothing of what is still on its way), and nothing is written just to tell the time. So
a clock closes what has waited until its quarter is over and 50 ms more. That decision too is made once: it
is durable in ``comments.fanout`` before anybody sees it, says which window it was, and recovery reads it
back. An event that comes later for the same quarter is decided by itself, with the slots that are left. A
decision that was not yet durable when the worker died was seen by nobody, and is made anew.

Beside its source it hears ``stream.health`` (who watches, how late) and ``stream.reactions``, and tells
viewers of both: with the next segment, or by a record of their own, with an empty range.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from agents.chunks import chunked
from agents.core.control import View
from agents.core.following import Passed, follow_on
from agents.core.lanes import WINDOW_MS
from agents.core.live import Live, Mark
from agents.core.reactions import Totals
from agents.core.sampling import Batch
from agents.log import Record
from agents.notices import left_out
from agents.samplestate import TAIL_MS, Options, SampleState
from agents.stage import SEGMENT_BYTES_MAX, Output, Stage
from schemas.codec import UndecodableError, codec
from schemas.content import Around
from schemas.continuity import Step
from schemas.records import NOTHING, Event, Fanout, FanoutEvent, Origin, Sequenced
from schemas.routing import partition_of
from schemas.settings import Settings
from schemas.topics import FANOUT, FANOUT_POSITIONS_CHANGELOG, HEALTH, REACTIONS, SEQUENCED, Topic

LOOK_MS = 250.0
"""How often streams are looked at of which reports have come."""
SWEEP_MS = 1_000.0
_AROUND = Around(FANOUT.record)
TELL_REACTIONS_MS = 500.0


@dataclass(slots=True)
class Draft:
    """What becomes a record. ``window`` -1: nothing was sampled in it; ``why`` None: the stream is not.

    ``events``: encoded; ``settings``: those of them that are of that type. ``left_out``: comments that their
    authors get by a notice.
    """

    stream_id: str
    epoch: str
    from_seq: int
    to_seq: int
    origin: Origin
    events: list[bytes] = field(default_factory=list)
    settings: list[Event] = field(default_factory=list)
    size: int = 0
    window: int = -1
    why: str | None = None
    rate: float = 0.0
    left_out: Sequence[Event] = ()


class SampleStage(Stage[SampleState]):
    """See the module. ``epoch`` is the cluster's, for control records."""

    name = "sample"
    source = SEQUENCED
    sink = FANOUT
    table = FANOUT_POSITIONS_CHANGELOG
    hears = (HEALTH, REACTIONS)

    def __init__(self, epoch: str, options: Options | None = None) -> None:
        super().__init__()
        self._epoch = epoch
        self._options = options or Options.of(Settings())

    def open(self, partition: int) -> SampleState:
        """Nothing was passed on yet."""
        return SampleState.empty(partition, self._options)

    def claim(self, worker: str) -> bytes:
        """Claim the partition."""
        return self.codec.encode(_fanout(Draft("", self._epoch, 0, 0, NOTHING), claim=worker))

    def step(self, state: SampleState, inputs: Sequence[Record]) -> Output:
        """Pass on what is new, merged by stream, or sampled; only the last record advances ``covered``."""
        output = Output()
        drafts: list[Draft] = []
        last: dict[str, Draft] = {}
        for record, segment in self.read(inputs, output, state.partition):
            if not state.source.admits(record.offset, segment):
                continue
            stream_id = segment["stream_id"]
            live = state.lives.get(stream_id)
            if live is not None and live.sampler is not None:
                drafts += _sampled(state, live, record.offset, segment)
            elif stream_id and (step := state.follower.take(segment)) is not None:
                draft = _extend(last.get(stream_id), segment, step)
                if draft is not last.get(stream_id):
                    drafts.append(draft)
                    last[stream_id] = draft
            if segment["events"]:
                state.at = max(state.at, segment["events"][-1]["at"])
            state.reading.append((record.offset, Origin.from_wire(segment["covered"])))
        self._write(state, output, drafts)
        return output

    def tick(self, state: SampleState, now: float) -> Output:
        """Close windows that time closes, look at what was heard, tell viewers of it."""
        output = Output()
        drafts: list[Draft] = []
        for stream_id, live in state.sampled.items():
            live.wait(now)
            if live.deadline is not None and now >= live.deadline and live.sampler is not None:
                drafts += _drafts(state, stream_id, live, live.sampler.close())
        if state.touched and now >= state.look_at:
            state.look_at = now + LOOK_MS
            touched, state.touched = state.touched, set()
            for stream_id in sorted(touched):
                drafts += self._look(state, stream_id, now)
            output.effects += touched
            state.touched |= state.sampled.keys()
        if state.lives and now >= state.swept_at + SWEEP_MS:
            state.swept_at = now
            state.touched |= state.presence.expire(now)
        self._write(state, output, drafts)
        return output

    def due(self, state: SampleState) -> float | None:
        """Return when the next window is to be closed, or the next look taken."""
        times = [live.deadline for live in state.sampled.values() if live.deadline is not None]
        if state.touched:
            times.append(state.look_at)
        if state.lives:
            times.append(state.swept_at + SWEEP_MS)
        return min(times, default=None)

    def hear(self, state: SampleState, topic: Topic, record: Record, now: float) -> None:
        """Take note of an edge's report, or of taps."""
        try:
            said = codec(topic.record).decode(record.value)
        except UndecodableError:
            state.presence.ignored["undecodable"] += 1
            return
        stream_id = said["stream_id"]
        if partition_of(stream_id, self._options.partitions) != state.partition:
            state.presence.ignored["impossible"] += 1
        elif topic is HEALTH and state.presence.take(said, now):
            state.live(stream_id)
            state.touched.add(stream_id)
        elif topic is REACTIONS:
            state.reacted = max(state.reacted, record.offset)
            if state.reactions.setdefault(stream_id, Totals()).take(record.offset, said):
                state.live(stream_id).reactions_untold = True
                state.touched.add(stream_id)
                state.dirty.add(stream_id)

    def heard(self, state: SampleState, topic: Topic) -> int | None:
        """Reactions count from where the checkpoint ends; reports replace each other."""
        return state.reacted if topic is REACTIONS else None

    def figures(self, state: SampleState) -> Mapping[str, float]:
        """Count what is sampled, watched and ignored."""
        lives = state.lives.values()
        return {
            "streams_sampled": len(state.sampled),
            "streams_watched": sum(live.audience.edges > 0 for live in lives),
            "viewers": sum(live.audience.viewers for live in lives if live.audience.edges),
            "comments_sampled_total": state.arrived,
            "comments_shown_total": state.shown,
            **{f"reports_{reason}_total": count for reason, count in state.presence.ignored.items()},
        }

    def replay(self, state: SampleState, record: Fanout) -> None:
        """Take over one of the stage's own records."""
        state.replay(record)

    def restore(self, state: SampleState, key: bytes, value: bytes) -> None:
        """Take over a checkpoint entry."""
        state.restore(key, value)

    def checkpoint(self, state: SampleState, offset: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changed streams' places, then the watermark."""
        return state.entries(self._epoch, offset)

    def streams(self, state: SampleState) -> Iterable[str]:
        """Every stream that was passed on."""
        return state.follower.places

    def tail_since(self, state: SampleState) -> int | None:
        """Read back what sampled streams have shown lately."""
        return state.at - TAIL_MS if state.at else None

    def _look(self, state: SampleState, stream_id: str, now: float) -> Iterator[Draft]:
        """Decide anew whether the stream is sampled; tell its state if need be."""
        live, limits, sampler = state.live(stream_id), self._options.limits, state.live(stream_id).sampler
        place = state.place(stream_id, self._epoch)
        live.audience = state.presence.of(stream_id, now)
        shares = state.presence.share_beyond(
            stream_id, now, p99_ms=limits.latency_ms, queue_ms=limits.queue_ms
        )
        live.pace.look(now, sampler.to_seq if sampler else place.seq, sampler.shown if sampler else None)
        view = View(live.audience.viewers, *shares, live.pace.arrivals)
        live.control.decide(view, live.override, now)
        if live.control.why is not None and sampler is None:
            state.begin(stream_id, place)
            live.switched = True
        elif live.control.why is None and sampler is not None:
            yield from _drafts(state, stream_id, live, sampler.close())
            state.end(stream_id)
            live.switched = True
        live.adjust()
        if live.must_tell(now) or (live.reactions_untold and now >= live.told_at + TELL_REACTIONS_MS):
            live.told_at = now
            yield _state(stream_id, live, state.place(stream_id, self._epoch))
        elif live.reactions_untold:
            state.touched.add(stream_id)
        elif live.idle:
            del state.lives[stream_id]

    def _write(self, state: SampleState, output: Output, drafts: Sequence[Draft]) -> None:
        """Encode; covered is what nothing undecided stands before."""
        before, output.undecided = state.covered, state.undecided()
        while state.reading and (output.undecided is None or state.reading[0][0] < output.undecided):
            state.covered = max(state.covered, state.reading.popleft()[1])
        for draft in drafts:
            stream_id = draft.stream_id
            state.settings(stream_id, draft.settings)
            record = _fanout(draft, state, before if draft is not drafts[-1] else state.covered)
            output.before += [
                left_out(
                    stream_id, draft.epoch, event, origin=draft.origin, partitions=self._options.partitions
                )
                for event in draft.left_out
            ]
            output.main.append((stream_id.encode(), self.codec.encode(record)))
            state.dirty.add(stream_id)
            live = state.lives.get(stream_id)
            if live is not None:
                live.told()


def _sampled(state: SampleState, live: Live, offset: int, segment: Sequenced) -> Iterator[Draft]:
    """Give a segment to its stream's sampler; yield what that decides."""
    stream_id, sampler = segment["stream_id"], live.sampler
    step = follow_on(live.epoch, sampler.to_seq, segment) if sampler is not None else None
    if step is None or sampler is None:
        return
    origin = Origin.from_wire(segment["origin"])
    if step.epoch != live.epoch:
        yield from _drafts(state, stream_id, live, sampler.close())
        state.begin(stream_id, Passed(step.epoch, step.from_seq, origin, 0))
        sampler = live.sampler or sampler
    live.marks.append(Mark(step.to_seq, origin, offset))
    yield from _drafts(state, stream_id, live, sampler.take(step.events))


def _drafts(state: SampleState, stream_id: str, live: Live, batches: Sequence[Batch]) -> Iterator[Draft]:
    """Turn decisions into drafts, and move the stream's place on."""
    for batch in batches:
        origin = live.decided(batch)
        state.arrived += batch.to_seq - batch.from_seq
        state.shown += len(batch.events)
        place = Passed(live.epoch, batch.to_seq, origin, batch.window * WINDOW_MS)
        state.follower.raise_to(stream_id, place)
        start = batch.from_seq
        pieces = [_encoded(event) for event in batch.events]
        for first, behind in chunked(pieces):
            last = behind == len(pieces)
            end = batch.to_seq if last else batch.events[behind - 1]["seq"]
            yield Draft(
                stream_id,
                live.epoch,
                start,
                end,
                origin,
                pieces[first:behind],
                _settings(batch.events[first:behind]),
                window=batch.window,
                why=live.why,
                rate=live.control.rate,
                left_out=batch.left_out if last else (),
            )
            start = end


def _state(stream_id: str, live: Live, place: Passed) -> Draft:
    """Return what tells a stream's state alone."""
    why, rate = (live.why, live.control.rate) if live.sampler is not None else (None, 0.0)
    return Draft(stream_id, place.epoch, place.seq, place.seq, place.origin, why=why, rate=rate)


def _extend(draft: Draft | None, segment: Sequenced, step: Step) -> Draft:
    """Append to the stream's draft where it follows on and stays small; else begin another."""
    events = [_encoded(event) for event in step.events]
    settings, size = _settings(step.events), sum(map(len, events))
    origin = Origin.from_wire(segment["origin"])
    follows = draft is not None and draft.epoch == step.epoch and draft.to_seq == step.from_seq
    if draft is not None and follows and draft.size + size <= SEGMENT_BYTES_MAX:
        draft.events += events
        draft.settings += settings
        draft.to_seq, draft.origin, draft.size = step.to_seq, origin, draft.size + size
        return draft
    stream_id = segment["stream_id"]
    return Draft(stream_id, step.epoch, step.from_seq, step.to_seq, origin, events, settings, size)


def _encoded(event: FanoutEvent) -> bytes:
    content, copies = _AROUND.of(event), event.get("copies", 1)
    return _AROUND.write(event["type"], event["seq"], event["at"], content, event["mask"], copies)


def _settings(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event["type"] == "settings"]


def _fanout(
    draft: Draft, state: SampleState | None = None, covered: Origin = NOTHING, claim: str = ""
) -> Fanout:
    live = state.lives.get(draft.stream_id) if state else None
    totals = state.reactions.get(draft.stream_id) if state and live and live.reactions_untold else None
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
        viewers=live.audience.viewers if live else -1,
        users=live.audience.users if live else -1,
        sampled=draft.why is not None,
        why=draft.why,
        rate=draft.rate,
        window=draft.window,
        reactions=dict(totals.counts) if totals else None,
        reacted=totals.reacted if totals else -1,
        events=cast("list[FanoutEvent]", draft.events),  # as `Codec.encode` takes them
    )
