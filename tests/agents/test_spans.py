"""What stages and sinks tell of traced comments; and on a real stack, one comment through every hop."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import livecomments
from agents.log import Record
from agents.sink import Segment, Sink, SinkRunner
from agents.spans import sink_hops, stage_hops
from agents.testing import MemoryLog, TopologyDriver
from edge.tasks import end
from livecomments import Comment
from schemas.codec import codec
from schemas.spans import Value, trace_of
from schemas.topics import MODERATED, SEQUENCED
from tests.agents.items import comment
from tests.agents.items import uuid as numbered
from tests.agents.test_driver import driver
from tests.collector import Collector, Span
from tests.integration.people import token, until
from tests.real import RealStack

HOPS = {"gateway", "ingest", "moderate", "sequence", "sample", "archive", "window", "flat", "edge"}
HOP_SECONDS = 30


class Seen:
    """Keeps hops; traces the comments it was told to."""

    def __init__(self, *wanted: str) -> None:
        self.wanted = set(wanted)
        self.hops: list[tuple[str, str, float, float, Mapping[str, Value]]] = []

    def wants(self, comment_id: str) -> bool:
        return comment_id in self.wanted

    def hop(
        self,
        name: str,
        comment_id: str,
        start_ms: float,
        end_ms: float,
        more: Mapping[str, Value],
        *,
        root: bool,
    ) -> None:
        assert not root
        self.hops.append((name, comment_id, start_ms, end_ms, more))

    def close(self) -> None: ...


async def written(topology: TopologyDriver, topic: str) -> list[tuple[bytes | None, bytes]]:
    topology.submit(comment("a", number) for number in range(5))
    await topology.settle()
    rows = [row for (name, _), rows in topology.log.records.items() if name == topic for row in rows]
    return [(row.key, row.value) for row in rows if row.value is not None]


@pytest.mark.parametrize(("topic", "said"), [(MODERATED, {"verdict": "allow"}), (SEQUENCED, {"seq": 3})])
async def test_a_stage(topic: Any, said: dict[str, Value]) -> None:
    """A traced comment's hop lasts from its step's oldest record to now; others have none, nor have texts."""
    async with driver() as topology:
        entries = await written(topology, topic.name)
    spans = Seen(numbered(2))
    durable = stage_hops(spans, "stage", codec(topic.record), lambda: 1_500.0)
    durable(1, [Record(7, 1_200, None, b""), Record(8, 1_300, None, b"")], entries)
    ((name, id_, start, end, more),) = spans.hops
    assert (name, id_, start, end) == ("stage", numbered(2), 1_200, 1_500)
    assert more.items() >= {"partition": 1, "records": 2, **said}.items()
    assert "hello" not in more.values()
    assert "ann" not in more.values()


class Store(Sink):
    name = "flat"
    source = SEQUENCED

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def holds(self, last: Sequence[Segment]) -> bool:
        self.heard.append("holds")
        return True

    async def write(self, partition: int, segments: Sequence[Segment]) -> None:
        self.heard.append((partition, len(segments)))

    def taken(self, partition: int) -> None:
        self.heard.append("taken")

    def left(self, partition: int) -> None:
        self.heard.append("left")


async def test_a_sink() -> None:
    """A traced comment's hop lasts as long as the write that stored it."""
    async with driver() as topology:
        entries = await written(topology, SEQUENCED.name)
    segments = [Segment(raw, codec("sequenced").decode(raw)) for _, raw in entries]
    spans = Seen(numbered(4))
    sink_hops(spans, "flat", lambda: 30.0)(2, segments, 0.02)
    ((name, id_, start, end, more),) = spans.hops
    assert (name, id_, start, end, more["seq"]) == ("flat", numbered(4), 10.0, 30.0, 5)
    assert more["partition"] == 2


async def test_a_traced_sink_does_all_that_a_sink_does() -> None:
    """It is told of its partition, asked what it holds, and given what comes; then there is the hop."""
    log, store, spans, acknowledged = MemoryLog(), Store(), Seen(numbered(4)), asyncio.Event()
    async with driver() as topology:
        log.put(SEQUENCED.name, 2, await written(topology, SEQUENCED.name))
    count, stored = len(log.records[SEQUENCED.name, 2]), sink_hops(spans, store.name)
    runner = SinkRunner(
        store,
        2,
        log,
        inbox_records_max=99,
        merge_records_max=99,
        acknowledge=lambda _: acknowledged.set(),
        on_stored=stored,
    )
    runner.inbox.put(log.records[SEQUENCED.name, 2])
    task = asyncio.create_task(runner.run())
    async with asyncio.timeout(HOP_SECONDS):
        await acknowledged.wait()
    await end([task])
    [written_once] = [each for each in store.heard if isinstance(each, tuple)]
    assert store.heard == ["taken", "holds", written_once, "left"]
    assert written_once[0] == 2
    assert 0 < written_once[1] <= count
    assert [(name, id_) for name, id_, *_ in spans.hops] == [("flat", numbered(4))]


@pytest.mark.integration
async def test_every_hop(stack: RealStack, collector: Collector) -> None:
    """One comment on a real stack: every process exports its span, and they are one trace under one root."""
    name = f"traced-{uuid.uuid4().hex[:8]}"
    async with (
        livecomments.connect(f"ws://{stack.edge}", token=token(name, "ann", "viewer")) as client,
        client.join(name) as stream,
    ):
        await anext(stream)
        id_ = await stream.send("hello there")
        async for item in stream:
            if isinstance(item, Comment):
                break
        await until(lambda: {span.name for span in collector.of(id_)} >= HOPS, HOP_SECONDS)
    spans = collector.of(id_)
    assert sorted(span.name for span in spans) == sorted(HOPS)
    trace, root = trace_of(id_)
    assert {span.trace for span in spans} == {f"{trace:032x}"}
    assert {span.name: span.parent for span in spans} == {
        span.name: "" if span.name == "gateway" else f"{root:016x}" for span in spans
    }
    assert all(0 <= span.end_ms - span.start_ms < 60_000 for span in spans)
    assert {span.service for span in spans} == {
        f"livecomments-{each}" for each in ("edge", "ingest", "moderate", "sequence", "sample", "persist")
    }
    assert not {"hello there", "ann", name} & {str(value) for span in spans for value in values(span)}


def values(span: Span) -> list[Any]:
    return [*span.attributes.values()]
