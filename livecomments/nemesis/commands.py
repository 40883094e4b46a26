"""``livecomments nemesis``: a workload and faults on a stack of its own, and the checker's verdict."""

import asyncio
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from livecomments.exits import Exit, Failure
from livecomments.options import Json

ROUND_MINUTES = 3.0
ROUNDS_MAX = 10
PORT_BASE = 23_600
DELIVERIES_PER_SECOND_VIEWER_MIN = 0.5
FAULTS_PER_SECOND_MIN = 1 / 18


def nemesis(  # noqa: PLR0917 - Typer calls it by name
    minutes: Annotated[float, typer.Option(min=0.5, help="Of workload and faults, checks included.")] = 4.0,
    seed: Annotated[int, typer.Option(help="Decides the workload and the faults. Default: any.")] = -1,
    faults: Annotated[
        str, typer.Option(help="Kinds, or parts of their names, with commas: kill, kafka; or none, or smoke.")
    ] = "",
    edges: Annotated[int, typer.Option(min=1, max=4)] = 2,
    workers: Annotated[list[str] | None, typer.Option("--workers", metavar="STAGE=N")] = None,
    viewers: Annotated[int, typer.Option(min=20, max=2000)] = 200,
    rounds: Annotated[int, typer.Option(help="Rounds with a seed each. Default: one in 3 minutes.")] = 0,
    cassandra: Annotated[bool, typer.Option("--cassandra", help="Archive in Cassandra.")] = False,
    fused: Annotated[bool, typer.Option("--fused", help="All stages in one process, of which two.")] = False,
    port_base: Annotated[int, typer.Option("--port-base", metavar="N")] = PORT_BASE,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep facts, reports and logs.")] = None,
    json_: Json = False,
) -> None:
    """Break a stack on purpose while authors publish and viewers watch, and check that nothing was lost.

    It starts its own stack, runs rounds of workload and faults, checks each round's history, and stops the
    stack. Exit codes are those of `livecomments verify`.
    """
    from livecomments.nemesis import kinds  # noqa: PLC0415 - `--help` must be fast
    from livecomments.nemesis.cast import Size  # noqa: PLC0415
    from livecomments.nemesis.clock import library  # noqa: PLC0415
    from livecomments.nemesis.run import Config, run  # noqa: PLC0415
    from livecomments.nemesis.stack import Shape  # noqa: PLC0415
    from livecomments.stack.commands import _worker_counts  # noqa: PLC0415
    from livecomments.verify.commands import exit_code  # noqa: PLC0415
    from livecomments.verify.facts import Minimum  # noqa: PLC0415
    from schemas.settings import load, raise_open_files_limit  # noqa: PLC0415

    words = [word.strip() for word in faults.split(",") if word.strip()]
    smoke = words == ["smoke"]
    clock = library() is not None
    if smoke and fused:
        raise Failure(Exit.USAGE, "--faults smoke is of separate stages: leave it out with --fused")
    try:
        wanted = (
            kinds.smoke_kinds(clock)
            if smoke
            else kinds.chosen(words, cassandra=cassandra, clock=clock, fused=fused)
        )
    except ValueError as error:
        raise Failure(Exit.USAGE, str(error)) from error

    def steps(rng: random.Random) -> Iterator[kinds.Step]:
        return kinds.smoke(clock) if smoke else kinds.steps(wanted, rng)

    seed = seed if seed >= 0 else random.SystemRandom().randrange(10**6)
    count = 1 if smoke else rounds or max(1, min(ROUNDS_MAX, int(minutes / ROUND_MINUTES)))
    seconds = minutes * 60
    directory = keep or Path(tempfile.mkdtemp(prefix="livecomments-nemesis-"))
    directory.mkdir(parents=True, exist_ok=True)
    asked = _worker_counts(workers or [f"{'fused' if fused else 'sequence'}=2"], fused=fused)
    config = Config(
        Shape(port_base, (directory / "stack").absolute(), edges, tuple(asked.items()), cassandra, fused),
        seed,
        count,
        seconds,
        Size.of(viewers),
        Minimum(
            publishes=round(seconds),
            deliveries=round(seconds * DELIVERIES_PER_SECOND_VIEWER_MIN * viewers),
            faults=round(seconds * FAULTS_PER_SECOND_MIN) if wanted and not smoke else 0,
            kinds=wanted if smoke else (),
        ),
        whole=smoke,
    )
    raise_open_files_limit()
    try:
        outcome = asyncio.run(run(load(), config, steps, directory, _tell))
    except asyncio.CancelledError:
        raise Failure(Exit.INTERRUPTED, f"stopped; facts and logs are in {directory}") from None
    except BaseException:
        _tell(f"facts and logs are in {directory}")
        raise
    if not clock:
        outcome.skipped.append(
            "clock-*: libfaketime is not installed (Debian: faketime; Python: libfaketime)"
        )
    text = "\n".join(outcome.lines())
    document = json.dumps(outcome.to_json(), indent=1)
    (directory / "report.md").write_text(text + "\n", encoding="utf-8")
    (directory / "report.json").write_text(document + "\n", encoding="utf-8")
    typer.echo(document if json_ else text)
    if keep is None and outcome.report.ok:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        _tell(f"facts, reports and logs are in {directory}")
    raise typer.Exit(exit_code(outcome.report))


def _tell(line: str) -> None:
    print(f"nemesis: {line}", file=sys.stderr, flush=True)
