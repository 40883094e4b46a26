"""The stage `analyse`: counts that are what the log says, however it was cut and wherever a worker died."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from agents.analyse import AnalyseStage
from agents.analytics import text_of
from agents.core.counting import MINUTES_MAX
from agents.errors import LostHistoryError
from agents.ingest import IngestStage
from agents.log import Record
from agents.moderate import ModerateStage
from agents.sequence import SequenceStage
from agents.testing import CrashError, TopologyDriver
from schemas.codec import codec
from schemas.continuity import Fence
from schemas.filtering import WordList
from schemas.topics import ANALYTICS, ANALYTICS_CHANGELOG, SEQUENCED
from tests.agents.items import comment, order
from tests.archive.events import START_MS, segment
from tests.archive.events import comment as said

EPOCH = "e1-0"
STREAMS = ("a", "b", "c")


def driver_of() -> TopologyDriver:
    stages = [
        IngestStage(1),
        ModerateStage(WordList(()), EPOCH, 120_000),
        SequenceStage(EPOCH, 120_000, 1),
        AnalyseStage(EPOCH),
    ]
    return TopologyDriver(stages, 1)


async def play(driver: TopologyDriver, seconds: int = 150, *, start: int = 0) -> None:
    """Let three streams talk: "a" always, "b" each third second, "c" in the first minute."""
    for second in range(start, start + seconds):
        items = [comment("a", 10 * second + n, user=f"u{second % 7 + n}", text="hello there") for n in (0, 1)]
        if second % 3 == 0:
            items.append(comment("b", 10 * second + 2, user="bea", text="third second"))
        if second < 60:
            items.append(comment("c", 10 * second + 3, user=f"c{second % 5}", text="early bird"))
        if second == 70:
            items.append(order("a", 10 * second + 4, "delete", target=items[0]["id"]))
        driver.submit(items)
        driver.advance(1)
        await driver.settle()


async def finish(driver: TopologyDriver) -> None:
    """Let the last slices' time be over."""
    driver.advance(5)
    await driver.settle()


def written(driver: TopologyDriver) -> list[dict[str, Any]]:
    """Return the records that count, as a reader must read them."""
    fence = Fence()
    return [
        record
        for offset, record in enumerate(driver.records(ANALYTICS.name, 0))
        if fence.admits(offset, record)
    ]


def whole(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what records say in sum, having checked that each event is counted once."""
    ends: defaultdict[str, int] = defaultdict(int)
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        stream = record["stream_id"]
        if record["to_seq"] <= ends[stream]:
            continue  # a repeat
        assert record["from_seq"] == ends[stream]
        ends[stream] = record["to_seq"]
        sums[stream]["comments"] += record["comments"]
        sums[stream]["actions"] += record["actions"]
        sums[stream].update({each["term"]: each["comments"] for each in record["terms"]})
    return {stream: dict(count) for stream, count in sums.items()}


SAID = {
    "a": {"comments": 300, "actions": 1, "hello": 300, "there": 300},
    "b": {"comments": 50, "actions": 0, "third": 50, "second": 50},
    "c": {"comments": 60, "actions": 0, "early": 60, "bird": 60},
}


async def test_everything_is_counted_once() -> None:
    """Comments, actions and words of every stream, in slices of two seconds at most."""
    async with driver_of() as driver:
        await play(driver)
        await finish(driver)
        records = written(driver)
        assert whole(records) == SAID
        assert len(records) < sum(each["comments"] for each in records)
        state = driver.state("analyse", 0)
        minutes = state.tallies["a"].minutes
        assert sum(each.comments for each in minutes) == 300
        assert max(each.authors for each in minutes) == 8
        assert sum(each.comments for each in state.tallies["c"].minutes) == 60


async def test_the_cut_does_not_matter() -> None:
    """A record at a time or all at once: the same output, byte for byte but for the tokens."""
    found = []
    for merge in (1, 7, 256):
        async with driver_of() as driver:
            driver.merge_records_max = merge
            await play(driver, 40)
            await finish(driver)
            found.append([record | {"covered": None} for record in written(driver)])
    assert found[0] == found[1] == found[2]


async def test_a_whole_log_read_at_once_is_the_same() -> None:
    """A worker that comes late counts what one that was always there did."""
    async with driver_of() as driver:
        await play(driver, 40)
        await finish(driver)
        live = [record | {"covered": None, "token": 0} for record in written(driver)]
        await driver.crash("analyse", 0)
        for topic in (ANALYTICS.name, ANALYTICS_CHANGELOG.name):
            driver.log.records[topic, 0].clear()
        driver.rewind("analyse", 0, 0)
        await driver.settle()
        await finish(driver)
        again = [record | {"covered": None, "token": 0} for record in written(driver)]
    assert sorted(again, key=_place) == sorted(live, key=_place)


async def test_a_crash_anywhere_counts_nothing_twice() -> None:
    """Before or behind any of its appends, with a checkpoint or without."""
    places: set[str] = set()
    for point in ("crash_before", "crash_behind"):
        for append in range(2, 40, 3):
            async with driver_of() as driver:
                await play(driver, 5)
                await driver.checkpoint()
                setattr(driver.log, point, driver.log.appends + append)
                crashed = False
                for start in range(5, 150, 5):
                    try:
                        await play(driver, 5, start=start)
                    except CrashError as error:
                        crashed = True
                        places.add(str(error))
                        await driver.settle()
                        # What was submitted in the broken-off round is there; the rest of it is not.
                        break
                assert crashed
                await finish(driver)
                found = whole(written(driver))
                sequenced = [
                    event for record in driver.records("comments.sequenced", 0) for event in record["events"]
                ]
                assert sum(each["comments"] + each["actions"] for each in found.values()) == len(
                    {event["id"] for event in sequenced}
                )
    assert {f"{side} an append to {ANALYTICS.name}" for side in ("before", "behind")} <= places


async def test_the_checkpoint_is_the_state() -> None:
    """A worker that comes after one knows what the one before it knew, without the log behind it."""
    async with driver_of() as driver:
        await play(driver, 100)
        await finish(driver)
        await driver.checkpoint()
        before = {stream: text_of(tally) for stream, tally in driver.state("analyse", 0).tallies.items()}
        await driver.crash("analyse", 0)
        driver.submit([comment("new", 1)])
        await driver.settle()
        await finish(driver)
        tallies = driver.state("analyse", 0).tallies
        assert {stream: text_of(tallies[stream]) for stream in before} == before
        assert json.loads(before["a"])["minutes"][0]["comments"] > 0


async def test_a_slice_under_way_is_not_in_the_checkpoint_twice() -> None:
    """What was read and not written is read again, and counted once."""
    async with driver_of() as driver:
        driver.submit([comment("a", 1)])
        await driver.settle()
        assert driver.state("analyse", 0).open
        await driver.checkpoint()
        await driver.crash("analyse", 0)
        driver.submit([comment("a", 2)])
        await driver.settle()
        await finish(driver)
        assert whole(written(driver)) == {"a": {"comments": 2, "actions": 0, "hello": 2}}
        assert [each.comments for each in driver.state("analyse", 0).tallies["a"].minutes] == [2]


async def test_a_clock_closes_the_last_slice() -> None:
    """Where nothing more is said, it is written some two seconds later, and acknowledged then."""
    async with driver_of() as driver:
        driver.submit([comment("a", 1)])
        await driver.settle()
        assert written(driver) == []
        driver.advance(1)
        await driver.settle()
        assert written(driver) == []
        driver.advance(2)
        await driver.settle()
        assert [record["comments"] for record in written(driver)] == [1]


@pytest.mark.parametrize("checkpointed", [False, True])
async def test_streams_are_forgotten_after_an_hour(checkpointed: bool) -> None:
    """Silent ones, by the log's time; one that comes back begins anew."""
    async with driver_of() as driver:
        driver.submit([comment("a", 1)])
        await driver.settle()
        await finish(driver)
        if checkpointed:
            await driver.checkpoint()
        driver.advance((MINUTES_MAX + 1) * 60)
        driver.submit([comment("b", 2)])
        await driver.settle()
        await finish(driver)
        assert set(driver.state("analyse", 0).tallies) == {"b"}
        if checkpointed:
            await driver.checkpoint()
            await driver.crash("analyse", 0)
        driver.submit([comment("a", 3)])
        await driver.settle()
        await finish(driver)
        tallies = driver.state("analyse", 0).tallies
        assert set(tallies) == {"a", "b"}
        assert [each.comments for each in tallies["a"].minutes] == [1]


def read_at_once(*segments: Any) -> list[dict[str, Any]]:
    """Return what a worker writes of these segments, up to the clock's end of the last slice."""
    stage = AnalyseStage(EPOCH)
    state = stage.open(0)
    encode = codec(SEQUENCED.record).encode
    rows = [Record(offset, 0, None, encode(each)) for offset, each in enumerate(segments)]
    entries = stage.step(state, rows).main
    stage.tick(state, 0.0)
    entries += stage.tick(state, 10_000.0).main
    return [stage.codec.decode(value) for _, value in entries]


def test_a_new_epoch_begins_a_slice_of_its_own() -> None:
    """Numbers start over, and a record never has those of two histories."""
    old = segment("s", [said(1, at=START_MS), said(2, at=START_MS + 1)], "e1-0")
    new = segment("s", [said(1, at=START_MS + 2)], "e1-1")
    found = read_at_once(old, new)
    assert [(each["epoch"], each["from_seq"], each["to_seq"], each["comments"]) for each in found] == [
        ("e1-0", 0, 2, 2),
        ("e1-1", 0, 1, 1),
    ]


def test_what_overlaps_is_counted_once() -> None:
    """As every reader trims it."""
    first = segment("s", [said(seq, at=START_MS) for seq in (1, 2, 3)])
    again = segment("s", [said(seq, at=START_MS) for seq in (2, 3, 4)])
    (found,) = read_at_once(first, first, again)
    assert (found["from_seq"], found["to_seq"], found["comments"]) == (0, 4, 4)


def test_a_lost_stretch_stops_it() -> None:
    """It never counts on as if nothing had happened."""
    with pytest.raises(LostHistoryError, match="analyse: a stream's segments jump from 1 to 4"):
        read_at_once(segment("s", [said(1)]), segment("s", [said(5)]))


async def test_so_many_streams_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the most silent ones are forgotten, once a minute."""
    monkeypatch.setattr("agents.analyse.STREAMS_MAX", 3)
    async with driver_of() as driver:
        for number in range(12):
            driver.submit([comment(f"s{number}", number)])
            driver.advance(40)
            await driver.settle()
        await finish(driver)
        state = driver.state("analyse", 0)
        assert {"s10", "s11"} <= state.tallies.keys()
        assert len(state.tallies) <= 5
        assert state.places.keys() == state.tallies.keys()


def _place(record: dict[str, Any]) -> tuple[str, int]:
    return record["stream_id"], record["from_seq"]
