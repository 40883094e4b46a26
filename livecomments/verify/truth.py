"""Facts folded into what is true: who published what, what the log says, when faults were. Pure, linear.

The first of the checker's two passes. What contradicts itself within the log is found here.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from livecomments.verify import facts as f
from livecomments.verify.report import Anomaly, Kind

FOREVER = float("inf")
BREATH_SECONDS = 0.5
"""Faults or stalls so close together count as one."""


class Key(NamedTuple):
    """What makes a comment the same comment."""

    stream: str
    user: str
    id: str


@dataclass(slots=True)
class Attempts:
    """All publishes of one comment."""

    invoked_at: float = FOREVER
    """The first."""
    ok_at: float | None = None
    """The first answer that it is durable."""
    invokes: list[float] = field(default_factory=list)
    fails: int = 0
    forbidden: bool = False
    texts: set[str] = field(default_factory=set)

    @property
    def may_exist(self) -> bool:
        """Whether any attempt may have landed: it was acknowledged, or its answer is not a clear no."""
        return self.fails < len(self.invokes)


@dataclass(slots=True)
class Line:
    """One stream and epoch as one log tells it. ``contents``: by seq."""

    end: int
    contents: dict[int, f.Content] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)
    """Log-append time by seq, ms since 1970."""
    left_out: set[int] = field(default_factory=set)
    """Numbers that a sampled range leaves out."""


@dataclass(slots=True)
class Hiding:
    """Deletes and clears of one stream and epoch, by where they stand."""

    deletes: dict[str, int] = field(default_factory=dict)
    clears: dict[str, list[int]] = field(default_factory=dict)

    def add(self, content: f.Content) -> None:
        """Take an event, in order."""
        if content.type == "delete":
            self.deletes.setdefault(content.target, content.seq)
        elif content.type == "clear":
            self.clears.setdefault(content.target, []).append(content.seq)

    def hidden_at(self, content: f.Content) -> int | None:
        """Return the seq of what hides a comment first; None: nothing does."""
        return min((seq for _, seq in self.hidden_by(content)), default=None)

    def hidden_by(self, content: f.Content) -> list[tuple[str, int]]:
        """Return what hides a comment: (delete | clear, its seq)."""
        if content.type != "comment":
            return []
        found = [("delete", self.deletes[content.id])] if content.id in self.deletes else []
        clears = self.clears.get(content.user, ())
        at = bisect_left(clears, content.seq)
        if at < len(clears):
            found.append(("clear", clears[at]))
        return found


@dataclass(slots=True)
class Shelf:
    """One complete read of a store."""

    read: f.Archived
    rows: dict[int, f.Content]
    twice: list[int]


class Truth:
    """See the module."""

    def __init__(self) -> None:
        self.run = f.Run(0.0, 0, 0)
        self.seeds: list[int] = []
        self.minimums: list[f.Minimum] = []
        self.counts: Counter[str] = Counter()
        self.fault_kinds: Counter[str] = Counter()
        self.publishes: defaultdict[Key, Attempts] = defaultdict(Attempts)
        self.commands: dict[tuple[str, str, str], list[float | None]] = {}
        """(stream, type, target) → for each command invoked, when it was acknowledged."""
        self.commanded: dict[tuple[str, str], int] = {}
        """(stream, id) of a command in ``comments.submitted`` → the time of its record."""
        self.landed: defaultdict[Key, list[int]] = defaultdict(list)
        """Comments in ``comments.submitted``, with the times of their records."""
        self.verdicts: dict[Key, tuple[tuple[int, int], str]] = {}
        self.sequenced: dict[tuple[str, str], Line] = {}
        self.fanout: dict[tuple[str, str], Line] = {}
        self.hiding: defaultdict[tuple[str, str], Hiding] = defaultdict(Hiding)
        self.numbers: defaultdict[Key, list[tuple[str, int]]] = defaultdict(list)
        """Comment → (epoch, seq) in ``comments.sequenced``."""
        self.refused: set[Key] = set()
        self.notices: dict[Key, int] = {}
        """Refused comment → offset of its first notice."""
        self.epochs: defaultdict[str, set[str]] = defaultdict(set)
        self.shelves: list[Shelf] = []
        self.poison: list[f.Fault] = []
        self.dead: set[tuple[str, int, int]] = set()
        self.quiet: f.Quiet | None = None
        self.found: list[Anomaly] = []
        self.fault_spans: list[tuple[float, float, str]] = []
        """(begin, end, kind), by end of reading."""
        self._faults: dict[int, tuple[float, str]] = {}
        self._asked: dict[tuple[str, int], int] = {}
        """(user, op) of a command → its place in ``commands``."""
        self._rows: defaultdict[tuple[str, str, str], list[f.Content]] = defaultdict(list)
        self._partitions: dict[tuple[str, str], int] = {}
        self._unhealthy: list[tuple[float, float]] | None = None

    def take_all(self, facts: Iterable[f.Fact]) -> None:
        """Fold every fact."""
        for fact in facts:
            self.take(fact)
        for begun, kind in self._faults.values():
            self.fault_spans.append((begun, FOREVER, kind))
        self._faults.clear()

    def take(self, fact: f.Fact) -> None:  # noqa: C901, PLR0912 - one line a fact
        """Fold one fact; what viewers saw is left to the second pass."""
        match fact:
            case f.Publish():
                self._publish(fact)
            case f.Command():
                self._command(fact)
            case f.Submitted():
                self._submitted(fact)
            case f.Verdicts():
                self._verdicts(fact)
            case f.Segment():
                self._segment(fact)
            case f.Notice(offset, stream, user, id_):
                self.notices.setdefault(Key(stream, user, id_), offset)
            case f.Dead():
                self.dead.add((fact.topic, fact.partition, fact.offset))
            case f.Row():
                self._rows[fact.source, fact.stream, fact.epoch].append(fact.content)
            case f.Archived():
                self._archived(fact)
            case f.Fault():
                self._fault(fact)
            case f.Stall(t, seconds):
                self.fault_spans.append((t, t + seconds, "stall"))
                self.counts["stalls"] += 1
            case f.Quiet():
                self.quiet = fact
            case f.Run():
                self.run = fact
                self.seeds.append(fact.seed)
                self.minimums.append(fact.minimum)

    def healthy_since(self, since: float, now: float) -> float | None:
        """Return from when on, at or after ``since``, all was well up to ``now``; None: it is not now."""
        spans = self._spans()
        at = bisect_left(spans, (now, FOREVER))
        if at == 0:
            return since
        _, end = spans[at - 1]
        return None if end >= now else max(since, end)

    def acknowledged(self, stream: str, type_: str, target: str) -> float | None:
        """Return when a command surely was durable; None: not known to be.

        Several clears of one user are not told apart: the last counts.
        """
        known = [at for at in self.commands.get((stream, type_, target), ()) if at is not None]
        if not known or type_ == "delete":
            return min(known, default=None)
        return max(known) if len(known) == len(self.commands[stream, type_, target]) else None

    def wall_ms(self, t: float) -> float:
        """Turn a fact's time into ms since 1970."""
        return self.run.wall_ms + (t - self.run.t) * 1000

    def passed(self, stream: str, epoch: str, seq: int) -> tuple[float, int] | None:
        """Return when a command was in ``comments.fanout`` (a fact's time), and ms from its submission."""
        line, original = self.fanout.get((stream, epoch)), self.sequenced.get((stream, epoch))
        at = line.at.get(seq) if line is not None else None
        submitted = self.commanded.get((stream, original.contents[seq].id)) if original is not None else None
        if at is None or submitted is None:
            return None
        return self.run.t + (at - self.run.wall_ms) / 1000, at - submitted

    def _spans(self) -> list[tuple[float, float]]:
        if self._unhealthy is None:
            merged: list[tuple[float, float]] = []
            for begin, end, _ in sorted(self.fault_spans):
                if merged and begin <= merged[-1][1] + BREATH_SECONDS:
                    merged[-1] = (merged[-1][0], max(merged[-1][1], end))
                else:
                    merged.append((begin, end))
            self._unhealthy = merged
        return self._unhealthy

    def _publish(self, fact: f.Publish) -> None:
        attempts = self.publishes[Key(fact.stream, fact.user, fact.id)]
        if fact.stage == "invoke":
            attempts.invokes.append(fact.t)
            attempts.invoked_at = min(attempts.invoked_at, fact.t)
            attempts.texts.add(fact.text)
            attempts.forbidden |= fact.forbidden
            self.counts["publishes"] += 1
            return
        self.counts[f"publishes {fact.stage}"] += 1
        if fact.stage == "ok":
            attempts.ok_at = fact.t if attempts.ok_at is None else min(attempts.ok_at, fact.t)
        elif fact.stage == "fail":
            attempts.fails += 1

    def _command(self, fact: f.Command) -> None:
        key = (fact.stream, fact.type, fact.target)
        known = self.commands.setdefault(key, [])
        if fact.stage == "invoke":
            self._asked[fact.user, fact.op] = len(known)
            known.append(None)
            self.counts["commands"] += 1
        elif fact.stage == "ok":
            known[self._asked[fact.user, fact.op]] = fact.t

    def _submitted(self, fact: f.Submitted) -> None:
        for item in fact.items:
            self._lives_in("comments.submitted", item.stream, fact.partition)
            if item.type == "comment":
                self.landed[Key(item.stream, item.user, item.id)].append(fact.at)
            else:
                self.commanded.setdefault((item.stream, item.id), fact.at)

    def _verdicts(self, fact: f.Verdicts) -> None:
        for item in fact.items:
            key, origin = Key(item.stream, item.user, item.id), (item.offset, item.item)
            known = self.verdicts.get(key)
            if item.type == "comment" and (known is None or origin < known[0]):
                self.verdicts[key] = (origin, item.verdict)

    def _segment(self, fact: f.Segment) -> None:
        self._lives_in(f"comments.{fact.topic}", fact.stream, fact.partition)
        self.epochs[fact.stream].add(fact.epoch)
        self.counts[f"{fact.topic} records"] += 1
        self.refused.update(Key(fact.stream, user, id_) for id_, user in fact.refused)
        lines = self.sequenced if fact.topic == "sequenced" else self.fanout
        at = (fact.stream, fact.epoch)
        line = lines.setdefault(at, Line(fact.from_seq))
        where = f"comments.{fact.topic}-{fact.partition} at {fact.offset}, {fact.stream} {fact.epoch}"
        if fact.from_seq > line.end:
            self._broken(f"{where}: jumps from {line.end} to {fact.from_seq}")
            line.end = fact.from_seq
        for content in fact.events:
            known = line.contents.get(content.seq)
            if content.seq > line.end:
                line.contents[content.seq], line.at[content.seq] = content, fact.at
                if fact.topic == "sequenced":
                    self._numbered(at, content)
            elif known is None or known.told != content.told or known.id != content.id:
                detail = f"{where}: seq {content.seq} is {_shown(content)}, and was {_shown(known)}"
                self.found.append(Anomaly(Kind.TWO_CONTENTS, detail))
        absent = set(range(line.end + 1, fact.to_seq + 1)) - line.contents.keys()
        if absent and not fact.sampled:
            self._broken(f"{where}: {len(absent)} numbers of it have no event, the first is {min(absent)}")
        line.left_out |= absent
        line.end = max(line.end, fact.to_seq)

    def _numbered(self, at: tuple[str, str], content: f.Content) -> None:
        self.hiding[at].add(content)
        if content.type == "comment":
            self.numbers[Key(at[0], content.user, content.id)].append((at[1], content.seq))

    def _archived(self, fact: f.Archived) -> None:
        rows: dict[int, f.Content] = {}
        twice = []
        for content in self._rows.pop((fact.source, fact.stream, fact.epoch), ()):
            if content.seq in rows:
                twice.append(content.seq)
            rows[content.seq] = content
        self.counts[f"rows of {fact.source}"] += len(rows)
        self.shelves.append(Shelf(fact, rows, twice))

    def _fault(self, fact: f.Fault) -> None:
        match fact.stage:
            case "begin":
                self._faults[fact.number] = (fact.t, fact.kind)
                self.fault_kinds[fact.kind] += 1
            case "end":
                begun, kind = self._faults.pop(fact.number, (fact.t, fact.kind))
                self.fault_spans.append((begun, fact.t, kind))
            case _:
                self.poison.append(fact)

    def _lives_in(self, topic: str, stream: str, partition: int) -> None:
        known = self._partitions.setdefault((topic, stream), partition)
        if known != partition:
            self._broken(f"{stream} is in partitions {known} and {partition} of {topic}")

    def _broken(self, detail: str) -> None:
        self.found.append(Anomaly(Kind.BROKEN_LOG, detail))


def _shown(content: f.Content | None) -> str:
    return f"{content.type} {content.id or content.target}" if content else "nothing"
