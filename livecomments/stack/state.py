"""``stack.json`` and the lock of a data directory: who runs there, for ``status``, ``down`` and other verbs.

A process is named by its pid *and* the time it started, so that a pid used again for another program is
never mistaken for ours. The file is replaced as a whole; a reader sees the old or the new one.
"""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from livecomments.exits import Exit, Failure
from livecomments.stack.processes import Identity, is_alive

FILE_NAME = "stack.json"
LOCK_NAME = "stack.lock"


@dataclass(frozen=True, slots=True)
class Entry:
    """A service that should run; ``process`` is None while it does not."""

    name: str
    address: str
    probe: str
    process: Identity | None = None
    restarts: int = 0
    phase: str = "waiting"
    """``waiting`` for its turn, ``starting``, ``running`` once it was ready, ``backing off``, ``stopped``."""


@dataclass(frozen=True, slots=True)
class State:
    """What a supervisor wrote about its stack."""

    supervisor: Identity
    ports: dict[str, int]
    services: tuple[Entry, ...]
    up: bool = False
    """Whether the start is complete."""

    def processes(self) -> Iterator[Identity]:
        """Yield the processes that were running, the supervisor first."""
        yield self.supervisor
        yield from (each.process for each in self.services if each.process)

    def pids(self) -> dict[str, int]:
        """Return the services that were running: name → pid."""
        return {each.name: each.process.pid for each in self.services if each.process}


def read(directory: Path) -> State | None:
    """Return what was last written in ``directory``; None if there is nothing, or nothing readable."""
    try:
        raw = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
        return State(
            supervisor=Identity(**raw["supervisor"]),
            ports={str(name): int(port) for name, port in raw["ports"].items()},
            services=tuple(_entry(each) for each in raw["services"]),
            up=bool(raw["up"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def running(directory: Path) -> State | None:
    """Return the state of the stack that runs in ``directory`` now, or None."""
    state = read(directory)
    return state if state is not None and is_alive(state.supervisor) else None


def write(directory: Path, state: State) -> None:
    """Replace the file."""
    path = directory / FILE_NAME
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    draft.replace(path)


def remove(directory: Path) -> None:
    """Forget the stack."""
    (directory / FILE_NAME).unlink(missing_ok=True)


@contextlib.contextmanager
def lock(directory: Path) -> Iterator[None]:
    """Hold the data directory; the kernel gives it back when the holder dies, however it dies.

    Raises:
        Failure: another stack holds it.

    """
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise Failure(
                Exit.ALREADY_RUNNING,
                f"another stack runs in {directory}: stop it with `livecomments down --data {directory}`,"
                " or choose another --data and --port-base",
            ) from error
        yield
    finally:
        os.close(descriptor)


def _entry(raw: dict[str, Any]) -> Entry:
    return Entry(**raw | {"process": raw["process"] and Identity(**raw["process"])})
