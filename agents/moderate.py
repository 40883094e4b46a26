"""moderate: a verdict for each item. ``comments.ingested`` → ``comments.moderated``.

Comments are held against the word lists, the platform's policy and their stream's rules; commands change
the rules, and travel in the same log, so that a ban binds every later origin. Refused items flow on. What
it has put out is the truth about its state; the table ``rules`` is a checkpoint of it, and Redis a
projection for the gateways.

A verdict may depend on what is no function of the log: the classifier's opinion, and how far
``moderation.policy`` was heard. It counts when it is written: whoever takes the partition next reads it, and
readers drop what a predecessor writes behind a claim, so that a comment has one outcome. Lists are made in a
thread and swapped whole: a stream's own before the step that has the command, the platform's between steps.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import structlog

from agents.audit import audited
from agents.chunks import covering
from agents.classifiers import Panel, Subject
from agents.core import positions
from agents.core.commands import command, held_by, rejected
from agents.core.held import Held
from agents.core.policy import Policy
from agents.core.recent import Recent
from agents.core.rules import Rules
from agents.core.verdicts import SILENT, Platform, hold, judge
from agents.lists import Lists, make_lists
from agents.log import Record
from agents.notices import noticed
from agents.stage import Output, PartitionState, Side, Stage, must_follow
from schemas.codec import UndecodableError, codec
from schemas.content import Around, forget, identity, spelled
from schemas.filtering import WordList
from schemas.policies import EVERYWHERE
from schemas.records import (
    NOTHING,
    IngestedItem,
    Moderated,
    ModeratedItem,
    Origin,
)
from schemas.records import Rules as RulesRecord
from schemas.refusals import Code
from schemas.topics import INGESTED, MODERATED, POLICY, RULES_CHANGELOG, Topic

_HAS_WORDS = b'"words"'
"""In the bytes of every record with a command that changes a stream's list (and, rarely, of others)."""

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class ModerateState(PartitionState):
    """The streams' rules and the platform's policy beside what every stage knows."""

    rules: dict[str, Rules] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    platform: Platform
    recent: Recent
    opinions: dict[Origin, str] = field(default_factory=dict)
    """Of the classifier, for the next step."""
    policy_changed: bool = False
    """Whether the platform's bans are to be projected."""


class ModerateStage(Stage[ModerateState]):
    """See the module.

    Args:
        words: the platform's list from files.
        epoch: the cluster's.
        window_ms: the duplicate window.
        panel: the classifier's; None: nobody is asked.
        partitions: of every topic.

    """

    name = "moderate"
    source = INGESTED
    sink = MODERATED
    table = RULES_CHANGELOG
    hears = (POLICY,)
    passes_over = ("id", "user_name", "sticker")
    """Those of commands and of what is held are spelled out."""
    hands_on_whole = True

    def __init__(
        self,
        words: WordList,
        epoch: str,
        window_ms: int = 120_000,
        panel: Panel | None = None,
        *,
        partitions: int = 1,
    ) -> None:
        super().__init__()
        self._around = Around(self.sink.record, whole=self.hands_on_whole)
        self._partitions = partitions
        self._words = words
        self._raised = not epoch.endswith("-0")
        self._window_ms = window_ms
        self._panel = panel
        self._lists = Lists(words)

    def open(self, partition: int) -> ModerateState:
        """No stream has rules yet."""
        return ModerateState(
            partition,
            policy=Policy(self._words.rules),
            platform=Platform(words=self._words),
            recent=Recent(self._window_ms),
        )

    def claim(self, worker: str) -> bytes:
        """Claim the partition."""
        nothing = NOTHING.to_wire()
        record = Moderated(claim=worker, token=-1, source_token=-1, after=nothing, covered=nothing, items=[])
        return self.codec.encode(record)

    async def prepare(self, state: ModerateState, inputs: Sequence[Record]) -> None:
        """Make the lists that commands bring, and ask the classifier."""
        for record in inputs:
            listing = record.value is not None and _HAS_WORDS in record.value
            if not listing and self._panel is None:
                continue
            items = self._items_of(record)
            if listing:
                await asyncio.to_thread(make_lists, items)
            if self._panel is not None:
                await self._ask(state, items, self._panel)

    def step(self, state: ModerateState, inputs: Sequence[Record]) -> Output:
        """Judge what is new."""
        output = Output()
        before = state.covered
        pieces: list[bytes] = []
        items: list[ModeratedItem] = []
        origins: list[tuple[int, int]] = []
        for record, ingested in self.read(inputs, output, state.partition):
            if not state.source.admits(record.offset, ingested):
                continue
            if not (self._raised and state.covered == NOTHING):
                must_follow(self.name, state.partition, Origin.from_wire(ingested["after"]), state.covered)
            new: Iterable[IngestedItem] = ingested["items"]
            if Origin.from_wire(ingested["after"]) < state.covered:
                new = (row for row in new if Origin(row["offset"], row["index"]) > state.covered)
            for item in new:
                judged = self._judged(state, item, output)
                pieces.append(self._encoded(judged))
                origins.append((item["offset"], item["index"]))
                if self.hands_on:
                    items.append(judged)
                state.at = item["at"]
            state.covered = max(state.covered, Origin.from_wire(ingested["covered"]))
        state.opinions.clear()
        if state.covered == before:
            return output
        for first, end, after, covered in covering(pieces, origins, before, state.covered):
            moderated = Moderated(
                claim="",
                token=state.token,
                source_token=state.source.token,
                after=after.to_wire(),
                covered=covered.to_wire(),
                items=cast("list[ModeratedItem]", pieces[first:end]),
            )
            output.main.append((None, self.codec.encode(moderated)))
            if self.hands_on:
                output.decoded.append({**moderated, "items": items[first:end]})
        return output

    def due(self, state: ModerateState) -> float | None:
        """Project the platform's bans at once."""
        return 0.0 if state.policy_changed else None

    def tick(self, state: ModerateState, now: float) -> Output | None:
        """See `due`."""
        del now
        if not state.policy_changed:
            return None
        state.policy_changed = False
        return Output(effects=[EVERYWHERE])

    def replay(self, state: ModerateState, record: Moderated) -> None:
        """Apply the commands that were applied, and the answers that were given."""
        state.cover(record)
        for item in record["items"]:
            stream_id, verdict = item["stream_id"], item["verdict"]
            state.at = item["at"]
            if item["type"] == "comment":
                state.recent.add(identity(item), item["at"])
                if verdict not in {"hold", "approved"}:
                    continue
            rules = state.rules.setdefault(stream_id, Rules())
            if item["refusal"] not in {None, "held"} or Origin(item["offset"], item["index"]) <= rules.origin:
                continue
            if item["type"] == "comment":
                rules.answer(item, approved=verdict == "approved")
            else:
                command(rules, item)
            state.dirty.add(stream_id)

    def restore(self, state: ModerateState, key: bytes, value: bytes) -> None:
        """Take over a checkpoint entry."""
        entry: RulesRecord = codec("rules").decode(value)
        origin = Origin.from_wire(entry["origin"])
        if positions.is_watermark(key):
            state.covered = origin
            state.watermark = entry["segment_offset"]
            state.source.token = entry["source_token"]
            state.at = entry["at"]
        else:
            state.rules[key.decode()] = Rules.from_json(entry["state"], origin)

    def checkpoint(self, state: ModerateState, offset: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the changed streams' rules, then the watermark."""
        entries = [
            (stream.encode(), _entry(state.rules[stream].origin, offset, state.rules[stream].to_json(), -1))
            for stream in state.dirty
        ]
        state.dirty.clear()
        watermark = _entry(state.covered, offset, "", state.source.token, at=state.at)
        return iter([*entries, (positions.watermark_key(state.partition), watermark)])

    def streams(self, state: ModerateState) -> Iterable[str]:
        """Every stream with rules."""
        return state.rules

    def tail_since(self, state: ModerateState) -> int | None:
        """Comments decided within the duplicate window are read back from the output."""
        return state.at - self._window_ms if state.at else None

    def heard(self, state: ModerateState, topic: Topic) -> int | None:
        """Read the policy from its beginning: the topic is its own state."""
        del state, topic
        return -1

    def hear(self, state: ModerateState, topic: Topic, record: Record, now: float) -> None:
        """Take a platform-wide command; a list is made in the background."""
        del now
        try:
            items = codec(topic.record).decode(record.value)["items"]
        except UndecodableError as error:
            log.warning("policy skipped", offset=record.offset, reason=error.reason)
            return
        if state.policy.take(items, record.timestamp):
            self._lists.follow(state.partition, state.policy, state.platform)
        state.platform.bans = state.policy.bans
        state.policy_changed = True

    async def _ask(self, state: ModerateState, items: Sequence[IngestedItem], panel: Panel) -> None:
        comments = [item for item in items if item["type"] == "comment" and item["text"]]
        subjects = [Subject(item["stream_id"], item["user_id"], item["text"]) for item in comments]
        opinions = await panel.opinions(subjects)
        for item, opinion in zip(comments, opinions, strict=True):
            state.opinions[Origin(item["offset"], item["index"])] = opinion

    def _items_of(self, record: Record) -> Sequence[IngestedItem]:
        try:
            read = record.decoded or self._source_codec.decode(record.value)
            items: Sequence[IngestedItem] = read["items"]
        except UndecodableError:
            return ()  # `step` reports it
        return items

    def _judged(self, state: ModerateState, item: IngestedItem, output: Output) -> ModeratedItem:
        stream_id = item["stream_id"]
        rules = state.rules.get(stream_id)
        if rules is not None and rules.held.waiting and (expired := rules.held.expire(item["at"])):
            state.dirty.add(stream_id)
            output.effects.append(stream_id)
            output.before += self._told(item, rejected(expired))
        if rules is not None and (role := rules.role_of(item["user_id"], item["role"])) != item["role"]:
            forget(item)
            item["role"] = role
        if item["type"] == "comment":
            opinion = state.opinions.get(Origin(item["offset"], item["index"])) if state.opinions else None
            if rules is None and opinion == "hold":
                rules = state.rules[stream_id] = Rules()
            verdict = judge(rules, state.platform, item, opinion)
            is_new = state.recent.add(identity(item), item["at"])
            if verdict.verdict == "hold" and rules is not None:
                verdict = hold(rules, spelled(item), verdict) if is_new else SILENT
            comment = None
        else:
            item, rules = spelled(item), rules or Rules()
            comment = held_by(rules, item) if item["type"] == "approve" else None
            verdict = command(rules, item)
            output.before.append(audited(state.partition, item, verdict))
            output.before += self._told(item, verdict.told)
        if verdict.changed and rules is not None:
            rules.origin = Origin(item["offset"], item["index"])
            state.rules[stream_id] = rules
            state.dirty.add(stream_id)
            output.effects.append(stream_id)
        judged = cast("ModeratedItem", comment if comment and verdict.verdict == "approved" else item)
        judged["verdict"] = verdict.verdict
        judged["refusal"] = verdict.refusal.key if verdict.refusal else None
        return judged

    def _encoded(self, item: ModeratedItem) -> bytes:
        return self._around.write(self._around.of(item), item["verdict"], item["refusal"])

    def _told(self, item: IngestedItem, told: Iterable[tuple[Held, Code]]) -> Iterator[Side]:
        """Yield notices to the authors of comments that were held or rejected when ``item`` came."""
        origin = Origin(item["offset"], item["index"])
        for held, code in told:
            yield noticed(
                item["stream_id"],
                held.user_id,
                held.id,
                code,
                at=item["at"],
                origin=origin,
                partitions=self._partitions,
            )


def _entry(origin: Origin, offset: int, state: str, source_token: int, at: int = 0) -> bytes:
    record = RulesRecord(
        origin=origin.to_wire(), segment_offset=offset, at=at, state=state, source_token=source_token
    )
    return codec("rules").encode(record)
