"""``livecomments bench pipeline``: ours against the same work on naive Faust, Quix Streams and Kafka Streams.

Each system gets the very same records on a real Kafka that is started for it, one worker process on one core,
5,000 banned words. At one comment a record the peers are as they are used; at more, they are given our
micro-batches. See `livecomments.bench.pipelines`.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer

from livecomments.bench.pipelines.conduct import Run, measure
from livecomments.bench.pipelines.material import Case, material
from livecomments.bench.pipelines.peers import SYSTEMS, System
from livecomments.bench.pipelines.summary import chart, ratios
from livecomments.exits import Exit, Failure
from livecomments.options import Json


def pipeline(  # noqa: PLR0917 - Typer calls it by name
    comments: Annotated[int, typer.Option("--comments", min=1_000, help="Of the input.")] = 300_000,
    streams: Annotated[
        str, typer.Option("--streams", metavar="N,…", help="Streams that they fall on.")
    ] = "1,1000,100000",
    per_record: Annotated[
        str, typer.Option("--per-record", metavar="N,…", help="Comments a record.")
    ] = "1,10,50",
    system: Annotated[
        list[str] | None, typer.Option("--system", help=f"{', '.join(SYSTEMS)}; repeatable. All.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="After which a slow system is ended and measured.")
    ] = 60.0,
    json_: Json = False,
) -> None:
    """Measure moderate and sequence in one worker, and the same work on other frameworks."""
    systems = _systems(system or SYSTEMS)
    cases = [
        Case(stream, batch)
        for stream in _numbers("--streams", streams)
        for batch in _numbers("--per-record", per_record)
    ]
    given = material(comments)
    runs: list[Run] = []
    missing: dict[str, str] = {}
    for case in cases:
        wanted = [each for each in systems if each not in missing]
        with tempfile.TemporaryDirectory(prefix="livecomments-bench-") as directory:
            for found in measure(Path(directory), case, wanted, given, seconds):
                if isinstance(found, Run):
                    runs.append(found)
                    typer.echo(_line(found), err=json_)
                else:
                    missing[found[0]] = found[1]
                    typer.echo(f"{found[0]} is missing: {found[1]}", err=True)
    if json_:
        report = {"input": given.source, "missing": missing, "runs": [asdict(each) for each in runs]}
        typer.echo(json.dumps(report | {"ratios": [asdict(each) for each in ratios(runs)]}))
    else:
        typer.echo("\n".join(["", *chart(runs), "", *map(str, ratios(runs))]))


def _line(run: Run) -> str:
    line = (
        f"{run.system:<14} {run.streams:>7} streams {run.per_record:>4} a record"
        f" {run.comments_per_s:>10,.0f} comments/s {run.cpu_us:>8.2f} µs CPU/comment"
    )
    return line if run.whole else line + f"   (ended before the input was, after {run.comments:,})"


def _systems(names: Sequence[str]) -> list[System]:
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown:
        raise Failure(Exit.USAGE, f"--system {unknown[0]}: there are {', '.join(SYSTEMS)}")
    return [cast("System", name) for name in names]


def _numbers(option: str, text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise Failure(Exit.USAGE, f"{option} {text}: write whole numbers from 1, as in 1,1000")
    return found
