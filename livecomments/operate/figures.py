"""How much of what is needed: the formulas of docs/operations.md, and the figures they start from. Pure.

The figures are this project's own measurements (docs/benchmarks.md has the commands): scale them by yours.
The table in docs/operations.md is :func:`table`, held to it by a test.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.stores import WINDOW_SECONDS
from schemas.topics import FANOUT, FLAT, INGESTED, MODERATED, SEQUENCED, SUBMITTED

DELIVERY_US = 10.0
"""CPU of an edge for one delivery; 8.3 to 9.2 were measured."""
FULL_SHARE = 0.7
"""Of a core that may be planned for."""
CONNECTION_KIB = 8.0
"""Memory of an edge for one connection; 7.75 was measured."""
COMMENT_US = 41.0
"""CPU of moderate and sequence together for one comment, in records of 50."""
ARCHIVE_COMMENTS_PER_S = 15_000.0
"""Into one Cassandra node; 22,961 were measured, 16,140 with the whole persist stage beside it."""
COMMENT_BYTES = 150.0
"""In a record of 50, with a text of 60 characters; before compression."""
FRAME_BYTES = 320.0
"""One delivery on the wire, with one comment."""
PARTITION_COMMENTS_PER_S = 50_000.0
"""Of one partition, and so of one stream."""
SPARE_PARTITIONS = 4
"""Times the cores that a stage needs: partitions never change."""
WINDOWS_PER_S = 20.0
"""An edge's windows of 50 ms."""
STREAMS_SUMMED_MAX = 10_000
"""The largest streams, one by one; the rest by an integral."""
MIB_PER_GIB = 1024.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for. ``skew``: of Zipf's law over the streams; 0: all alike. ``rate``: see below."""

    viewers: float
    streams: int
    comments_per_viewer: float
    """Comments a second of one viewer: 0.004 is a busy evening."""
    skew: float
    sampled_from: float
    """Viewers of a stream from which on it is sampled."""
    sampled_rate: float
    """Comments a second that a viewer of a sampled stream gets."""
    connections_per_edge: int
    replication: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """What it takes. Rates are a second; bytes are before compression."""

    comments: float
    hottest_viewers: float
    hottest_comments: float
    sampled_streams: int
    deliveries: float
    edges: int
    edges_by: str
    """What decides how many: ``connections`` or ``deliveries``."""
    edge_gib: float
    """Memory of all edges' connections."""
    wire_gbit: float
    stage_cores: int
    """Of moderate and sequence together."""
    partitions: int
    archive_nodes: int
    kafka_disk_gib: float
    redis_gib: float
    warnings: tuple[str, ...]


def capacity(demand: Demand) -> Capacity:
    """Return what ``demand`` takes."""
    comments = demand.viewers * demand.comments_per_viewer
    first = demand.viewers / _harmonic(demand.streams, demand.skew)
    deliveries = sum(
        streams * viewers * _received(demand, viewers) for viewers, streams in _ranks(demand, first)
    )
    by_connections = demand.viewers / demand.connections_per_edge
    by_deliveries = deliveries / (1e6 / DELIVERY_US * FULL_SHARE)
    cores = comments * COMMENT_US / 1e6 / FULL_SHARE
    hottest = first * demand.comments_per_viewer
    nodes = comments / ARCHIVE_COMMENTS_PER_S
    return Capacity(
        comments=comments,
        hottest_viewers=first,
        hottest_comments=hottest,
        sampled_streams=_above(demand, first),
        deliveries=deliveries,
        edges=_at_least_one(max(by_connections, by_deliveries)),
        edges_by="connections" if by_connections >= by_deliveries else "deliveries",
        edge_gib=demand.viewers * CONNECTION_KIB / MIB_PER_GIB**2,
        wire_gbit=deliveries * FRAME_BYTES * 8 / 1e9,
        stage_cores=_at_least_one(cores),
        partitions=_power_of_two(SPARE_PARTITIONS * max(cores, comments / PARTITION_COMMENTS_PER_S)),
        archive_nodes=_at_least_one(nodes) * (demand.replication if nodes > 1 else 1),
        kafka_disk_gib=comments * COMMENT_BYTES * _kept_seconds() * demand.replication / MIB_PER_GIB**3,
        redis_gib=comments * COMMENT_BYTES * WINDOW_SECONDS / MIB_PER_GIB**3,
        warnings=tuple(_warnings(hottest, demand)),
    )


def table() -> str:
    """Return the figures as docs/operations.md has them."""
    rows = [
        ("edge, a core", f"{1e6 / DELIVERY_US:,.0f} deliveries a second, at {DELIVERY_US:g} µs each", "edge"),
        ("edge, memory", f"{CONNECTION_KIB:g} KiB a connection, and the rings", "edge"),
        ("a delivery on the wire", f"{FRAME_BYTES:g} bytes", "edge"),
        ("moderate + sequence, a core", f"{1e6 / COMMENT_US:,.0f} comments a second", "pipeline"),
        ("a comment in a record of 50", f"{COMMENT_BYTES:g} bytes", "pipeline"),
        ("a Cassandra node", f"{ARCHIVE_COMMENTS_PER_S:,.0f} comments a second", "archive"),
    ]
    lines = ["| what | takes | from |", "|---|---|---|"]
    lines += [f"| {what} | {takes} | `livecomments bench {bench}` |" for what, takes, bench in rows]
    return "\n".join(lines)


def _received(demand: Demand, viewers: float) -> float:
    """Return the deliveries a second that one viewer of a stream of that size gets."""
    if viewers >= demand.sampled_from:
        return demand.sampled_rate
    return min(WINDOWS_PER_S, viewers * demand.comments_per_viewer)


def _ranks(demand: Demand, first: float) -> Iterator[tuple[float, float]]:
    """Yield (viewers of a stream, how many such streams): one by one, then in steps of 5 % of the rank."""
    alone = min(demand.streams, STREAMS_SUMMED_MAX)
    for rank in range(1, alone + 1):
        yield first * rank**-demand.skew, 1.0
    at = float(alone)
    while at < demand.streams:
        step = min(at * 0.05, demand.streams - at)
        yield first * (at + step / 2) ** -demand.skew, step
        at += step


def _harmonic(streams: int, skew: float) -> float:
    """Return the sum of rank^-skew, with the same steps as `_ranks`."""
    unit = Demand(0, streams, 0, skew, 0, 0, 1, 1)
    return sum(viewers * count for viewers, count in _ranks(unit, 1.0))


def _above(demand: Demand, first: float) -> int:
    """Return how many streams are sampled."""
    if first < demand.sampled_from:
        return 0
    if demand.skew == 0:
        return demand.streams
    return min(demand.streams, int((first / demand.sampled_from) ** (1 / demand.skew)))


def _kept_seconds() -> float:
    kept = sum(topic.retention_ms or 0 for topic in (SUBMITTED, INGESTED, MODERATED, SEQUENCED, FLAT, FANOUT))
    return kept / 1000


def _warnings(hottest: float, demand: Demand) -> Iterator[str]:
    if hottest > PARTITION_COMMENTS_PER_S:
        yield (
            f"the hottest stream gets {hottest:,.0f} comments a second; one partition takes about"
            f" {PARTITION_COMMENTS_PER_S:,.0f}: see docs/beyond-one-partition.md"
        )
    if demand.replication < 3:
        yield "with less than 3 replicas a broker that is lost takes acknowledged comments with it"


def _at_least_one(value: float) -> int:
    return max(1, math.ceil(value))


def _power_of_two(value: float) -> int:
    return 1 << max(3, math.ceil(math.log2(max(1.0, value))))
