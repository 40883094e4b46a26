"""Several edge processes on one port: a small parent that starts them, keeps them running and drains them.

Each process is an edge of its own, named ``edge.0``, ``edge.1``…; the kernel spreads connections among them
(SO_REUSEPORT). The parent serves nothing, so that nothing but its own end can stop it. SIGTERM drains all at
once; SIGHUP replaces them one after the other, each when the one before it is ready again.
"""

import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path

import structlog

from edge.board import Board
from livecomments.exits import Exit, Failure
from livecomments.stack.processes import Child
from livecomments.stack.restarts import EARLY_ENDS_MAX, delay_seconds
from livecomments.stack.spec import Command
from schemas.settings import Settings, environment_name

READY_SECONDS = 60.0
"""For a process that replaces another; beyond it the others are left as they are."""
READY_POLL_SECONDS = 0.1
STOP_SECONDS = 15.0
"""For a process to end, beside its drain."""

log = structlog.get_logger()


class Fleet:
    """See the module. ``commands``: one a process, each with its slot on ``board``."""

    def __init__(self, commands: list[Command], board: Board, stop_seconds: float) -> None:
        self._commands = commands
        self._board = board
        self._stop_seconds = stop_seconds
        self._children: dict[int, Child] = {}
        self._leaving: set[int] = set()
        self._ever_ready = False
        self._failed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._rolling: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Ask for the end: all drain."""
        self._stopping.set()

    def roll(self) -> None:
        """Replace all processes, one after the other; asked again meanwhile, it is no other round."""
        if self._rolling is None or self._rolling.done():
            self._rolling = asyncio.create_task(self._roll())

    async def run(self) -> None:
        """Keep the processes running until `stop`.

        Raises:
            Failure: they ended again and again, and not one was ever ready.

        """
        keepers = [asyncio.create_task(self._keep(slot)) for slot in range(len(self._commands))]
        ends = [asyncio.create_task(event.wait()) for event in (self._failed, self._stopping)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in [*ends, *keepers, *([self._rolling] if self._rolling else [])]:
            task.cancel()
        log.info("stopping", processes=len(self._children))
        await asyncio.gather(*(child.stop(self._stop_seconds) for child in self._children.values()))
        if self._failed.is_set():
            raise Failure(
                Exit.NOT_READY, "the edge's processes end before they are ready: see their last lines"
            )

    async def _keep(self, slot: int) -> None:
        delay, early = None, 0
        while True:
            begun = time.monotonic()
            child = self._children[slot] = Child(self._commands[slot], None)
            log.info("process started", process=slot, pid=child.pid)
            code = await asyncio.shield(child.exited)
            self._board.clear(slot)
            if slot in self._leaving:  # replaced: at once, and it is no fault
                self._leaving.discard(slot)
                continue
            log.warning("process ended", process=slot, pid=child.pid, code=code)
            self._ever_ready = self._ever_ready or any(self._board.ready(time.monotonic()))
            early += 1
            if early >= EARLY_ENDS_MAX and not self._ever_ready:
                self._failed.set()
            delay = delay_seconds(delay, time.monotonic() - begun)
            await asyncio.sleep(delay)

    async def _roll(self) -> None:
        for slot in range(len(self._commands)):
            child = self._children[slot]
            self._leaving.add(slot)
            await child.stop(self._stop_seconds)
            if not await self._is_ready(slot, other_than=child):
                log.error("the new process is not ready; the others are left as they are", process=slot)
                return
        log.info("all processes are replaced", processes=len(self._commands))

    async def _is_ready(self, slot: int, other_than: Child) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while self._children[slot] is other_than or not self._ready(slot):  # noqa: ASYNC110
                    await asyncio.sleep(READY_POLL_SECONDS)  # another process writes it
                return True
        return False

    def _ready(self, slot: int) -> bool:
        return self._board.ready(time.monotonic())[slot]


def commands(settings: Settings, argv: tuple[str, ...], board: Path) -> list[Command]:
    """Return the command of each process: ``argv``, and what is its own in the environment."""
    edge = settings.edge
    return [
        Command(
            argv,
            {
                environment_name(("edge", "name")): f"{edge.name}.{number}",
                environment_name(("edge", "processes")): str(edge.processes),
                environment_name(("edge", "process")): str(number),
                environment_name(("edge", "board")): str(board),
                environment_name(("edge", "admin_port")): str(
                    edge.admin_port + number if edge.admin_port else 0
                ),
            },
        )
        for number in range(edge.processes)
    ]


async def keep(settings: Settings, argv: tuple[str, ...]) -> None:
    """Run a fleet until SIGTERM or SIGINT; SIGHUP replaces its processes."""
    with tempfile.TemporaryDirectory(prefix="livecomments-edge-") as directory:
        path = Path(directory) / "board"
        board = Board.make(path, settings.edge.processes)
        fleet = Fleet(commands(settings, argv, path), board, STOP_SECONDS + settings.edge.drain_seconds)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, fleet.stop)
        loop.add_signal_handler(signal.SIGHUP, fleet.roll)
        await fleet.run()


def main(settings: Settings, port_base: int | None, data: Path | None) -> None:
    """Run the edge's processes."""
    options = [f"--port-base={port_base}"] if port_base is not None else []
    options += [f"--data={data}"] if data is not None else []
    asyncio.run(keep(settings, (sys.executable, "-m", "livecomments", "edge", *options)))
