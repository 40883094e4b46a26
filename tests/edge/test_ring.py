"""The ring against a model that keeps everything, and the cases that once went wrong."""

import json
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge import ring as module
from edge.ring import GROWTH_MAX, POSITION_MAX, Ahead, Foreign, Held, Ring, RingEvent, TooOld, Unknown
from schemas.continuity import Step
from tests.edge.fakes import EPOCH, command, comment

EVENTS_MAX, EVENTS_MIN, SECONDS = 12, 3, 10.0
USERS = ("ana", "bo", "cy")


def made(**sizes: Any) -> Ring:
    return Ring(**{"events_max": EVENTS_MAX, "events_min": EVENTS_MIN, "seconds": SECONDS} | sizes)


def step(first: int, last: int, *, epoch: str = EPOCH, events: Any = None) -> Step:
    """Return what adds ``first`` to ``last``, by default all comments."""
    shown = [comment(seq) for seq in range(first, last + 1)] if events is None else events
    return Step(epoch, first - 1, last, shown)


def seqs(events: list[RingEvent]) -> list[int]:
    return [event.seq for event in events]


class RingMachine(RuleBasedStateMachine):
    """Any order of appends, prepends, gaps, retractions and ageing."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = made()
        self.now = 0.0
        self.log: list[dict[str, Any]] = []
        """Every event since the last gap, whatever the ring still holds."""
        self.first = 0
        """What the log begins behind."""
        self.end = 0
        self.left_out: set[int] = set()

    @rule(
        kinds=st.lists(st.sampled_from(["comment", "left out", "delete", "clear"]), min_size=1, max_size=6),
        pick=st.randoms(use_true_random=False),
        hold=st.booleans(),
    )
    def append(self, kinds: list[str], pick: Any, hold: bool) -> None:
        """Append a segment that follows; some seqs carry no event."""
        start, events = self.end, list[dict[str, Any]]()
        for kind in kinds:
            self.end += 1
            match kind:
                case "comment":
                    events.append(dict(comment(self.end, user=pick.choice(USERS))))
                case "delete" if self.log:
                    events.append(dict(command(self.end, "delete", pick.choice(self.log)["id"])))
                case "clear":
                    events.append(dict(command(self.end, "clear", pick.choice(USERS))))
        self.log += events
        self.ring.append(Step(EPOCH, start, self.end, events), self.now, hold=hold)

    @rule(width=st.integers(1, 5))
    def gap(self, width: int) -> None:
        """Append a segment that does not follow: the ring starts over behind the gap."""
        self.end += width
        self.first, self.log = self.end, []
        self.end += 1
        self.log.append(dict(comment(self.end)))
        self.ring.append(Step(EPOCH, self.end - 1, self.end, self.log), self.now)
        assert self.ring.start == self.end - 1

    @rule(back=st.integers(1, 8), overlap=st.integers(0, 3))
    def prepend(self, back: int, overlap: int) -> None:
        """Put before what the window in Redis holds, read down to some position."""
        if self.ring.epoch is None:
            return
        start = max(self.first, self.ring.start - back)
        older = [event for event in self.log if start < event["seq"] <= self.ring.start + overlap]
        before, full = self.ring.start, self.ring.full
        assert self.ring.prepend(EPOCH, start, older, self.now) == (start < before and not full)
        assert self.ring.start in {start, before} or self.ring.full

    @rule(seconds=st.floats(0.5, 12))
    def age(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.ring.trim(self.now)

    @invariant()
    def shows_what_the_log_shows(self) -> None:
        """Of its range, the ring gives all that is not deleted or cleared, and nothing else."""
        ring = self.ring
        assert 0 <= ring.start <= ring.end == self.end
        deleted = {event["command"]["target"] for event in self.log if event["type"] == "delete"}
        cleared = [(each["command"]["target"], each["seq"]) for each in self.log if each["type"] == "clear"]
        shown = [
            event["seq"]
            for event in self.log
            if event["seq"] > ring.start
            and not (
                event["type"] == "comment"
                and (
                    event["id"] in deleted
                    or any(user == event["user_id"] and event["seq"] <= upto for user, upto in cleared)
                )
            )
        ]
        assert seqs(ring.between(ring.start, ring.end)) == shown
        assert seqs(list(ring.backwards(ring.end))) == shown[::-1]
        middle = (ring.start + ring.end) // 2
        assert seqs(ring.between(middle, ring.end)) == [seq for seq in shown if seq > middle]
        assert seqs(list(ring.backwards(middle))) == [seq for seq in shown if seq <= middle][::-1]

    @invariant()
    def is_bounded(self) -> None:
        """Memory has a limit whatever happens."""
        assert len(self.ring.events) <= GROWTH_MAX * EVENTS_MAX + 8

    @invariant()
    def cuts_are_the_same_for_all(self) -> None:
        """Parts between cuts join up, are small, and begin at the same places whoever asks."""
        ring = self.ring
        if ring.epoch is None or ring.start == ring.end:
            return
        whole = ring.cuts(ring.start, ring.end, 4)
        assert whole == sorted(set(whole))
        assert whole[-1] == ring.end
        for after, upto in zip([ring.start, *whole], whole, strict=False):
            assert len([event for event in ring.events if after < event.seq <= upto]) <= 4
        middle = (ring.start + ring.end) // 2
        assert ring.cuts(middle, ring.end, 4) == [cut for cut in whole if cut > middle] or middle == ring.end

    @invariant()
    def judges_by_range(self) -> None:
        """Hold what follows a position if and only if it is within the ring's range."""
        ring = self.ring
        if ring.epoch is None:
            assert ring.judge(EPOCH, 0) == Unknown()
            return
        assert ring.judge(EPOCH, ring.start) == Held(ring.start)
        assert ring.judge(EPOCH, ring.end) == Held(ring.end)
        assert ring.judge(EPOCH, ring.end + 1) == Ahead(ring.end + 1)
        if ring.start:
            assert ring.judge(EPOCH, ring.start - 1) == TooOld(ring.start - 1, ring.start)


@pytest.fixture(autouse=True)
def _few_retractions(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that pruning happens all the time."""
    monkeypatch.setattr(module, "OVERLAY_ENTRIES_MAX", 2)


class TestRing(RingMachine.TestCase):  # type: ignore[name-defined,misc]
    """Runs the machine."""

    settings = hypothesis_settings(max_examples=60, stateful_step_count=30, deadline=None)


def pin(seq: int, of: Any) -> Any:
    """Return a pin that quotes a comment."""
    event = dict(command(seq, "pin", of["id"]))
    names = ("seq", "at", "id", "user_id", "user_name", "role", "text", "sticker")
    event["command"] = {**command(seq, "pin", of["id"])["command"], "comment": {n: of[n] for n in names}}  # type: ignore[dict-item]
    return event


@pytest.mark.parametrize("hiding", ["delete", "clear"])
@pytest.mark.parametrize("looked_at", [False, True])
def test_a_pin_shows_its_comment_until_that_is_taken_away(hiding: str, looked_at: bool) -> None:
    """Whether it was encoded before or not; the pin itself stays, and so does another's."""
    ring, first, other = made(), comment(1, user="ana"), comment(2, user="bo")
    ring.append(step(1, 4, events=[first, other, pin(3, first), pin(4, other)]), 0.0)
    if looked_at:
        shown = json.loads(ring.between(2, 3)[0].body)
        assert shown["comment"]["text"] == "comment 1"
        assert shown["comment"]["user"] == {"id": "ana", "name": "Ana", "role": "viewer"}
    taken = command(5, hiding, first["id"] if hiding == "delete" else "ana")
    ring.append(step(5, 5, events=[taken]), 1.0)
    views = [json.loads(event.body) for event in ring.between(0, 5)]
    assert [view["seq"] for view in views] == [2, 3, 4, 5]
    assert [view.get("comment", {}).get("text") for view in views] == [None, None, "comment 2", None]
    assert [view.get("target") for view in views[1:3]] == [first["id"], other["id"]]


@pytest.mark.parametrize("seq", [-1, -(2**63), POSITION_MAX + 1, 2**64 - 5, 10**30])
def test_positions_that_make_no_sense_are_foreign(seq: int) -> None:
    """Negative offsets, and those that only a broken client can have, lead nowhere."""
    ring = made()
    ring.append(step(1, 5), 0.0)
    assert ring.judge(EPOCH, seq) == Foreign()
    assert ring.judge("another-0", 3) == Foreign()


def test_another_epoch_starts_over() -> None:
    """Nothing of the old epoch is given to anybody."""
    ring = made()
    ring.append(step(1, 5), 0.0)
    ring.append(step(1, 2, epoch="test-1"), 0.0)
    assert (ring.epoch, ring.start, ring.end) == ("test-1", 0, 2)
    assert ring.judge(EPOCH, 5) == Foreign()


def test_a_held_ring_keeps_what_is_being_read_towards() -> None:
    """While somebody reads what goes before, appending does not move the ring's beginning away."""
    ring = made(events_min=0)
    ring.append(step(101, 112), 0.0)
    start = ring.start
    for seq in range(113, 130):
        ring.append(step(seq, seq), 0.0, hold=True)
    assert ring.start == start
    assert ring.prepend(EPOCH, 90, [dict(comment(seq)) for seq in range(91, 101)], 0.0)
    assert ring.judge(EPOCH, 90) == Held(90)
    ring.append(step(130, 150), 0.0)
    assert ring.start > 90


def test_what_was_put_before_stays_a_while() -> None:
    """Others who come back from as long ago find it there, while the stream goes on."""
    ring = made(events_min=0)
    ring.append(step(101, 112), 0.0)
    ring.prepend(EPOCH, 96, [dict(comment(seq)) for seq in range(97, 101)], 0.0)
    for seq in range(113, 113 + EVENTS_MAX):
        ring.append(step(seq, seq), 1.0)
    assert ring.judge(EPOCH, 96) == Held(96)
    ring.trim(SECONDS + 1)
    assert ring.judge(EPOCH, 96) == TooOld(96, ring.start)


def test_a_ring_takes_the_newest_of_too_much() -> None:
    """However far back somebody asks, and however often: it grows to a limit, without a gap."""
    ring = made(events_min=0)
    ring.append(step(1_001, 1_012), 0.0)
    ring.prepend(EPOCH, 0, [dict(comment(seq)) for seq in range(1, 1_001)], 0.0)
    assert len(ring.events) == GROWTH_MAX * EVENTS_MAX
    assert ring.full
    assert seqs(ring.between(ring.start, 1_012)) == list(range(ring.start + 1, 1_013))
    assert not ring.prepend(EPOCH, 0, [dict(comment(seq)) for seq in range(1, 1_001)], 0.0)


def test_an_old_comment_stays_deleted_when_it_comes_back_from_the_window() -> None:
    """A delete outlives its place in the overlay as long as its comment can be put before the ring."""
    log = [dict(comment(seq)) for seq in range(1, 101)]
    log += [dict(command(seq, "delete", comment(seq - 10)["id"])) for seq in range(101, 111)]
    log += [dict(comment(seq)) for seq in range(111, 116)]
    ring = made(events_min=0)
    ring.append(Step(EPOCH, 100, 110, log[100:110]), 0.0)
    ring.append(Step(EPOCH, 110, 115, log[110:]), 0.0)
    assert ring.start == 103
    assert len(ring.overlay.deleted) < 10
    assert ring.prepend(EPOCH, 80, log[80:103], 0.0)
    assert seqs(ring.between(80, 100)) == list(range(81, 91))


def test_an_event_that_cannot_be_shown_keeps_its_seq() -> None:
    """A record with broken settings is shown bare; it takes nothing with it."""
    event = dict(command(1, "settings", "x"))
    event["command"] = event["command"] | {"settings": "{not JSON"}
    ring = made()
    ring.append(Step(EPOCH, 0, 1, [event]), 0.0)
    assert ring.between(0, 1)[0].body == b'{"type":"settings","seq":1,"at":%d}' % event["at"]
