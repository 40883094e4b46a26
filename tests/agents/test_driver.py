"""The whole topology without a broker: order, refusals, repeats, poison, crashes, zombies, replays."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.errors import FencedError, LostHistoryError
from agents.ingest import IngestStage
from agents.log import Span
from agents.moderate import ModerateStage
from agents.sample import SampleStage
from agents.sequence import SequenceStage
from agents.stage import Output, Stage
from agents.testing import CrashError, TopologyDriver
from schemas.content import forget, reading
from schemas.continuity import Fence, follow
from schemas.filtering import WordList
from schemas.routing import partition_of
from schemas.topics import BY_NAME
from tests.agents.items import comment, order, uuid

PARTITIONS = 2
EPOCH = "test-0"


def stages() -> list[Stage[Any]]:
    return [
        IngestStage(PARTITIONS),
        ModerateStage(WordList(("darn",)), EPOCH),
        SequenceStage(EPOCH, 120_000, PARTITIONS),
        SampleStage(EPOCH),
    ]


def driver(*, fused: bool = False) -> TopologyDriver:
    return TopologyDriver(stages(), PARTITIONS, fused=fused)


def events(topology: TopologyDriver, topic: str = "comments.fanout") -> dict[str, list[Any]]:
    """Read a log as any reader must: fenced, trimmed, with no gap."""
    streams: dict[str, list[Any]] = {}
    ends: dict[str, int] = {}
    for partition in range(topology.partitions):
        fence = Fence()
        for offset, record in enumerate(topology.records(topic, partition)):
            if not fence.admits(offset, record) or not record["stream_id"]:
                continue
            step = follow(record["epoch"], ends.get(record["stream_id"], 0), record)
            if step is not None:
                assert step.gap is None
                ends[record["stream_id"]] = step.to_seq
                streams.setdefault(record["stream_id"], []).extend(step.events)
    return streams


def ids(topology: TopologyDriver, topic: str = "comments.fanout") -> dict[str, list[str]]:
    return {stream: [event["id"] for event in rows] for stream, rows in events(topology, topic).items()}


async def test_comments_get_contiguous_numbers_per_stream() -> None:
    """Every stream is numbered from 1 without a hole, in the order of submission."""
    async with driver() as topology:
        topology.submit(comment("abc"[n % 3], n) for n in range(30))
        await topology.settle()
        for stream, rows in events(topology).items():
            assert [event["seq"] for event in rows] == list(range(1, 11))
            assert [event["id"] for event in rows] == [uuid(n) for n in range(30) if "abc"[n % 3] == stream]


async def test_a_repeat_within_the_window_is_dropped_and_after_it_is_new() -> None:
    """The same (stream, user, id) counts once within 120 s of log-append time."""
    async with driver() as topology:
        topology.submit([comment("s", 1), comment("s", 1), comment("s", 1, user="bob")])
        topology.advance(119)
        topology.submit([comment("s", 1)])
        await topology.settle()
        assert ids(topology) == {"s": [uuid(1), uuid(1)]}
        topology.advance(122)
        topology.submit([comment("s", 1)])
        await topology.settle()
        assert len(ids(topology)["s"]) == 3


async def test_a_refused_comment_is_told_to_its_author_and_never_fanned_out() -> None:
    """A listed word ends in comments.notices, takes no number, and keeps its outcome when repeated."""
    async with driver() as topology:
        topology.submit([comment("s", 1, text="Darn!"), comment("s", 2), comment("s", 1, text="nice now")])
        await topology.settle()
        assert ids(topology) == {"s": [uuid(2)]}
        notices = topology.records("comments.notices")
        assert [(row["id"], row["user_id"], row["code"]) for row in notices] == [(uuid(1), "ann", 1001)]


async def test_a_ban_binds_what_comes_after_it_and_nothing_before() -> None:
    """A ban is an event at its place in the order; only later comments of that user are refused."""
    async with driver() as topology:
        topology.submit(
            [
                comment("s", 1, user="bob"),
                order("s", 2, "ban", target="bob", seconds=60),
                comment("s", 3, user="bob"),
                comment("t", 4, user="bob"),
            ]
        )
        await topology.settle()
        assert ids(topology) == {"s": [uuid(1), uuid(2)], "t": [uuid(4)]}
        topology.advance(61)
        topology.submit([comment("s", 5, user="bob")])
        await topology.settle()
        assert ids(topology)["s"] == [uuid(1), uuid(2), uuid(5)]


async def test_a_viewer_may_not_moderate_until_appointed() -> None:
    """Commands of viewers are refused and audited; the creator's appointment changes that."""
    async with driver() as topology:
        topology.submit([order("s", 1, "ban", user="eve", role="viewer", target="bob")])
        topology.submit([order("s", 2, "settings", role="creator", settings={"moderators": ["eve"]})])
        topology.submit([order("s", 3, "ban", user="eve", role="viewer", target="bob")])
        await topology.settle()
        assert ids(topology)["s"] == [uuid(2), uuid(3)]
        audit = topology.records("moderation.audit")
        assert [row["outcome"] for row in audit] == ["refused", "applied", "applied"]


async def test_poison_goes_to_the_dead_letters_and_the_partition_moves_on() -> None:
    """Bytes that are no record, an unknown schema id and an oversized record cost nobody else anything."""
    async with driver() as topology:
        partition = partition_of("s", PARTITIONS)
        for value in (b"", b"rubbish", b"\0\0\0\3\xe7xx", b"\0\0\0\0\1\2", b"\0" * 600_000):
            topology.log.put("comments.submitted", partition, [(None, value)])
        other = next(name for name in "abcdef" if partition_of(name, PARTITIONS) != partition)
        good, stray = comment("s", 1), comment(other, 2)
        from schemas.codec import codec

        value = codec("submitted").encode({"gateway": "x", "items": [stray, comment("s", 3, text=" "), good]})
        topology.log.put("comments.submitted", partition, [(None, value)])
        await topology.settle()
        assert ids(topology) == {"s": [uuid(1)]}
        letters = topology.records("comments.dlq")
        assert [(row["offset"], row["reason"]) for row in letters] == [
            (0, "not_framed"),
            (1, "not_framed"),
            (2, "unknown_schema"),
            (3, "undecodable"),
            (4, "oversized"),
            (5, "invalid"),
            (5, "invalid"),
        ]
        assert len(letters[4]["value"]) == 65_536
        assert letters[4]["size"] == 600_000


async def test_a_foreign_record_between_the_stages_is_quarantined() -> None:
    """A record of a stranger in an inner topic is a dead letter, not a reason to stop."""
    async with driver() as topology:
        topology.submit([comment("s", 1)])
        await topology.settle()
        topology.log.put("comments.moderated", partition_of("s", PARTITIONS), [(None, b"hi")])
        topology.submit([comment("s", 2)])
        await topology.settle()
        assert ids(topology) == {"s": [uuid(1), uuid(2)]}
        assert [row["stage"] for row in topology.records("comments.dlq")] == ["sequence"]


async def end_all(topology: TopologyDriver) -> None:
    for name in ("ingest", "moderate", "sequence", "sample"):
        for partition in range(PARTITIONS):
            await topology.crash(name, partition)


def workload() -> list[Any]:
    items = [
        comment("abcd"[n % 4], n, text="darn" if n % 7 == 3 else "hi", user=f"u{n % 5}") for n in range(24)
    ]
    items.insert(10, order("a", 900, "ban", target="u1"))
    return items


SLOW = {"comments.notices": 5, "comments.moderated": 3, "comments.sequenced": 2, "moderation.audit": 4}
"""Turns of the loop; so that several steps are on their way when the worker dies."""


async def outcome(
    plan: dict[str, int],
    *,
    merge: int,
    checkpointed: bool,
    per_submit: int = 4,
    slow: dict[str, int] | None = None,
    fused: bool = False,
) -> Any:
    """Run the workload with a crash planted; return what every stream shows, who was refused, the appends."""
    async with driver(fused=fused) as topology:
        topology.log.slow = slow or {}
        topology.merge_records_max = merge
        for name, at in plan.items():
            setattr(topology.log, name, at)
        items = workload()
        for start in range(0, len(items), per_submit):
            topology.submit(items[start : start + per_submit])
            while True:
                try:
                    await topology.settle()
                    if checkpointed:
                        await topology.checkpoint()
                    break
                except CrashError:
                    await end_all(topology)
        shown = ids(topology)
        assert shown == ids(topology, "comments.sequenced")
        return shown, {row["id"] for row in topology.records("comments.notices")}, topology.log.appends


@pytest.mark.parametrize(
    ("slow", "fused"), [(None, False), (SLOW, False), (SLOW, True)], ids=["at-once", "slow", "fused"]
)
@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("plan", ["crash_before", "crash_behind"])
async def test_every_stage_may_crash_between_any_two_writes(
    plan: str, checkpointed: bool, slow: dict[str, int] | None, fused: bool
) -> None:
    """Before or behind whatever append a crash falls, the result is that of a run without one."""
    merge = 2 if slow is None else 1
    shown, refused, appends = await outcome(
        {}, merge=merge, checkpointed=checkpointed, slow=slow, fused=fused
    )
    for at in range(1, appends + 1):
        again = await outcome({plan: at}, merge=merge, checkpointed=checkpointed, slow=slow, fused=fused)
        assert again[:2] == (shown, refused), f"{plan} append {at}"


class _Listening(TopologyDriver):
    """Holds what is handed on against the bytes that are in the log, before anybody has it."""

    decoded = 0

    def _hand(self, topic: str, partition: int, span: Span, output: Output) -> None:
        for record in output.records(span.first, 0):
            if record.decoded is not None:
                read = reading(BY_NAME[topic].record).decode(record.value)
                for item in read["items"]:
                    forget(item)
                handed = {**record.decoded, "items": [dict(item) for item in record.decoded["items"]]}
                for item in handed["items"]:
                    forget(item)
                assert handed == read
                self.decoded += len(handed["items"])
        super()._hand(topic, partition, span, output)


async def test_what_is_handed_on_decoded_is_what_the_log_says() -> None:
    """Comments, refused ones, commands, roles that moderate gives: item by item."""
    async with _Listening(stages(), PARTITIONS, fused=True) as topology:
        orders = [
            order("s", 0, "settings", settings={"moderators": ["u1"]}),
            order("s", 1, "ban", target="u2"),
        ]
        topology.submit(
            [*orders, comment("s", 2, user="u1"), comment("s", 3, text="darn"), comment("s", 4, user="u2")]
        )
        topology.submit([comment("s", 5, text=" Cafe\u0301 "), comment("s", 6)])
        await topology.settle()
        assert len(ids(topology)["s"]) == 5
        assert topology.decoded == 2 * 7


async def test_fused_stages_hand_on_what_is_durable() -> None:
    """What a stage has appended reaches the next ahead of its log, and each record is counted once."""
    async with driver(fused=True) as topology:
        for n in range(20):
            topology.submit([comment("s", n)])
            await topology.settle()
        assert ids(topology) == {"s": [uuid(n) for n in range(20)]}
        # The first of each of the three came from the log.
        assert topology.handed > 30
        assert len(topology.records("comments.fanout", partition_of("s", PARTITIONS))) == 21


@settings(max_examples=25, deadline=None)
@given(
    merge=st.integers(1, 10),
    per_submit=st.integers(1, 25),
    crashes=st.lists(st.integers(1, 150), max_size=2),
    checkpointed=st.booleans(),
    fused=st.booleans(),
)
async def test_batches_do_not_matter(
    merge: int, per_submit: int, crashes: list[int], checkpointed: bool, fused: bool
) -> None:
    """However the input is cut and wherever it crashes, numbers and outcomes are the same."""
    plan = dict(zip(("crash_before", "crash_behind"), crashes, strict=False))
    shown, refused, _ = await outcome(
        plan, merge=merge, checkpointed=checkpointed, per_submit=per_submit, fused=fused
    )
    expected, expected_refused, _ = await outcome({}, merge=256, checkpointed=False, per_submit=100)
    assert (shown, refused) == (expected, expected_refused)


@pytest.mark.parametrize("name", ["ingest", "moderate", "sequence", "sample"])
async def test_a_zombie_stops_at_its_next_write_and_changes_nothing(name: str) -> None:
    """A worker that was replaced without knowing writes once more: nobody counts it, and it ends."""
    partition = partition_of("s", PARTITIONS)
    async with driver() as topology:
        topology.submit([comment("s", 1), comment("s", 2)])
        await topology.settle()
        zombie, task = topology.zombie(name, partition)
        topology.submit([comment("s", 3)])
        await topology.settle()
        stage_source = topology.records(zombie.stage.source.name, partition)
        assert stage_source
        source = topology.log.records[zombie.stage.source.name, partition]
        acked: list[int] = []
        zombie._tell = acked.append
        zombie.inbox.put(source[-1:])
        with pytest.raises(BaseExceptionGroup) as caught:
            await task
        assert caught.group_contains(FencedError)
        assert acked == []
        topology.submit([comment("s", 4)])
        await topology.settle()
        assert ids(topology)["s"] == [uuid(n) for n in (1, 2, 3, 4)]
        assert ids(topology) == ids(topology, "comments.sequenced")


async def test_a_lost_stretch_of_log_stops_the_stage() -> None:
    """A moderated record that begins beyond what is covered is not papered over."""
    partition = partition_of("s", PARTITIONS)
    async with driver() as topology:
        topology.submit([comment("s", 1)])
        await topology.settle()
        await topology.crash("moderate", partition)
        await topology.crash("sequence", partition)
        topology.submit([comment("s", 2)])
        topology.submit([comment("s", 3)])
        topology.merge_records_max = 1
        await topology.settle()
        log = topology.log.records["comments.moderated", partition]
        await topology.crash("sequence", partition)
        del topology.log.records["comments.sequenced", partition][1:]
        del topology.log.records["sequence-positions-changelog", partition][:]
        topology.rewind("sequence", partition, len(log) - 1)
        with pytest.raises(LostHistoryError):
            await topology.settle()


async def test_a_log_that_was_replaced_stops_the_stage() -> None:
    """A covered origin beyond the end of comments.submitted means another log: nothing is processed."""
    partition = partition_of("s", PARTITIONS)
    async with driver() as topology:
        topology.submit([comment("s", 1)])
        await topology.settle()
        await topology.crash("sequence", partition)
        del topology.log.records["comments.submitted", partition][:]
        topology.rewind("sequence", partition, 0)
        with pytest.raises(LostHistoryError):
            await topology.settle()


async def test_a_checkpoint_makes_the_tail_short_and_the_state_the_same() -> None:
    """State from table and tail equals the state that was lost."""
    partition = partition_of("s", PARTITIONS)
    async with driver() as topology:
        topology.submit([comment("s", n) for n in range(5)])
        await topology.settle()
        await topology.checkpoint()
        topology.submit([comment("s", 7), order("s", 8, "ban", target="bob"), comment("s", 9, text="darn")])
        await topology.settle()
        for name in ("moderate", "sequence", "sample"):
            before = topology.state(name, partition)
            await topology.crash(name, partition)
            topology.rewind(name, partition, 0)
            await topology.settle()
            after = topology.state(name, partition)
            assert after.covered == before.covered
            assert after.source.token == before.source.token
        assert topology.state("sequence", partition).sequencer.places["s"].seq == 7
        assert topology.state("moderate", partition).rules["s"].bans.keys() == {"bob"}
        assert len(ids(topology)["s"]) == 7
