"""Starts a plan, keeps its services running, and stops them all.

It runs in the foreground inside ``livecomments up``, or detached as a process of its own
(``python -m livecomments.stack.supervisor``: the plan as JSON on stdin, events as JSON lines on stdout).
It imports no client library: it must start fast and not fail for reasons of its own.
"""

import asyncio
import contextlib
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from livecomments.exits import Exit, Failure
from livecomments.stack import logs, probes, state
from livecomments.stack.processes import Child, Identity, identity, signal_group, wait_gone
from livecomments.stack.restarts import EARLY_ENDS_MAX, delay_seconds
from livecomments.stack.spec import Plan, Preparation, Service, Task, from_json

PROBE_SECONDS = 0.1
LOG_CHECK_SECONDS = 5.0
PREPARATION_SECONDS = 60.0
LEFTOVER_SECONDS = 10.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened: ``starting``, ``ready``, ``ended``, ``up``, ``stopping``, ``stopped``, ``failed``."""

    kind: str
    name: str = ""
    message: str = ""
    seconds: float = 0.0
    code: int = 0
    details: tuple[str, ...] = ()


Report = Callable[[Event], None]


class Supervisor:
    """Runs one plan in the running event loop; ``stop`` makes :meth:`run` return."""

    def __init__(self, plan: Plan, report: Report) -> None:
        self._plan = plan
        self._report = report
        self._directory = Path(plan.directory)
        self._entries = {
            each.name: state.Entry(each.name, each.address, each.probe.value) for each in plan.services()
        }
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._stopping: set[str] = set()
        self._stop_asked = asyncio.Event()
        self._up = False
        self._me = identity(os.getpid()) or Identity(os.getpid(), "")

    def stop(self) -> None:
        """Ask for the end; safe to call more than once."""
        self._stop_asked.set()

    async def run(self) -> None:
        """Start everything, keep it running until asked to stop, stop everything.

        Raises:
            Failure: it could not be started; everything is stopped again by then.

        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with state.lock(self._directory):
            kill_leftovers(self._directory)
            watch = asyncio.create_task(self._bound_logs())
            try:
                await self._run_until_asked()
            finally:
                watch.cancel()
                await self._stop_all()
                state.remove(self._directory)
                self._report(Event("stopped"))

    async def _run_until_asked(self) -> None:
        begun = time.monotonic()
        start = asyncio.create_task(self._start())
        asked = asyncio.create_task(self._stop_asked.wait())
        await asyncio.wait({start, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            asked.cancel()
            start.cancel()
            with contextlib.suppress(asyncio.CancelledError, Failure):
                await start
            return
        try:
            start.result()
        except BaseException:
            asked.cancel()
            raise
        self._up = True
        self._write()
        self._report(Event("up", seconds=time.monotonic() - begun))
        await asked

    async def _start(self) -> None:
        for service in self._plan.services():
            _make_files(service)
            logs.rotate(Path(service.log))
        self._write()
        await self._start_group(self._plan.servers)
        await _together(self._do(each) for each in self._plan.tasks)
        await self._start_group(self._plan.ours)

    async def _start_group(self, services: Iterable[Service]) -> None:
        """Start services together and wait until all are ready."""
        await _together(self._start_one(each) for each in services)

    async def _start_one(self, service: Service) -> None:
        begun = time.monotonic()
        self._report(Event("starting", service.name))
        if service.preparation is not None:
            await self._prepare(service, service.preparation)
        self._keepers[service.name] = asyncio.create_task(self._keep(service))
        while not await probes.ask(service.probe, service.address):
            if self._keepers[service.name].done():
                await self._keepers[service.name]
            waited = time.monotonic() - begun
            if self._entries[service.name].restarts >= EARLY_ENDS_MAX:
                raise _not_ready(service, f"ended {EARLY_ENDS_MAX} times while it started")
            if waited > service.ready_seconds:
                raise _not_ready(service, f"was not ready after {service.ready_seconds:.0f} s")
            await asyncio.sleep(PROBE_SECONDS)
        self._enter(service, phase="running")
        self._report(Event("ready", service.name, seconds=time.monotonic() - begun))

    async def _prepare(self, service: Service, preparation: Preparation) -> None:
        if not Path(preparation.creates).exists():  # noqa: ASYNC240 - one look at a local disk
            await self._finish(Task(service.name, preparation.command, service.log, PREPARATION_SECONDS))

    async def _do(self, task: Task) -> None:
        begun = time.monotonic()
        logs.rotate(Path(task.log))
        self._report(Event("starting", task.name))
        await self._finish(task)
        self._report(Event("ready", task.name, seconds=time.monotonic() - begun))

    async def _finish(self, task: Task) -> None:
        """Run a command to its end, which must be a good one."""
        child = Child(task.command, Path(task.log))
        try:
            async with asyncio.timeout(task.limit_seconds):
                code = await asyncio.shield(child.exited)
        except TimeoutError:
            raise _not_ready(task, f"was not done after {task.limit_seconds:.0f} s") from None
        finally:
            await child.stop(limit_seconds=0.0)
        if code != 0:
            raise _not_ready(task, f"failed with exit code {code}")

    async def _keep(self, service: Service) -> None:
        """Start a service, and again whenever it ends."""
        delay: float | None = None
        while service.name not in self._stopping:
            begun = time.monotonic()
            how = await self._live_once(service)
            if service.name in self._stopping:
                break
            delay = delay_seconds(delay, time.monotonic() - begun)
            restarts = self._entries[service.name].restarts + 1
            self._enter(service, process=None, phase="backing off", restarts=restarts)
            self._report(Event("ended", service.name, how, seconds=delay))
            await asyncio.sleep(delay)
        self._enter(service, process=None, phase="stopped")

    async def _live_once(self, service: Service) -> str:
        """Run a service until it ends; return how it ended."""
        try:
            child = self._children[service.name] = Child(service.command, Path(service.log))
        except OSError as error:
            if not self._up:
                raise
            return f"could not be started: {error}"  # a full disk, say; the next try may do
        self._enter(service, process=child.identity, phase="running" if self._up else "starting")
        code = await asyncio.shield(child.exited)
        child.signal(signal.SIGKILL)  # what it started must not live on beside the next one
        return _ending(code)

    async def _stop_all(self) -> None:
        self._report(Event("stopping"))
        named = {name for group in self._plan.stop_order for name in group}
        rest = tuple(name for name in self._entries if name not in named)
        limits = {each.name: each.stop_seconds for each in self._plan.services()}
        for group in (*self._plan.stop_order, rest):
            await asyncio.gather(*(self._stop_one(name, limits[name]) for name in group))

    async def _stop_one(self, name: str, limit_seconds: float) -> None:
        self._stopping.add(name)
        keeper = self._keepers.get(name)
        if keeper is None:
            return
        child = self._children.get(name)
        if child is not None and not await child.stop(limit_seconds):
            self._report(Event("killed", name, f"did not end within {limit_seconds:.0f} s", limit_seconds))
        keeper.cancel()  # it may be waiting for its next start
        await asyncio.gather(keeper, return_exceptions=True)

    async def _bound_logs(self) -> None:
        files = [Path(each.log) for each in self._plan.services()]
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for path in files:
                with contextlib.suppress(OSError):  # a full disk is no reason to stop what runs
                    logs.cap(path)

    def _enter(self, service: Service, **changes: object) -> None:
        self._entries[service.name] = replace(self._entries[service.name], **changes)  # type: ignore[arg-type]
        self._write()

    def _write(self) -> None:
        snapshot = state.State(
            supervisor=self._me,
            ports=self._plan.ports,
            services=tuple(self._entries.values()),
            up=self._up,
        )
        try:
            state.write(self._directory, snapshot)
        except OSError:
            if not self._up:
                raise
            # A full disk while all runs: what is running goes on, and the next change is written.


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait until all is done; the first failure ends the rest."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def kill_leftovers(directory: Path) -> list[Identity]:
    """End what a supervisor that is gone left running; return what could not be ended."""
    found = state.read(directory)
    if found is None:
        return []
    left = wait_gone((each.process for each in found.services if each.process), 0)
    for each in left:
        signal_group(each.pid, signal.SIGKILL)
    return wait_gone(left, LEFTOVER_SECONDS)


def _make_files(service: Service) -> None:
    for directory in service.directories:
        Path(directory).mkdir(parents=True, exist_ok=True)
    for path, text in service.files.items():
        Path(path).write_text(text, encoding="utf-8")


def _not_ready(service: Service | Task, what: str) -> Failure:
    log = Path(service.log)
    return Failure(Exit.NOT_READY, f"{service.name} {what}; its log is {log}", logs.tail(log))


def _ending(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    return f"was ended by {signal.Signals(-code).name}"


async def supervise(plan: Plan, report: Report) -> None:
    """Run a plan until SIGINT, SIGTERM or SIGHUP."""
    supervisor = Supervisor(plan, report)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.stop)
    await supervisor.run()


def main() -> int:
    """Run detached; the parent reads events until the stack is up or has failed."""
    plan = from_json(sys.stdin.read())

    def report(event: Event) -> None:
        # The parent leaves once the stack is up; from then on only the log is told.
        print(json.dumps(asdict(event)), file=sys.stderr, flush=True)
        with contextlib.suppress(OSError, ValueError):
            print(json.dumps(asdict(event)), flush=True)
            if event.kind == "up":
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    try:
        asyncio.run(supervise(plan, report))
    except Failure as failure:
        return _fail(report, failure)
    except OSError as error:
        return _fail(report, disk_failure(error))
    return Exit.OK


def _fail(report: Report, failure: Failure) -> int:
    report(Event("failed", message=failure.message, code=failure.code, details=failure.details))
    return failure.code


def disk_failure(error: OSError) -> Failure:
    """Say in one line what the disk refused."""
    where = error.filename or "the data directory"
    if error.errno in _NO_SPACE:
        return Failure(Exit.DISK_FULL, f"{where}: no space left: free some, or choose another --data")
    return Failure(Exit.FAILURE, f"{where}: {error.strerror or error}: mend that, or choose another --data")


if __name__ == "__main__":
    sys.exit(main())
