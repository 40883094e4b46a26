"""How a process of this package begins and ends: secret checked, SIGTERM stops it, faults exit with 1."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from edge.auth import InsecureSecretError, check_secret
from edge.errors import StartError
from schemas import garbage
from schemas.archive import ArchiveError
from schemas.settings import Settings, SettingsError, raise_open_files_limit

Serve = Callable[[Settings, asyncio.Event], Awaitable[None]]
"""Serves until the event is set."""

log = structlog.get_logger()


def run(name: str, settings: Settings, host: str, serve: Serve) -> None:
    """Run ``serve`` on ``host``; returns after SIGTERM or SIGINT. ``name``: for the log (``the edge``)."""
    cannot, failed = f"{name} cannot run", f"{name} failed"
    raise_open_files_limit()
    try:
        check_secret(settings, host)
        uvloop.run(_until_stopped(settings, serve))
    except (StartError, SettingsError, InsecureSecretError, ArchiveError) as error:
        log.error(cannot, error=str(error))  # noqa: TRY400 - the operator's, no trace
        sys.exit(1)
    except Exception:
        log.exception(failed)
        sys.exit(1)


async def _until_stopped(settings: Settings, serve: Serve) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    garbage.settle()
    await serve(settings, stop)
