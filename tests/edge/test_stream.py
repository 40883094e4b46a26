"""One stream under any sequence of segments, joins, cuts, resumes and full sockets: nothing lost silently."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge import admission as admission_module
from edge import stream as stream_module
from edge.admission import admit
from edge.audience import SILENT_SECONDS
from edge.backlog import NEVER
from edge.protocol.commands import Position
from edge.ring import ALL_LANES, Ring
from edge.stats import Stats
from edge.stream import Stream
from tests.edge.fakes import EPOCH, STREAM, command, comment, segment
from tests.edge.reference import CODEC, Viewer

USERS = ("ana", "bo", "cy", "di")
FIRST = 5


TICK = 0.001


class Ticking:
    """A clock on which each look takes a tick, as each group's turn does on a real one."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        self.now += TICK
        return self.now


def made(clock: Callable[[], float] | None = None, *, events_max: int = 40, seconds: float = 1e9) -> Stream:
    ring = Ring(events_max=events_max, events_min=0, seconds=seconds)
    return Stream(STREAM, EPOCH, ring, Stats(), clock or Ticking())


def come(stream: Stream, viewer: Viewer, since: Position | None = None) -> None:
    """Subscribe, as `edge.client.Client` does it."""
    admission = admit(stream, viewer.come(), since, FIRST)
    reply = CODEC.reply(1, admission.result)
    viewer.write(CODEC.frame(reply, *admission.pushes))
    go_on(stream, viewer)


def go_on(stream: Stream, viewer: Viewer, count: int = 10**9) -> None:
    """Send what the viewer lacks."""
    subscriber = viewer.subscriber
    while subscriber is not None and subscriber.behind is not None and not viewer.blocked and count:
        count -= 1
        frame = stream.resume(subscriber)
        if frame is None:
            return
        viewer.write(frame)


class StreamMachine(RuleBasedStateMachine):
    """A stream, its log, and four viewers."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Ticking()
        self.stream = made(self.clock)
        self.viewers = [Viewer(user, STREAM, lane) for lane, user in enumerate(USERS)]
        self.epoch = EPOCH
        self.counter = 0
        self.end = 0
        self.events: dict[int, dict[str, Any]] = {}
        self.gone: set[int] = set()
        """Seqs that the feed lost."""
        self.last: dict[str, Any] | None = None
        self.sampled = False
        self.now = 0.0

    def _events(self, kinds: list[str], pick: Any) -> list[dict[str, Any]]:
        found = []
        for kind in kinds:
            self.end += 1
            user, comments_ = pick.choice(USERS), [e for e in self.events.values() if e["type"] == "comment"]
            event: dict[str, Any] | None = dict(comment(self.end, user=user))
            match kind:
                case "masked":
                    event = dict(comment(self.end, user=user, mask=pick.getrandbits(4)))
                case "shadow":
                    event = dict(comment(self.end, user=user, mask=0))
                case "delete" if comments_:
                    event = dict(command(self.end, "delete", pick.choice(comments_)["id"]))
                case "clear":
                    event = dict(command(self.end, "clear", user))
                case "left out":
                    event = None
            if event is not None:
                self.events[self.end] = event
                found.append(event)
        return found

    kinds = st.lists(
        st.sampled_from(["comment"] * 4 + ["masked", "shadow", "delete", "clear", "left out"]),
        min_size=1,
        max_size=12,
    )
    randoms = st.randoms(use_true_random=False)

    @rule(kinds=kinds, pick=randoms, sampled=st.booleans(), deliver=st.booleans(), delay=st.floats(0, 450))
    def segment(self, kinds: list[str], pick: Any, sampled: bool, deliver: bool, delay: float) -> None:
        """Take the next segment, a little late."""
        start = self.end
        events = self._events(kinds, pick)
        self.sampled = sampled
        self.last = segment(
            events,
            epoch=self.epoch,
            from_seq=start,
            to_seq=self.end,
            sampled=sampled,  # type: ignore[arg-type]
        )
        assert self.stream.take(self.last, self.now)
        late_ms = 400 if sampled else NEVER
        self.stream.backlog.take(
            (start, self.end), 0, delay, self.clock(), late_ms, served=self.stream.served
        )
        if deliver:
            self.stream.deliver()

    @precondition(lambda self: self.last is not None)
    @rule()
    def repeat(self) -> None:
        """Take the last segment again, as after a crash of its writer."""
        assert self.last is not None
        assert not self.stream.take(self.last, self.now)

    @precondition(lambda self: self.last is not None)
    @rule(width=st.integers(1, 5))
    def lose(self, width: int) -> None:
        """Lose some of the log, and take what comes behind."""
        self.gone.update(range(self.end + 1, self.end + width + 1))
        self.end += width
        start = self.end
        self.end += 1
        self.events[self.end] = dict(comment(self.end))
        self.last = segment([self.events[self.end]], epoch=self.epoch, from_seq=start, sampled=self.sampled)  # type: ignore[list-item]
        assert self.stream.take(self.last, self.now)

    @precondition(lambda self: self.last is not None)
    @rule()
    def raise_epoch(self) -> None:
        """Lose history: everybody starts over."""
        self.counter += 1
        self.epoch = f"test-{self.counter}"
        self.end, self.events, self.gone = 1, {1: dict(comment(1))}, set()
        self.last = segment([self.events[1]], epoch=self.epoch)  # type: ignore[list-item]
        self.stream.take(self.last, self.now)
        self.stream.deliver()

    @rule()
    def deliver(self) -> None:
        """End the window."""
        self.stream.deliver()

    @rule(groups=st.integers(0, 3), begin=st.booleans())
    def serve(self, groups: int, begin: bool) -> None:
        """Give some groups their turn."""
        if begin:
            self.stream.begin()
        self.stream.serve(self.clock.now + groups * TICK)
        self.stream.backlog.served(self.stream.served, self.clock())

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass: what waits gets late, and who was not told anything is to be told."""
        self.clock.now += seconds

    @precondition(lambda self: self.last is not None)
    @rule(viewers=st.integers(1, 9))
    def state(self, viewers: int) -> None:
        """Take a record of the stream's state alone."""
        record = segment([], epoch=self.epoch, from_seq=self.end, to_seq=self.end, sampled=self.sampled)
        assert self.stream.take(record | {"viewers": viewers, "reactions": {"🔥": viewers}}, self.now)

    @rule(which=st.integers(0, 3))
    def join(self, which: int) -> None:
        """Come, for the first time or back at one's position."""
        viewer = self.viewers[which]
        if viewer.connected or self.stream.stale:
            return
        come(self.stream, viewer, viewer.since)

    @rule(which=st.integers(0, 3), read=st.integers(0, 6))
    def cut(self, which: int, read: int) -> None:
        """Lose the connection with some of it unread."""
        viewer = self.viewers[which]
        viewer.read(read)
        if viewer.subscriber is not None:
            self.stream.audience.remove(viewer.subscriber)
        viewer.go()

    @rule(which=st.integers(0, 3), count=st.integers(1, 8))
    def read(self, which: int, count: int) -> None:
        """Handle some of what came."""
        self.viewers[which].read(count)

    @rule(which=st.integers(0, 3))
    def block(self, which: int) -> None:
        """Have a full socket."""
        viewer = self.viewers[which]
        if viewer.subscriber is not None and not viewer.blocked:
            viewer.blocked = True
            self.stream.block(viewer.subscriber)

    @rule(which=st.integers(0, 3), frames=st.integers(1, 3))
    def unblock(self, which: int, frames: int) -> None:
        """Take bytes again; perhaps not many."""
        viewer = self.viewers[which]
        if viewer.blocked:
            viewer.blocked = False
            go_on(self.stream, viewer, frames)

    @rule(stale=st.booleans())
    def announce(self, stale: bool) -> None:
        """Change whether the feed is behind."""
        if stale != self.stream.stale:
            self.stream.announce(stale=stale)
            self.stream.serve()
            for viewer in self.viewers:
                if viewer.wants_to_go_on:
                    viewer.wants_to_go_on = False
                    go_on(self.stream, viewer)

    @invariant()
    def nobody_is_misled(self) -> None:
        """Check each viewer's list against the log."""
        deleted = {
            event["command"]["target"]: seq for seq, event in self.events.items() if event["type"] == "delete"
        }
        for viewer in self.viewers:
            if viewer.epoch == self.epoch and viewer.started is not None:
                self._check(viewer, deleted)

    def _check(self, viewer: Viewer, deleted: dict[str, int]) -> None:
        seqs = [event["seq"] for event in viewer.seen]
        assert seqs == sorted(set(seqs)), "in order, and once"
        shown = set(seqs)
        clears = [(e["command"]["target"], s) for s, e in self.events.items() if e["type"] == "clear"]
        for seq in range(viewer.started or 0, viewer.position):
            seq += 1  # noqa: PLW2901
            if any(start < seq <= end for start, end, _ in viewer.holes):
                continue
            assert seq not in self.gone, "a loss must be announced"
            event = self.events.get(seq)
            visible = event is not None and (
                event["mask"] == ALL_LANES
                or event["mask"] >> viewer.lane & 1 == 1
                or event["user_id"] == viewer.user
            )
            hidden = (
                event is not None
                and event["type"] == "comment"
                and (event["id"] in deleted or any(u == event["user_id"] and seq <= s for u, s in clears))
            )
            if seq in shown:
                assert visible, "what is not for this viewer must not come"
            else:
                assert not visible or hidden, f"{seq} is missing, and nobody said so"
        position = 0
        for event in viewer.seen:
            assert event["seq"] > position
            position = event["seq"]

    def teardown(self) -> None:
        """Let everybody catch up: then they stand where the stream does."""
        if self.stream.stale:
            self.announce(stale=False)
        self.clock.now += SILENT_SECONDS
        self.stream.deliver()
        for which, viewer in enumerate(self.viewers):
            viewer.read()
            if not viewer.connected and viewer.epoch:
                self.join(which)
            viewer.blocked = False
            go_on(self.stream, viewer)
            viewer.read()
            if viewer.epoch:
                assert viewer.connected
                assert viewer.offset == self.stream.sent
        self.nobody_is_misled()


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that every catch-up takes several."""
    monkeypatch.setattr(stream_module, "PART_EVENTS", 3)
    monkeypatch.setattr(stream_module, "WINDOW_EVENTS_MAX", 60)
    monkeypatch.setattr(admission_module, "PART_EVENTS", 3)
    monkeypatch.setattr(admission_module, "REPLY_BYTES_MAX", 700)


class TestStream(StreamMachine.TestCase):  # type: ignore[name-defined,misc]
    """Runs the machine."""

    settings = hypothesis_settings(max_examples=150, stateful_step_count=40, deadline=None)
