"""``livecomments capacity``: how many edges, cores, partitions and bytes an audience takes."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from livecomments.operate.figures import COMMENT_US, DELIVERY_US, FULL_SHARE, Capacity, Demand
from livecomments.operate.figures import capacity as compute
from livecomments.options import Json
from schemas.settings import load


def capacity(  # noqa: PLR0917 - Typer calls it by name
    viewers: Annotated[
        int, typer.Option("--viewers", metavar="N", min=1, help="Watching at once, over all streams.")
    ],
    streams: Annotated[int, typer.Option("--streams", metavar="N", min=1, help="Live at once.")],
    rate: Annotated[
        float, typer.Option("--rate", metavar="R", min=0, help="Comments a second of one viewer.")
    ] = 0.004,
    skew: Annotated[
        float, typer.Option("--skew", min=0, max=2, help="Zipf's: how unequal the streams are; 0: all alike.")
    ] = 0.9,
    replication: Annotated[
        int, typer.Option("--replication", min=1, max=9, help="Of topics and archive.")
    ] = 3,
    as_json: Json = False,
) -> None:
    """Say how many edges, cores, partitions and bytes an audience takes.

    The formulas and figures are those of docs/operations.md; when sampling begins, and how many connections
    an edge takes, are the settings'.
    """
    settings = load()
    demand = Demand(
        viewers=viewers,
        streams=streams,
        comments_per_viewer=rate,
        skew=skew,
        sampled_from=settings.sampling.viewers_threshold,
        sampled_rate=settings.sampling.rate_per_second,
        connections_per_edge=settings.edge.connections_max,
        replication=replication,
    )
    found = compute(demand)
    if as_json:
        typer.echo(json.dumps({"demand": asdict(demand), "capacity": asdict(found)}))
        return
    for name, value in rows(found):
        typer.echo(f"{name:<28} {value}")
    for warning in found.warnings:
        typer.echo(f"note: {warning}")


def rows(found: Capacity) -> list[tuple[str, str]]:
    """Return what is printed: name and value with its unit."""
    share = f"{FULL_SHARE:.0%} of a core"
    return [
        ("comments", f"{found.comments:,.0f} a second"),
        (
            "the hottest stream",
            f"{found.hottest_viewers:,.0f} viewers, {found.hottest_comments:,.0f} comments a second",
        ),
        ("streams that are sampled", f"{found.sampled_streams:,}"),
        ("deliveries", f"{found.deliveries:,.0f} a second, {found.wire_gbit:,.1f} Gbit/s"),
        (
            "edge processes",
            f"{found.edges:,} (by {found.edges_by}; {DELIVERY_US:g} µs a delivery, {share})",
        ),
        ("memory of connections", f"{found.edge_gib:,.1f} GiB over all edges"),
        (
            "moderate + sequence",
            f"{found.stage_cores:,} cores ({COMMENT_US:g} µs a comment, {share})",
        ),
        ("partitions", f"{found.partitions:,}: several times the cores, since they never change"),
        ("Cassandra nodes", f"{found.archive_nodes:,}"),
        ("Kafka's disk", f"{found.kafka_disk_gib:,.0f} GiB, replicas included, before compression"),
        ("Redis, the windows", f"{found.redis_gib:,.1f} GiB"),
    ]
