"""``livecomments simulate``: sizes that no one machine runs, decided by the code that decides them."""

import json
import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

from livecomments.options import Json

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def simulate() -> None:
    """Simulate what no one machine runs."""


@app.command()
def placement(  # noqa: PLR0917 - Typer calls it by name
    streams: Annotated[int, typer.Option("--streams", min=100)] = 10_000_000,
    viewers: Annotated[int, typer.Option("--viewers", min=1_000)] = 200_000_000,
    capacity: Annotated[int, typer.Option("--capacity", min=100, help="Viewers of an edge.")] = 100_000,
    per_edge: Annotated[
        int, typer.Option("--viewers-per-edge", min=10, help="Of one stream; placement.viewers_per_edge.")
    ] = 25_000,
    cell: Annotated[int, typer.Option("--cell-edges", min=2, help="placement.cell_edges.")] = 8,
    partitions: Annotated[int, typer.Option("--partitions", min=1)] = 4_096,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    json_: Json = False,
) -> None:
    """Place a Zipf audience on edges: loads, reads and bytes, by rule and by feed.

    The whole of 10 million streams takes some minutes and 0.5 GB.
    """
    from livecomments.simulate.placement import Model, run  # noqa: PLC0415

    model = Model(
        streams=streams, viewers=viewers, capacity=capacity, viewers_per_edge=per_edge, cell_edges=cell,
        partitions=partitions, seed=seed,
    )  # fmt: skip
    begun = time.monotonic()

    def told(what: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {what}", file=sys.stderr, flush=True)

    results = run(model, told)
    if json_:
        typer.echo(json.dumps({"model": asdict(model), "results": [asdict(each) for each in results]}))
        return
    typer.echo(f"{streams:,} streams, {viewers:,} viewers, {model.edges:,} edges of {capacity:,}")
    head = (
        "rule",
        "feed",
        "max/mean",
        "fullest",
        "channels",
        "reads an edge",
        "most",
        "MB/s an edge",
        "most",
    )
    rows = [
        (
            each.rule,
            each.feed,
            f"{each.max_over_mean:.3f}",
            f"{each.fullest:.0%}",
            f"{each.channels:,}",
            f"{each.reads_mean:,.1f}",
            f"{each.reads_max:,}",
            f"{each.bytes_mean / 1e6:.3f}",
            f"{each.bytes_max / 1e6:.3f}",
        )
        for each in results
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def sharded(  # noqa: PLR0917 - Typer calls it by name
    arrivals: Annotated[int, typer.Option("--arrivals", min=1, help="Comments a second.")] = 50_000,
    shards: Annotated[int, typer.Option("--shards", min=1, max=256)] = 8,
    kept: Annotated[int, typer.Option("--kept", min=1, help="Candidates of a shard and window.")] = 128,
    delay: Annotated[
        int, typer.Option("--delay", min=0, help="Windows until a shard knows what was shown.")
    ] = 2,
    seconds: Annotated[int, typer.Option("--seconds", min=2)] = 10,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    json_: Json = False,
) -> None:
    """Sample one stream in shards before it is numbered, and hold it against one sampler of the whole.

    The plan for streams beyond one partition is in docs/beyond-one-partition.md.
    """
    from livecomments.simulate.sampling import crowd, written  # noqa: PLC0415
    from livecomments.simulate.sharded import run as run_sharded  # noqa: PLC0415

    events = written(crowd(arrivals, 1 / 15), seconds, seed)
    outcome = run_sharded(events, shards, kept=kept, delay=delay)
    rows = {
        "arrived_per_s": outcome.arrived / outcome.windows * 4,
        "handed_on_per_s": outcome.handed_on_per_s,
        "shown_per_s": outcome.shown / outcome.windows * 4,
        "same_as_one_sampler": outcome.agreement,
    }
    if json_:
        typer.echo(json.dumps(rows))
        return
    for name, value in rows.items():
        typer.echo(f"{name.replace('_', ' '):<22} {value:>12,.4g}")
