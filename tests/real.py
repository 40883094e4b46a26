"""A real stack for tests that use the system as its users do: started once a run, stopped at its end."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import free_port

ROOT = Path(__file__).parents[1]
UP_SECONDS = 240
"""The first start on a machine fetches Kafka's jars."""
VERB_SECONDS = 60
PORTS = 8
"""Edge, API, Kafka, Redis, Cassandra, and a few more edges."""


@dataclass(frozen=True, slots=True)
class RealStack:
    """Where it is."""

    port_base: int
    data: Path
    root: Path = ROOT
    """Where the code is that it runs."""

    @property
    def edge(self) -> str:
        """Host and port of the edge."""
        return f"127.0.0.1:{self.port_base}"

    @property
    def api(self) -> str:
        """Host and port of the API."""
        return f"127.0.0.1:{self.port_base + 1}"

    @property
    def where(self) -> tuple[str, ...]:
        """The options that name this stack."""
        return ("--port-base", str(self.port_base), "--data", str(self.data))

    @property
    def environment(self) -> dict[str, str]:
        """What its verbs are run with."""
        return environment(PYTHONPATH=str(self.root))

    def run(self, *arguments: str, seconds: float = VERB_SECONDS) -> "subprocess.CompletedProcess[str]":
        """Run a verb against this stack to its end."""
        return subprocess.run(
            self.command(*arguments), env=self.environment, cwd=self.data, capture_output=True, text=True,
            timeout=seconds, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a verb against this stack."""
        return [sys.executable, "-m", "livecomments", *arguments, *self.where]

    @contextmanager
    def started(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Start a verb that runs until it is ended; end it."""
        with subprocess.Popen(
            self.command(*arguments), env=self.environment, cwd=self.data, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()


def environment(**more: str) -> dict[str, str]:
    """Return an environment without anybody's own settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVECOMMENTS_")}
    return clean | {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1"} | more


@contextmanager
def real_stack(data: Path, *options: str, root: Path = ROOT) -> Iterator[RealStack]:
    """Start a stack in a directory, whose logs are shown when it does not come up."""
    stack = RealStack(free_port(PORTS), data, root)
    data.mkdir(parents=True, exist_ok=True)
    with _taken_down_without_us(stack):
        yield from _up(stack, options)


def _up(stack: RealStack, options: Sequence[str]) -> Iterator[RealStack]:
    up = stack.run("up", "--detach", *options, seconds=UP_SECONDS)
    try:
        assert up.returncode == 0, up.stderr
        status = json.loads(stack.run("status", "--json").stdout)
        assert status["ready"], status
        yield stack
    finally:
        down = stack.run("down")
    assert down.returncode == 0, down.stderr


@contextmanager
def _taken_down_without_us(stack: RealStack) -> Iterator[None]:
    """Have a process take the stack down when this one is killed: it holds the other end of a pipe."""
    ours, theirs = socket.socketpair()
    code = f"import os, sys; os.read(0, 1) or os.execv(sys.executable, {stack.command('down')!r})"
    with ours, theirs:
        watcher = subprocess.Popen(
            [sys.executable, "-c", code], env=stack.environment, cwd=stack.data, stdin=theirs,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            ours.send(b"x")
            watcher.wait(VERB_SECONDS)
