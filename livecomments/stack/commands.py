"""The verbs of the local stack: ``up``, ``down``, ``status``, ``doctor``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase

if TYPE_CHECKING:
    from livecomments.stack.plan import Shape


def up(  # noqa: PLR0917 - Typer calls it by name
    port_base: PortBase = None,
    data: DataDir = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once everything is ready.")] = False,
    cassandra: Annotated[
        bool, typer.Option("--cassandra", help="Archive in Cassandra 5 instead of the embedded SQLite.")
    ] = False,
    edges: Annotated[int, typer.Option("--edges", metavar="N", min=1, max=16, help="WebSocket edges.")] = 1,
    workers: Annotated[
        list[str] | None,
        typer.Option("--workers", metavar="STAGE=N", help="Processes of a stage; may be repeated."),
    ] = None,
    fused: Annotated[
        bool, typer.Option("--fused", help="All stages in one process, which hands on what it has written.")
    ] = False,
) -> None:
    """Start Kafka, Redis, every stage, an edge and the API, and keep them running.

    Without --detach it stays in the foreground, and Ctrl-C stops everything. A process that dies is
    started again. The first start downloads Kafka (45 MB; with --cassandra 68 MB more) into your cache.
    """
    from livecomments.stack.plan import Shape  # noqa: PLC0415 - `--help` must be fast

    shape = Shape(edges, _worker_counts(workers or [], fused=fused), cassandra=cassandra, fused=fused)
    start(port_base, data, shape, detach=detach, hint=_down_hint(port_base, data))


def start(port_base: int | None, data: Path | None, shape: "Shape", *, detach: bool, hint: str) -> None:
    """Start a stack and show how it goes; ``hint``: how it is stopped. For other verbs too.

    Raises:
        Failure: it could not be started; nothing is left running.

    """
    from livecomments.stack import launch  # noqa: PLC0415
    from livecomments.stack.addresses import Ports, check_distinct, data_directory  # noqa: PLC0415
    from livecomments.stack.display import Display  # noqa: PLC0415
    from schemas.settings import load, raise_open_files_limit  # noqa: PLC0415

    settings = load()
    ports = Ports.from_settings(settings) if port_base is None else Ports.from_base(port_base)
    check_distinct(ports, shape.edges)
    directory = data_directory(settings, port_base, data)
    raise_open_files_limit()
    with Display() as display:
        made = launch.prepare(settings, ports, directory, shape, display.progress)
        run = launch.run_detached if detach else launch.run_foreground
        run(made, display.reporter(made, hint=hint, foreground=not detach))


def down(port_base: PortBase = None, data: DataDir = None) -> None:
    """Stop what `up` started, and nothing else; wait until every process is gone."""
    from livecomments.stack import launch  # noqa: PLC0415
    from livecomments.stack.addresses import data_directory  # noqa: PLC0415
    from schemas.settings import load  # noqa: PLC0415

    directory = data_directory(load(), port_base, data)
    ran = launch.stop(directory)
    typer.echo(f"stopped: {' '.join(ran)}" if ran else f"nothing runs in {directory}")


def status(port_base: PortBase = None, data: DataDir = None, as_json: Json = False) -> None:
    """Show every service: process, address, and whether it is ready now.

    It exits with 0 whatever it finds; `ready` in the JSON says whether all is well.
    """
    from livecomments.stack.addresses import data_directory  # noqa: PLC0415
    from livecomments.stack.inspection import inspect  # noqa: PLC0415
    from schemas.settings import load  # noqa: PLC0415

    settings = load()
    found = inspect(settings, port_base, data_directory(settings, port_base, data))
    if as_json:
        typer.echo(
            json.dumps({"ready": found.ready, "services": [each.to_json() for each in found.services]})
        )
        return
    from livecomments.stack.display import print_status  # noqa: PLC0415

    print_status(found)


def doctor(
    servers: Annotated[
        bool,
        typer.Option("--servers", help="Look at the Kafka, Redis and archive that the settings name, too."),
    ] = False,
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with this machine, or with the stack that runs, and how to mend it.

    Where a stack runs here, its servers are looked at; with --servers those that the settings name, wherever
    they are: topics and their settings, schemas, eviction, clocks, the archive's schema.
    """
    from livecomments.stack.addresses import stack_settings  # noqa: PLC0415
    from livecomments.stack.doctor import examine  # noqa: PLC0415

    checks = examine(stack_settings(port_base, data), port_base, servers=servers)
    well = all(check.ok for check in checks)
    if as_json:
        typer.echo(json.dumps({"ok": well, "checks": [check.to_json() for check in checks]}))
    else:
        from livecomments.stack.display import print_checks  # noqa: PLC0415

        print_checks(checks)
    if not well:
        raise typer.Exit(Exit.UNHEALTHY)


def _worker_counts(given: list[str], *, fused: bool = False) -> dict[str, int]:
    from livecomments.stack.plan import BESIDE, FUSED, PROCESSES_MAX, STAGES  # noqa: PLC0415

    counts, stages = {}, (*((FUSED,) if fused else STAGES), *BESIDE)
    for each in given:
        stage, _, count = each.partition("=")
        if stage not in stages or not count.isdigit() or not 1 <= int(count) <= PROCESSES_MAX:
            raise Failure(
                Exit.USAGE,
                f"--workers {each}: write STAGE=N, with N from 1 to {PROCESSES_MAX} and a STAGE of"
                f" {', '.join(stages)}",
            )
        counts[stage] = int(count)
    return counts


def _down_hint(port_base: int | None, data: Path | None) -> str:
    options = [f"--port-base {port_base}"] if port_base is not None else []
    options += [f"--data {data}"] if data is not None else []
    return " ".join(["livecomments down", *options])
