"""Children that die with their parent, and pids that are not mistaken for others.

Each child leads a session of its own, so that Ctrl-C reaches the supervisor alone and a signal to the
group reaches what the child started too. On Linux the kernel kills a child when the thread that made it
ends, so that a supervisor killed with SIGKILL leaves nothing behind: children must be made by the main
thread.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from livecomments.stack.spec import Command

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05
ORPHANED_EXIT = 75
"""What a child exits with whose parent died before it could ask to die with it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: its pid, and when it started, in a form that only equality is asked of."""

    pid: int
    started: str


def identity(pid: int) -> Identity | None:
    """Return who has this pid now; None if nobody, or only a zombie, has."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return _identity_by_ps(pid)
    try:
        # The program's name, in parentheses, may hold anything; what follows it may not.
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Identity(pid, f"{_boot()}:{fields[19]}")


def is_alive(who: Identity) -> bool:
    """Tell whether this very process still runs."""
    return identity(who.pid) == who


class Child:
    """A running child; ``exited`` completes with its exit code (negative: the signal that ended it).

    ``log`` None: what it prints goes where our own does.
    """

    def __init__(self, command: Command, log: Path | None) -> None:
        """Start it; must be called in the main thread of a running event loop."""
        with log.open("ab") if log is not None else contextlib.nullcontext() as output:
            self._process = subprocess.Popen(
                command.argv,
                env=os.environ | command.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - one thread, and it only calls prctl
            )
        self.pid = self._process.pid
        self.identity = identity(self.pid) or Identity(self.pid, "")
        self.exited: asyncio.Task[int] = asyncio.create_task(self._wait(), name=f"exit of {self.pid}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child and what it started."""
        signal_group(self.pid, number)

    async def stop(self, limit_seconds: float) -> bool:
        """Ask it to end, end it after the limit; return whether asking was enough."""
        self.signal(signal.SIGTERM)
        done, _ = await asyncio.wait({self.exited}, timeout=limit_seconds)
        self.signal(signal.SIGKILL)  # what the child itself left behind, or all of it
        await self.exited
        return bool(done)

    async def _wait(self) -> int:
        if hasattr(os, "pidfd_open"):
            await _pidfd_readable(self.pid)
            return self._process.wait()
        return await asyncio.to_thread(self._process.wait)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the session a child leads; nothing happens if it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def wait_gone(who: Iterable[Identity], limit_seconds: float) -> list[Identity]:
    """Wait until these processes are gone; return those that are not after the limit."""
    remaining = [each for each in who if is_alive(each)]
    deadline = time.monotonic() + limit_seconds
    while remaining and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        remaining = [each for each in remaining if is_alive(each)]
    return remaining


async def _pidfd_readable(pid: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _die_with(parent: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: nothing may be allocated after it

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(ORPHANED_EXIT)

    return ask


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _identity_by_ps(pid: int) -> Identity | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607 - every system without /proc has it
        capture_output=True,
        text=True,
        check=False,
    )
    status, _, started = answer.stdout.strip().partition(" ")
    return Identity(pid, started.strip()) if started and not status.startswith("Z") else None
