"""``livecomments stage``, ``edge`` and ``api``: the long-running processes of a stack, each one verb."""

from pathlib import Path
from typing import Annotated

import typer

from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, PortBase
from livecomments.stack.addresses import stack_settings
from schemas.logs import configure
from schemas.settings import Settings, load


def stage(
    name: Annotated[str, typer.Argument(help="ingest, moderate, sequence, sample, persist, or fused: all")],
    port_base: PortBase = None,
    data: DataDir = None,
) -> None:
    """Run one worker of a stage until SIGTERM."""
    from agents.worker import main  # noqa: PLC0415 - Faust is heavy

    settings = _settings(port_base, data)
    configure(settings.log, name)
    try:
        main(name, settings)
    except ValueError as error:
        raise Failure(Exit.USAGE, str(error)) from error


def edge(
    port_base: PortBase = None,
    data: DataDir = None,
    processes: Annotated[
        int | None, typer.Option("--processes", metavar="N", min=1, max=64, help="Processes on one port.")
    ] = None,
) -> None:
    """Run a WebSocket edge until SIGTERM; then it drains.

    With --processes N it is N processes that share the port: one that dies is started again, SIGHUP replaces
    them one by one, and each has its metrics at LIVECOMMENTS_EDGE__ADMIN_PORT plus its number.
    """
    settings = _settings(port_base, data)
    if processes is not None:
        update = {"edge": settings.edge.model_copy(update={"processes": processes})}
        settings = settings.model_copy(update=update)
    configure(settings.log, settings.edge.name)
    if settings.edge.processes > 1 and settings.edge.process is None:
        from livecomments.fleet import main as keep  # noqa: PLC0415

        keep(settings, port_base, data)
    else:
        from edge.server import main  # noqa: PLC0415 - uvloop and the clients are heavy

        main(settings)


def api(port_base: PortBase = None, data: DataDir = None) -> None:
    """Run the HTTP API until SIGTERM."""
    from edge.api.server import main  # noqa: PLC0415

    settings = _settings(port_base, data)
    configure(settings.log, "api")
    main(settings)


def _settings(port_base: int | None, data: Path | None) -> Settings:
    """Take the environment as it is, as the supervisor gives it, unless a stack is named."""
    return load() if port_base is None and data is None else stack_settings(port_base, data)
