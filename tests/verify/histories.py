"""Correct histories made up: a small world that keeps every promise, and writes down what was seen of it."""

import random
from dataclasses import dataclass, field

import xxhash

from livecomments.verify import facts as f
from livecomments.verify.facts import Content, Fact, Place

EPOCH = "k3f9-0"
STREAMS = ("s", "t")
USERS = tuple(f"u{n}" for n in range(6))
WALL_MS = 1_795_490_000_000
FORBIDDEN = f.text_hash("a listed word")


@dataclass
class Watcher:
    """A viewer of the world."""

    name: str
    user: str
    stream: str
    slow: bool = False
    online: bool = False
    seq: int | None = None
    epoch: str = EPOCH
    heard: int = 0
    """Up to which notice."""


@dataclass
class World:
    """A system that works, with one moderator, and viewers that come and go."""

    rng: random.Random
    facts: list[Fact] = field(default_factory=list)
    log: list[Fact] = field(default_factory=list)
    """What the reader of the log will add at the end."""
    t: float = 100.0
    ops: int = 0
    offsets: int = 0
    epoch: str = EPOCH
    faults: int = 0
    fault: f.Fault | None = None
    waiting: list[tuple[int, f.Submission, str]] = field(default_factory=list)
    """Landed and not yet judged: (offset, item, verdict)."""
    decided: set[tuple[str, str, str]] = field(default_factory=set)
    contents: dict[str, list[Content]] = field(default_factory=lambda: {name: [] for name in STREAMS})
    banned: set[tuple[str, str]] = field(default_factory=set)
    published: list[tuple[str, str, str, str]] = field(default_factory=list)
    watchers: list[Watcher] = field(default_factory=list)
    notices: list[f.Notice] = field(default_factory=list)
    sampled: bool = False
    masks: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts.append(f.Run(self.t, 7, WALL_MS))

    def step(self) -> None:
        """Do one thing."""
        self.t += self.rng.uniform(0.001, 0.4)
        doing = (
            [self.publish] * 6
            + [self.retry] * 2
            + [self.moderate, self.run, self.come, self.go, self.back, self.back, self.skip, self.stall]
            + [self.begin, self.end]
        )
        self.rng.choice(doing)()

    def finish(self) -> list[Fact]:
        """End all that is under way, and read everything."""
        self.end()
        self.run()
        for watcher in self.watchers:
            if not watcher.online:
                self.resume(watcher)
        self.t += 1
        self.facts += [f.Present(self.t, each.name, each.stream) for each in self.watchers]
        self.facts += self.log
        for stream in STREAMS:
            self._keep(stream)
        self.facts.append(f.Quiet(self.t))
        return self.facts

    # Authors.

    def publish(self) -> None:
        stream, user = self.rng.choice(STREAMS), self.rng.choice(USERS)
        number = len(self.published)
        bad = self.rng.random() < 0.1
        text = FORBIDDEN if bad else f.text_hash(f"text {number}")
        self.published.append((stream, user, f"id-{number}", text))
        self._attempt(stream, user, f"id-{number}", text, forbidden=bad)

    def retry(self) -> None:
        if self.published:
            stream, user, id_, text = self.rng.choice(self.published[-5:])
            self._attempt(stream, user, id_, text, forbidden=text == FORBIDDEN)

    def _attempt(self, stream: str, user: str, id_: str, text: str, *, forbidden: bool) -> None:
        self.ops += 1
        named = (stream, id_, user)
        self.facts.append(f.Publish(self.t, self.ops, "invoke", *named, text, forbidden=forbidden))
        answer = self.rng.choice(["ok", "ok", "ok", "unknown", "fail", "none"])
        if answer == "ok" or (answer in {"unknown", "none"} and self.rng.random() < 0.5):
            verdict = "reject" if forbidden or (stream, user) in self.banned else "allow"
            self._land(f.Submission(0, "comment", stream, id_, user, text), verdict)
        self.t += 0.01
        if answer != "none":
            self.facts.append(f.Publish(self.t, self.ops, answer, *named))

    def moderate(self) -> None:
        shown = [row for rows in self.contents.values() for row in rows if row.type == "comment"]
        if not shown:
            return
        comment = self.rng.choice(shown)
        stream = next(name for name, rows in self.contents.items() if comment in rows)
        type_ = self.rng.choice(["delete", "delete", "clear", "ban", "unban"])
        target = comment.id if type_ == "delete" else comment.user
        if type_ == "clear" and any(row.type == "clear" and row.target == target for row in shown):
            return
        self.ops += 1
        named = (type_, stream, "mod", target)
        self.facts.append(f.Command(self.t, self.ops, "invoke", *named))
        item = f.Submission(0, type_, stream, f"c{self.ops}/{target}", "mod", f.text_hash(""))
        self._land(item, "allow")
        if type_ in {"ban", "unban"}:
            (self.banned.add if type_ == "ban" else self.banned.discard)((stream, target))
        self.facts.append(f.Command(self.t, self.ops, "ok", *named))
        if self.fault is None:
            self.run()

    def _land(self, item: f.Submission, verdict: str) -> None:
        self.log.append(f.Submitted(0, self.offsets, WALL_MS + round((self.t - 100) * 1000), (item,)))
        self.waiting.append((self.offsets, item, verdict))
        self.offsets += 1

    # The pipeline.

    def run(self) -> None:
        """Bring everything that landed to everyone who is online."""
        self.t += 0.05
        starts = {name: len(rows) for name, rows in self.contents.items()}
        judged, refused = [], []
        for offset, item, verdict in self.waiting:
            key = (item.stream, item.user, item.id if item.type == "comment" else f"{item.type} {offset}")
            said = f.Judged(offset, 0, item.type, item.stream, item.id, item.user, verdict, "")
            judged.append(said)
            if key in self.decided:
                continue
            self.decided.add(key)
            if verdict == "reject":
                refused.append(item)
                self.notices.append(f.Notice(len(self.notices), item.stream, item.user, item.id, 1001))
                self.log.append(self.notices[-1])
            else:
                rows = self.contents[item.stream]
                target = "" if item.type == "comment" else item.id.partition("/")[2]
                rows.append(Content(len(rows) + 1, item.type, item.id, item.user, item.text, target))
        self.waiting.clear()
        if judged:
            self.log.append(f.Verdicts(0, self.offsets, tuple(judged)))
        for stream in STREAMS:
            self._segment(stream, starts[stream], tuple(x for x in refused if x.stream == stream))
        for watcher in self.watchers:
            if (
                watcher.online
                and watcher.seq is not None
                and watcher.seq < len(self.contents[watcher.stream])
            ):
                self._tell(watcher, watcher.seq, "live")
            if watcher.online:
                self._tell_notices(watcher)

    def _tell_notices(self, watcher: Watcher) -> None:
        for notice in self.notices[watcher.heard :]:
            if notice.user == watcher.user:
                told = (notice.stream, notice.id, notice.code)
                self.facts.append(f.Told(self.t, watcher.name, watcher.user, *told))
        watcher.heard = len(self.notices)

    def _segment(self, stream: str, start: int, refused: tuple[f.Submission, ...]) -> None:
        rows = self.contents[stream][start:]
        at = WALL_MS + round((self.t - 100) * 1000)
        if not rows and not refused:
            return
        refusals = tuple((item.id, item.user) for item in refused)
        end = start + len(rows)
        place = (stream, self.epoch, start, end)
        self.log.append(f.Segment("sequenced", 0, len(self.log), at, *place, tuple(rows), refused=refusals))
        if rows and self.rng.random() < 0.2:  # written again by a successor: trimmed by all
            self.log.append(f.Segment("sequenced", 0, len(self.log), at, *place, tuple(rows)))
        if rows:
            masked = self._masked(stream, start)
            self.log.append(f.Segment("fanout", 0, len(self.log), at, *place, masked, sampled=self.sampled))

    def _masked(self, stream: str, start: int) -> tuple[Content, ...]:
        """Return what the sampler lets through, and remember for whom; a fifth of the comments for nobody."""
        for row in self.contents[stream][start:]:
            if not self.sampled or row.type != "comment":
                self.masks[stream, row.seq] = -1
            elif row.seq % 5:
                self.masks[stream, row.seq] = (row.seq * 0x9E3779B97F4A7C15) % 2**63
        kept = [row for row in self.contents[stream][start:] if (stream, row.seq) in self.masks]
        return tuple(row._replace(mask=self.masks[stream, row.seq]) for row in kept)

    # Viewers.

    def come(self) -> None:
        user, stream = self.rng.choice(USERS), self.rng.choice(STREAMS)
        watcher = Watcher(f"v{len(self.watchers)}", user, stream, slow=self.rng.random() < 0.3, online=True)
        self.watchers.append(watcher)
        watcher.seq = end = len(self.contents[stream])
        place = Place(self.epoch, end)
        self.facts.append(f.Subscribe(self.t, watcher.name, user, stream, "edge", place, slow=watcher.slow))
        watcher.heard = len(self.notices)
        self.facts.append(f.Listen(self.t, watcher.name, user, Place(EPOCH, watcher.heard)))
        start = max(0, end - 5)
        if start < end:
            watcher.seq = start
            self._tell(watcher, start, "live")

    def go(self) -> None:
        if online := [each for each in self.watchers if each.online]:
            self.rng.choice(online).online = False

    def back(self) -> None:
        if away := [each for each in self.watchers if not each.online]:
            self.resume(self.rng.choice(away))

    def resume(self, watcher: Watcher) -> None:
        watcher.online = True
        seq, end = watcher.seq or 0, len(self.contents[watcher.stream])
        asked, same = Place(watcher.epoch, seq), watcher.epoch == self.epoch
        lost = self.fault is not None and self.fault.kind == "kill redis" and self.rng.random() < 0.5
        named = (self.t, watcher.name, watcher.user, watcher.stream, "edge-2")
        heard = Place(EPOCH, watcher.heard)
        self.facts.append(f.Listen(self.t, watcher.name, watcher.user, heard, heard, recovered=True))
        self._tell_notices(watcher)
        if not same:
            self.facts.append(f.Subscribe(*named, Place(self.epoch, end), asked))
            hole = f.Hole(0, end, "epoch")
            self.facts.append(self._publication(watcher, 0, end, "live", hole))
            watcher.epoch, watcher.seq = self.epoch, end
        elif lost and seq < end:
            self.facts.append(f.Subscribe(*named, Place(self.epoch, end), asked))
            self.facts.append(self._publication(watcher, seq, end, "live", f.Hole(seq, end, "window")))
            watcher.seq = end
        else:
            self.facts.append(f.Subscribe(*named, asked, asked, recovered=True))
            if seq < end:
                self._tell(watcher, seq, "catchup")

    def skip(self) -> None:
        """Skip what a slow viewer did not take."""
        slow = [each for each in self.watchers if each.slow and each.online]
        if not slow:
            return
        watcher = self.rng.choice(slow)
        behind, end = watcher.seq or 0, len(self.contents[watcher.stream])
        if behind < end:
            self.facts.append(self._publication(watcher, behind, end, "live", f.Hole(behind, end, "slow")))
            watcher.seq = end

    def _tell(self, watcher: Watcher, start: int, how: str) -> None:
        end = len(self.contents[watcher.stream])
        middle = self.rng.randint(start, end)
        for begin, stop in ((start, middle), (middle, end)) if how == "catchup" else ((start, end),):
            if begin < stop:
                self.facts.append(self._publication(watcher, begin, stop, how))
        watcher.seq = end

    def _publication(
        self, watcher: Watcher, start: int, end: int, how: str, hole: f.Hole | None = None
    ) -> f.Receive:
        rows = self.contents[watcher.stream]
        hidden = {row.target for row in rows if row.type == "delete"}
        cleared = {row.target: row.seq for row in rows if row.type == "clear"}
        told = tuple(
            row._replace(mask=-1, id=row.id if row.type == "comment" else "")
            for row in rows[start:end]
            if hole is None
            and self._sees(watcher, row)
            and not (row.type == "comment" and (row.id in hidden or row.seq <= cleared.get(row.user, 0)))
        )
        omitted = end - start - len(told)
        return f.Receive(
            self.t, watcher.name, watcher.stream, how, start, end, told, omitted, self.sampled, hole=hole
        )

    def _sees(self, watcher: Watcher, row: Content) -> bool:
        mask = self.masks.get((watcher.stream, row.seq))
        return mask is not None and (bool(mask >> lane_of(watcher) & 1) or row.user == watcher.user)

    # What goes wrong around it.

    def begin(self) -> None:
        if self.fault is None:
            self.faults += 1
            kind = self.rng.choice(["kill sequence", "kill redis", "pause edge"])
            self.fault = f.Fault(self.t, self.faults, "begin", kind)
            self.facts.append(self.fault)

    def end(self) -> None:
        if self.fault is not None:
            self.run()
            self.t += 0.1
            self.facts.append(f.Fault(self.t, self.fault.number, "end", self.fault.kind))
            self.fault = None

    def stall(self) -> None:
        self.facts.append(f.Stall(self.t, 0.2))
        self.t += 0.2

    def raise_epoch(self) -> None:
        """Start every stream over, as an operator who lost history does."""
        self.end()
        self.run()
        self.faults += 1
        self.facts.append(f.Fault(self.t, self.faults, "begin", "raise-epoch"))
        self._keep_all()
        self.epoch = "k3f9-1"
        self.contents = {name: [] for name in STREAMS}
        self.masks.clear()
        self.banned.clear()
        for watcher in self.watchers:
            watcher.online = False
        self.facts.append(f.Fault(self.t, self.faults, "end", "raise-epoch"))

    def _keep_all(self) -> None:
        for stream in STREAMS:
            self._keep(stream)

    def _keep(self, stream: str) -> None:
        rows, at = self.contents[stream], (stream, self.epoch)
        if not rows:
            return
        hidden = {row.target for row in rows if row.type == "delete"}
        cleared = {row.target: row.seq for row in rows if row.type == "clear"}
        for row in rows:
            self.facts.append(f.Row(self.t, "sqlite", *at, row))
            self.facts.append(f.Row(self.t, "flat", *at, row))
            if row.seq % 3 == 0:
                self.facts.append(f.Row(self.t, "flat", *at, row))
            gone = row.id in hidden or row.seq <= cleared.get(row.user, 0)
            if row.type == "comment" and not gone and row.mask:
                self.facts.append(f.Row(self.t, "api", *at, row))
        for source in ("sqlite", "flat", "api"):
            overlaid = source == "api"
            self.facts.append(f.Archived(self.t, source, *at, len(rows), overlaid=overlaid))


def lane_of(watcher: Watcher) -> int:
    return xxhash.xxh3_64_intdigest(f"{watcher.stream}\0{watcher.user}".encode()) % 64


def history(seed: int, steps: int = 400, *, sampled: bool = False) -> list[Fact]:
    """Make up a rich history."""
    world = World(random.Random(seed), sampled=sampled)
    for _ in range(steps):
        world.step()
    return world.finish()
