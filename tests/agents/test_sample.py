"""sample on a hot stream: when windows end, what survives a crash, what every viewer can rely on."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.lanes import LANES, MASK_ALL, WINDOW_MS
from agents.runner import Clock
from agents.sample import SampleStage
from agents.samplestate import Options
from agents.testing import START_MS, CrashError, TopologyDriver
from livecomments.simulate.sampling import event
from schemas.codec import codec
from schemas.continuity import Fence, follow
from schemas.records import Event, Origin, Reaction
from schemas.refusals import LEFT_OUT
from schemas.settings import Sampling, Settings
from schemas.topics import SEQUENCED, SUBMITTED
from tests.agents.test_presence import report

EPOCH = "test-0"
OPTIONS = replace(
    Options.of(Settings(sampling=Sampling(viewers_threshold=1_000, viewers_off_seconds=10))), partitions=1
)


class Hot(TopologyDriver):
    """The stage alone; the test writes ``comments.sequenced``. ``frozen``: its clock stands still."""

    def __init__(self, *, frozen: bool = False) -> None:
        super().__init__([SampleStage(EPOCH, OPTIONS)], 1)
        self.seqs: dict[str, int] = {}
        if frozen:
            self._clock = Clock(lambda: 0.0, lambda: float(self.log.now), self._after)

    def watch(self, viewers: int, stream: str = "s", edge: str = "a", **more: Any) -> None:
        self.tell("stream.health", stream, report(edge, viewers, self.log.now, stream_id=stream, **more))

    def write(self, events: Sequence[Event], stream: str = "s") -> None:
        """Append one segment; it covers one more record of ``comments.submitted``."""
        end = self.log.put(SUBMITTED.name, 0, [(None, b"")]).first
        start = self.seqs.get(stream, 0)
        self.seqs[stream] = start + len(events)
        record = {
            "stream_id": stream,
            "epoch": EPOCH,
            "from_seq": start,
            "to_seq": start + len(events),
            "origin": {"offset": end, "index": 0},
            "covered": {"offset": end, "index": 0},
            "claim": "",
            "token": 0,
            "source_token": -1,
            "events": [row | {"seq": start + n} for n, row in enumerate(events, start=1)],
            "refused": [],
        }
        self.log.put(SEQUENCED.name, 0, [(stream.encode(), codec("sequenced").encode(record))])

    def say(self, *texts: str, stream: str = "s", **more: Any) -> None:
        """Append comments at the log's time, each by an author of its own."""
        first = self.seqs.get(stream, 0) + 1
        self.write(
            [event(first + n, self.log.now, f"u{first + n}", text, **more) for n, text in enumerate(texts)],
            stream,
        )

    async def restart(self) -> None:
        await self.crash("sample", 0)
        await self.settle()

    def told(self, stream: str = "s") -> list[Any]:
        """Return what a reader of ``comments.fanout`` counts."""
        fence = Fence()
        rows = self.records("comments.fanout", 0)
        return [row for at, row in enumerate(rows) if fence.admits(at, row) and row["stream_id"] == stream]


async def hot(*, frozen: bool = False) -> Hot:
    """Return a driver whose stream ``s`` is sampled."""
    topology = Hot(frozen=frozen)
    topology.watch(5_000)
    await topology.settle()
    return topology


def shown(rows: Sequence[Any]) -> list[tuple[int, int]]:
    """Read records as any reader must; return (seq, mask) of what they show, and check their ranges."""
    found, end = [], 0
    for row in rows:
        step = follow(row["epoch"], end, row)
        if step is not None:
            assert step.gap is None
            end = step.to_seq
            found += [(one["seq"], one["mask"]) for one in step.events]
    return found


def end_of(rows: Sequence[Any]) -> int:
    return max((row["to_seq"] for row in rows), default=0)


@pytest.mark.parametrize("closed_by", ["a later comment", "the clock"])
async def test_authors_are_given_what_sampling_left_out(closed_by: str) -> None:
    """By a notice each, with the comment and its number; every comment is on a lane or in a notice."""
    async with await hot() as topology:
        topology.say(*(f"text {number}" for number in range(130)))
        await topology.settle()
        topology.advance(1)
        if closed_by == "a later comment":
            topology.say("the next window")
        await topology.settle()
        on_lanes = {seq for seq, _ in shown(topology.told())}
        notices = topology.records("comments.notices")
        assert all(row["code"] == LEFT_OUT and row["epoch"] == EPOCH for row in notices)
        given = {row["comment"]["seq"]: row for row in notices}
        assert len(given) > 5
        assert on_lanes | given.keys() >= set(range(1, 131))
        assert on_lanes.isdisjoint(given)
        some = next(iter(given.values()))
        assert (some["user_id"], some["comment"]["text"]) == (
            some["comment"]["user_id"], f"text {some['comment']['seq'] - 1}",
        )  # fmt: skip


async def test_viewers_beyond_the_threshold_are_told_that_and_why_it_is_sampled() -> None:
    """A record with an empty range says so before anything is left out."""
    async with await hot() as topology:
        (row,) = topology.told()
        assert (row["from_seq"], row["to_seq"], row["viewers"]) == (0, 0, 5_000)
        assert (row["sampled"], row["why"], row["rate"]) == (True, "viewers", 4.0)


async def test_a_window_waits_for_its_end_and_for_nothing_more() -> None:
    """Without a further event the clock ends it, 50 ms after its quarter of a second."""
    async with await hot() as topology:
        topology.say("one", "two")
        await topology.settle()
        assert end_of(topology.told()) == 0
        topology.advance(0.299)
        await topology.settle()
        assert end_of(topology.told()) == 0
        topology.advance(0.001)
        await topology.settle()
        row = topology.told()[-1]
        assert (row["to_seq"], row["window"]) == (2, START_MS // WINDOW_MS)
        assert [one["mask"] for one in row["events"]] != []


async def test_an_event_of_a_later_quarter_ends_the_window() -> None:
    """The log's own time does it, whatever the clock says."""
    async with await hot(frozen=True) as topology:
        topology.say("one", "two")
        topology.advance(0.25)
        topology.say("three")
        await topology.settle()
        assert end_of(topology.told()) == 2


async def test_the_creator_and_moderation_wait_for_nothing() -> None:
    """They go to all lanes at once, with what came before them."""
    async with await hot(frozen=True) as topology:
        topology.say("one")
        topology.say("hello", role="creator")
        await topology.settle()
        assert topology.told()[-1]["to_seq"] == 2
        assert shown(topology.told())[-1] == (2, MASK_ALL)


async def test_undecided_records_are_not_acknowledged_and_come_back_after_a_crash() -> None:
    """What waits for its window's end is lost with the worker, and read again."""
    async with await hot(frozen=True) as topology:
        topology.say("one", "two")
        topology.say("elsewhere", stream="t")
        await topology.settle()
        assert topology._committed["sample", 0] == 0
        covered = topology.told("t")[-1]["covered"]
        assert Origin.from_wire(covered) < Origin(0, 0), "a record ahead of it does not cover it"
        await topology.restart()
        topology.say("now", role="creator")
        await topology.settle()
        assert topology._committed["sample", 0] == 3
        assert end_of(topology.told()) == 3
        assert topology.told()[-1]["covered"] == {"offset": 2, "index": 0}
        assert len(shown(topology.told("t"))) == 1


async def test_a_stream_that_is_not_hot_waits_for_nobody() -> None:
    """Its segments go on at once, between those that wait."""
    async with await hot(frozen=True) as topology:
        topology.say("one")
        topology.say("elsewhere", stream="t")
        await topology.settle()
        assert shown(topology.told("t")) == [(1, MASK_ALL)]
        assert not topology.told("t")[-1]["sampled"]


async def test_it_ends_when_the_viewers_have_left_for_long_enough() -> None:
    """What waited is decided, viewers are told, and from then on all is shown."""
    async with await hot() as topology:
        for _ in range(12):
            topology.watch(300)
            topology.advance(1)
            await topology.settle()
        assert not topology.told()[-1]["sampled"]
        topology.say("a", "a", "a")
        await topology.settle()
        assert shown(topology.told()) == [(1, MASK_ALL), (2, MASK_ALL), (3, MASK_ALL)]


@pytest.mark.parametrize("checkpointed", [False, True])
async def test_a_worker_goes_on_with_the_state_that_the_log_holds(*, checkpointed: bool) -> None:
    """Sampled, for the same reason and at the same rate, with no edge heard; and the same has been shown."""
    async with await hot() as topology:
        topology.advance(1)
        topology.watch(5_000, queue_ms=400.0, p99_ms=500.0)
        await topology.settle()
        topology.say("gg", "one", "two")
        await topology.settle()
        topology.advance(0.5)
        await topology.settle()
        before = topology.state("sample", 0).lives["s"]
        assert before.control.rate < 4
        if checkpointed:
            await topology.checkpoint()
        topology.advance(60)
        await topology.restart()
        topology.say("gg")
        await topology.settle()
        after = topology.state("sample", 0).lives["s"]
        assert (after.why, after.control.rate) == (before.why, before.control.rate)
        assert after.sampler._lately._rows == before.sampler._lately._rows
        assert topology.state("sample", 0).presence.of("s", 0).viewers == -1


def workload() -> list[tuple[int, list[Event]]]:
    """Return what is written when (ms): a busy stream, with some of everything, for three seconds."""
    rows = []
    for n in range(40):
        events = [
            event(0, START_MS + n * 50, f"u{(n * 7 + k) % 23}", "gg" if (n + k) % 9 == 0 else f"text {n} {k}")
            for k in range(n % 7 * 4)
        ]
        if n % 13 == 5:
            events.append(event(0, START_MS + n * 50, "creator", f"hello {n}", role="creator"))
        if events:
            rows.append((n * 50, [one | {"id": f"id-{n}-{k}"} for k, one in enumerate(events)]))
    return rows  # type: ignore[return-value]


async def played(
    plan: dict[str, int], *, merge: int, per_settle: int, frozen: bool, checkpointed: bool = False
) -> Hot:
    """Play the workload with a crash planted and the input cut; return the driver, ended."""
    topology = await hot(frozen=frozen)
    topology.merge_records_max = merge
    for name, at in plan.items():
        setattr(topology.log, name, topology.log.appends + at)
    rows = workload()
    for place, (at, events) in enumerate(rows):
        topology.log.now = START_MS + at
        topology.write(events)
        if place % per_settle == per_settle - 1:
            await survived(topology, checkpointed=checkpointed)
    topology.advance(1)
    topology.say("the end", role="creator")
    await survived(topology, checkpointed=checkpointed)
    return topology


async def survived(topology: Hot, *, checkpointed: bool) -> None:
    """Settle, however often the worker has to be started again."""
    while True:
        try:
            await topology.settle()
            if checkpointed:
                await topology.checkpoint()
        except CrashError:
            await topology.crash("sample", 0)
        else:
            return


cuts = {"merge": st.integers(1, 10), "per_settle": st.integers(1, 60), "checkpointed": st.booleans()}
plans = st.lists(st.integers(1, 18), max_size=2).map(
    lambda at: dict(zip(("crash_before", "crash_behind"), at, strict=False))
)


@settings(max_examples=30, deadline=None)
@given(plan=plans, **cuts)
async def test_the_same_log_has_the_same_masks(
    plan: dict[str, int], merge: int, per_settle: int, *, checkpointed: bool
) -> None:
    """However the input is cut, and wherever the worker crashes, every event has the same mask."""
    async with await played({}, merge=256, per_settle=1, frozen=True) as whole:
        expected = shown(whole.told())
    one = await played(plan, merge=merge, per_settle=per_settle, frozen=True, checkpointed=checkpointed)
    async with one:
        assert shown(one.told()) == expected
        assert len(expected) > 80


@settings(max_examples=30, deadline=None)
@given(plan=plans, lane=st.integers(0, LANES - 1), leaves=st.lists(st.integers(0, 60), max_size=4), **cuts)
async def test_a_viewer_has_live_and_resumed_what_the_masks_say(
    plan: dict[str, int], lane: int, leaves: list[int], merge: int, per_settle: int, *, checkpointed: bool
) -> None:
    """Live, and resumed anywhere: the events whose mask has their lane, each once, and every range.

    The clock ends windows here, and the worker crashes.
    """
    topology = await played(plan, merge=merge, per_settle=per_settle, frozen=False, checkpointed=checkpointed)
    async with topology:
        rows = topology.told()
        everything = shown(rows)
        assert len({seq for seq, _ in everything}) == len(everything)
        assert end_of(rows) == topology.seqs["s"]
        sent = {one["seq"]: one for row in topology.records("comments.sequenced", 0) for one in row["events"]}
        for row in rows:
            for one in row["events"]:
                same = {name: one[name] for name in ("id", "text", "user_id", "at")}
                assert same.items() <= sent[one["seq"]].items()
        got: list[int] = []
        position = 0
        for start, end in pairwise([0, *sorted(min(at, len(rows)) for at in leaves), len(rows)]):
            # Live until they leave; then from another place's copy of the log, at their position.
            for row in rows[max(0, start - 3) : end]:
                step = follow(row["epoch"], position, row)
                if step is not None:
                    assert step.gap is None
                    position = step.to_seq
                    got += [one["seq"] for one in step.events if one["mask"] >> lane & 1]
        assert got == [seq for seq, mask in everything if mask >> lane & 1]
        assert position == topology.seqs["s"]


async def test_a_replaced_worker_that_decides_once_more_changes_nothing() -> None:
    """Two workers decide the same window: the first in the log that counts is what readers see."""
    async with await hot(frozen=True) as topology:
        topology.say(*(f"t{n}" for n in range(300)))
        await topology.settle()
        zombie, task = topology.zombie("sample", 0)
        topology.advance(0.25)
        topology.say("later")
        await topology.settle()
        expected = shown(topology.told())
        zombie.inbox.wake()
        for _ in range(20):
            await asyncio.sleep(0)
        assert shown(topology.told()) == expected
        task.cancel()


async def test_reactions_are_counted_once_through_crashes() -> None:
    """Totals go out within half a second and with the log's next record; a crash loses and doubles none."""
    async with Hot() as topology:
        topology.watch(10)
        for window in range(6):
            taps = Reaction(edge="a", boot="1", window=window, stream_id="s", counts={"❤": 10, "🔥": 1})
            topology.tell("stream.reactions", "s", taps)
            topology.advance(0.5)
            await topology.settle()
            if window == 2:
                await topology.checkpoint()
            if window % 2:
                await topology.crash("sample", 0)
        topology.advance(1)
        await topology.settle()
        told = [row["reactions"] for row in topology.told() if row["reactions"]]
        assert told[-1] == {"❤": 60, "🔥": 6}
        assert [one["❤"] for one in told] == sorted(one["❤"] for one in told)
        topology.say("hi")
        await topology.settle()
        assert topology.told()[-1]["reactions"] is None, "as before"


async def test_viewers_are_told_with_comments_and_large_audiences_at_every_change() -> None:
    """A small stream's count travels with its comments; of a large one a change of 2% is news."""
    async with Hot() as topology:
        topology.watch(10)
        await topology.settle()
        assert topology.told() == []
        topology.say("hi")
        await topology.settle()
        assert topology.told()[-1]["viewers"] == 10
        topology.watch(700, stream="t")
        topology.watch(400, stream="t", edge="b")
        topology.advance(3)
        await topology.settle()
        assert [row["viewers"] for row in topology.told("t")] == [1_100]
        topology.watch(410, stream="t", edge="b")
        topology.advance(3)
        await topology.settle()
        assert len(topology.told("t")) == 1
        topology.watch(500, stream="t", edge="b")
        topology.advance(3)
        await topology.settle()
        assert topology.told("t")[-1]["viewers"] == 1_200


async def test_reports_for_another_partition_and_rubbish_are_ignored_and_counted() -> None:
    """They make no stream known here."""
    stage = SampleStage(EPOCH, replace(OPTIONS, partitions=1_000))
    async with TopologyDriver([stage], 1) as topology:
        topology.log.put("stream.health", 0, [(b"s", codec("health").encode(report(viewers=5)))])
        topology.log.put("stream.health", 0, [(b"s", b"rubbish")])
        await topology.settle()
        state = topology.state("sample", 0)
        assert state.lives == {}
        figures = stage.figures(state)
        assert figures["reports_impossible_total"] == figures["reports_undecodable_total"] == 1


async def test_a_setting_of_the_stream_switches_sampling_on_and_off() -> None:
    """The platform's command in the stream's own log; it is kept over a restart, without any viewer."""
    async with Hot() as topology:
        for mode, sampled in (("on", True), ("auto", False)):
            order = {"target": None, "seconds": None, "reason": None, "settings": f'{{"sampling":"{mode}"}}'}
            topology.write([event(0, topology.log.now, "root", "") | {"type": "settings", "command": order}])  # type: ignore[list-item]
            topology.advance(1)
            await topology.settle()
            await topology.checkpoint()
            await topology.restart()
            topology.advance(1)
            await topology.settle()
            topology.say("x", role="creator")
            await topology.settle()
            row = topology.told()[-1]
            assert (row["sampled"], row["why"]) == (sampled, "setting" if sampled else None)
