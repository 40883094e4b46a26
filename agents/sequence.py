"""sequence: one order for all. ``comments.moderated`` → ``comments.sequenced``, a segment a stream.

Drops repeats, gives the contiguous per-stream ``seq`` to comments and moderation events alike, and
tells the author of a refused comment through ``comments.notices``. What it has put out is the truth
about its state; the table ``positions`` is a checkpoint of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from agents.chunks import chunked
from agents.core import positions
from agents.core.sequencing import Draft, Place, Sequencer, event_of, mask_of
from agents.log import Entry, Record
from agents.notices import noticed
from agents.stage import Output, PartitionState, Side, Stage, must_follow
from schemas.content import Around, spelled
from schemas.records import NOTHING, ModeratedItem, Origin, Refused, Sequenced
from schemas.refusals import code_of
from schemas.topics import MODERATED, POSITIONS_CHANGELOG, SEQUENCED


@dataclass(slots=True, kw_only=True)
class SequenceState(PartitionState):
    """The partition's numbers beside what every stage knows."""

    sequencer: Sequencer


class SequenceStage(Stage[SequenceState]):
    """See the module. ``epoch`` is the cluster's; ``window_ms`` the duplicate window."""

    name = "sequence"
    source = MODERATED
    sink = SEQUENCED
    table = POSITIONS_CHANGELOG
    passes_over = ("id", "user_id", "user_name", "role", "text", "sticker")
    """Those of what is not a comment let through are spelled out."""

    def __init__(self, epoch: str, window_ms: int, partitions: int) -> None:
        super().__init__()
        self._around = Around(self.sink.record)
        self._encode, self._head = self.codec.of_fields("covered", "claim", "token", "source_token")
        self._epoch = epoch
        # An operator who raised the epoch said that lost history is to be gone on without.
        self._raised = not epoch.endswith("-0")
        self._window_ms = window_ms
        self._partitions = partitions

    def open(self, partition: int) -> SequenceState:
        """No stream has a number yet."""
        return SequenceState(partition, sequencer=Sequencer(self._epoch, self._window_ms, self._event))

    def claim(self, worker: str) -> bytes:
        """Claim the partition."""
        return self.codec.encode(self._control(NOTHING, claim=worker))

    def step(self, state: SequenceState, inputs: Sequence[Record]) -> Output:
        """Give numbers to what is new, a segment a stream; only the last record advances ``covered``."""
        output = Output()
        before = state.covered
        drafts = state.sequencer.decide(self._items(state, inputs, output), before)
        *others, last = drafts.values() or (None,)
        control = self._control(before, state)
        undecided, decided = self._head(control), self._head(control | {"covered": state.covered.to_wire()})
        for draft in others:
            self._write(output.main, draft, undecided, undecided)
        if last is not None:
            self._write(output.main, last, undecided, decided)
        else:
            control["covered"] = state.covered.to_wire()
            output.main.append((None, self.codec.encode(control)))
        output.before.extend(self._notice(item) for draft in drafts.values() for item in draft.refused)
        state.dirty.update(drafts)
        return output

    def replay(self, state: SequenceState, record: Sequenced) -> None:
        """Take over one of the stage's own records."""
        if record["epoch"] == self._epoch:
            state.cover(record)
        state.sequencer.fold(record)
        if record["stream_id"]:
            state.dirty.add(record["stream_id"])
            state.at = max(state.at, state.sequencer.places[record["stream_id"]].at)

    def restore(self, state: SequenceState, key: bytes, value: bytes) -> None:
        """Take over a checkpoint entry."""
        entry = positions.decode(value)
        origin = Origin.from_wire(entry["origin"])
        if positions.is_watermark(key):
            if entry["epoch"] == self._epoch:
                state.covered = origin
            state.watermark = entry["segment_offset"]
            state.at = entry["at"]
            state.source.token = entry["source_token"]
        else:
            place = Place(entry["epoch"], entry["seq"], origin, entry["at"])
            state.sequencer.raise_to(key.decode(), place)

    def checkpoint(self, state: SequenceState, offset: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changed streams' places, then the watermark."""
        places = state.sequencer.places
        changed = [(stream, replace(places[stream])) for stream in state.dirty]
        state.dirty.clear()
        watermark = positions.encode(
            self._epoch, 0, state.covered, offset, at=state.at, source_token=state.source.token
        )
        entries = (
            (
                stream.encode(),
                positions.encode(place.epoch, place.seq, Origin(*place.origin), offset, at=place.at),
            )
            for stream, place in changed
        )
        return chain(entries, [(positions.watermark_key(state.partition), watermark)])

    def streams(self, state: SequenceState) -> Iterable[str]:
        """Every numbered stream."""
        return state.sequencer.places

    def tail_since(self, state: SequenceState) -> int | None:
        """Ids of the duplicate window are read back from the segments."""
        return state.at - self._window_ms if state.at else None

    def _event(self, item: ModeratedItem, seq: int) -> bytes:
        """Return an item as an event, encoded."""
        if item["command"] is None:
            type_ = item["type"]
            mask = mask_of(item["verdict"], type_)
            return self._around.write(type_, seq, item["at"], self._around.of(item), mask)
        event = event_of(spelled(item), seq)
        return self._around.write(event["type"], seq, event["at"], self._around.of(event), event["mask"])

    def _items(
        self, state: SequenceState, inputs: Sequence[Record], output: Output
    ) -> Iterator[ModeratedItem]:
        """Yield the items of admitted records, and move ``covered`` on behind each record."""
        for record, moderated in self.read(inputs, output, state.partition):
            if not state.source.admits(record.offset, moderated):
                continue
            if not (self._raised and state.covered == NOTHING):
                must_follow(self.name, state.partition, Origin.from_wire(moderated["after"]), state.covered)
            yield from moderated["items"]
            state.covered = max(state.covered, Origin.from_wire(moderated["covered"]))
            if moderated["items"]:
                state.at = max(state.at, moderated["items"][-1]["at"])

    def _write(self, main: list[Entry], draft: Draft, undecided: bytes, decided: bytes) -> None:
        """Write a draft's records with their heads: that of the last, and that of those before it."""
        key, events, encode = draft.stream_id.encode(), draft.events, self._encode
        for first, end in chunked(events):
            whole = end == len(events)
            offset, index = draft.origin if whole else draft.origins[end - 1]
            value = encode(
                draft.stream_id,
                draft.epoch,
                draft.from_seq + first,
                draft.from_seq + end,
                {"offset": offset, "index": index},
                decided if whole else undecided,
                events[first:end],
                # In the first part: should the rest not get written, a repeat meets them as decided.
                [_refused(item) for item in draft.refused] if first == 0 else [],
            )
            main.append((key, value))

    def _control(self, covered: Origin, state: SequenceState | None = None, claim: str = "") -> Sequenced:
        return Sequenced(
            stream_id="",
            epoch=self._epoch,
            from_seq=0,
            to_seq=0,
            origin=covered.to_wire(),
            covered=covered.to_wire(),
            claim=claim,
            token=state.token if state else -1,
            source_token=state.source.token if state else -1,
            events=[],
            refused=[],
        )

    def _notice(self, item: ModeratedItem) -> Side:
        code, origin = code_of(item["refusal"] or "moderated"), Origin(item["offset"], item["index"])
        return noticed(
            item["stream_id"],
            item["user_id"],
            item["id"],
            code,
            at=item["at"],
            origin=origin,
            partitions=self._partitions,
        )


def _refused(item: ModeratedItem) -> Refused:
    return Refused(id=item["id"], user_id=item["user_id"], at=item["at"])
