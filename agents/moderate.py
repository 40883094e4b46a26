"""moderate: a verdict for each item. ``comments.ingested`` → ``comments.moderated``.

Comments are held against the word lists and their stream's rules; commands change the rules, and
travel in the same log, so that a ban binds every later origin. Refused items flow on. What it has
put out is the truth about its state; the table ``rules`` is a checkpoint of it, and Redis a
projection for the gateways.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from agents.chunks import covering
from agents.core import positions
from agents.core.rules import Rules, Verdict, command, judge
from agents.core.words import Words
from agents.log import Record
from agents.stage import Output, PartitionState, Side, Stage, must_follow
from schemas.codec import codec
from schemas.records import (
    NOTHING,
    IngestedItem,
    Moderated,
    ModeratedItem,
    Origin,
)
from schemas.records import Rules as RulesRecord
from schemas.topics import AUDIT, INGESTED, MODERATED, RULES_CHANGELOG


@dataclass(slots=True, kw_only=True)
class ModerateState(PartitionState):
    """The streams' rules beside what every stage knows."""

    rules: dict[str, Rules] = field(default_factory=dict)


class ModerateStage(Stage[ModerateState]):
    """See the module. ``words``: the platform-wide list."""

    name = "moderate"
    source = INGESTED
    sink = MODERATED
    table = RULES_CHANGELOG

    def __init__(self, words: Words, epoch: str) -> None:
        super().__init__()
        self._words = words
        self._raised = not epoch.endswith("-0")

    def open(self, partition: int) -> ModerateState:
        """No stream has rules yet."""
        return ModerateState(partition)

    def claim(self, worker: str) -> bytes:
        """Claim the partition."""
        nothing = NOTHING.to_wire()
        record = Moderated(claim=worker, token=-1, source_token=-1, after=nothing, covered=nothing, items=[])
        return self.codec.encode(record)

    def step(self, state: ModerateState, inputs: Sequence[Record]) -> Output:
        """Judge what is new."""
        output = Output()
        before = state.covered
        items: list[ModeratedItem] = []
        for record, ingested in self.read(inputs, output, state.partition):
            if not state.source.admits(record.offset, ingested):
                continue
            if not (self._raised and state.covered == NOTHING):
                must_follow(self.name, state.partition, Origin.from_wire(ingested["after"]), state.covered)
            new = (row for row in ingested["items"] if Origin(row["offset"], row["index"]) > state.covered)
            items.extend(self._judged(state, item, output) for item in new)
            state.covered = max(state.covered, Origin.from_wire(ingested["covered"]))
        if state.covered == before:
            return output
        for chunk, after, covered in covering(items, before, state.covered):
            moderated = Moderated(
                claim="",
                token=state.token,
                source_token=state.source.token,
                after=after.to_wire(),
                covered=covered.to_wire(),
                items=chunk,
            )
            output.main.append((None, self.codec.encode(moderated)))
        return output

    def replay(self, state: ModerateState, record: Moderated) -> None:
        """Apply the commands that were applied."""
        state.cover(record)
        for item in record["items"]:
            rules = state.rules.setdefault(item["stream_id"], Rules()) if item["type"] != "comment" else None
            if rules and item["refusal"] is None and Origin(item["offset"], item["index"]) > rules.origin:
                command(rules, item)
                state.dirty.add(item["stream_id"])

    def restore(self, state: ModerateState, key: bytes, value: bytes) -> None:
        """Take over a checkpoint entry."""
        entry: RulesRecord = codec("rules").decode(value)
        origin = Origin.from_wire(entry["origin"])
        if positions.is_watermark(key):
            state.covered = origin
            state.watermark = entry["segment_offset"]
            state.source.token = entry["source_token"]
        else:
            state.rules[key.decode()] = Rules.from_json(entry["state"], origin)

    def checkpoint(self, state: ModerateState, offset: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changed streams' rules, then the watermark."""
        entries = [
            (stream.encode(), _entry(state.rules[stream].origin, offset, state.rules[stream].to_json(), -1))
            for stream in state.dirty
        ]
        state.dirty.clear()
        watermark = _entry(state.covered, offset, "", state.source.token)
        return iter([*entries, (positions.watermark_key(state.partition), watermark)])

    def streams(self, state: ModerateState) -> Iterable[str]:
        """Every stream with rules."""
        return state.rules

    def _judged(self, state: ModerateState, item: IngestedItem, output: Output) -> ModeratedItem:
        stream_id = item["stream_id"]
        if item["type"] == "comment":
            verdict = judge(state.rules.get(stream_id), item, self._words.found)
        else:
            rules = state.rules.get(stream_id) or Rules()
            verdict = command(rules, item)
            if verdict.refusal is None:
                state.rules[stream_id] = rules
                state.dirty.add(stream_id)
                output.effects.append(stream_id)
            output.before.append(_audit(state.partition, item, verdict))
        refusal = verdict.refusal.key if verdict.refusal else None
        return ModeratedItem(**item, verdict=verdict.verdict, refusal=refusal)


def _entry(origin: Origin, offset: int, state: str, source_token: int) -> bytes:
    record = RulesRecord(
        origin=origin.to_wire(), segment_offset=offset, at=0, state=state, source_token=source_token
    )
    return codec("rules").encode(record)


def _audit(partition: int, item: IngestedItem, verdict: Verdict) -> Side:
    record = {
        "stream_id": item["stream_id"],
        "origin": Origin(item["offset"], item["index"]).to_wire(),
        "at": item["at"],
        "actor_id": item["user_id"],
        "actor_role": item["role"],
        "action": item["type"],
        "id": item["id"],
        "command": item["command"],
        "outcome": "refused" if verdict.refusal else "applied",
        "refusal": verdict.refusal.key if verdict.refusal else None,
    }
    return Side(AUDIT, partition, (item["stream_id"].encode(), codec(AUDIT.record).encode(record)))
