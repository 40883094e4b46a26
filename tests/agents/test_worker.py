"""A worker that is told to stop has ended in time, whatever it waits for."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from agents import worker
from schemas.settings import Settings
from schemas.topics import SUBMITTED

DEAF = """
import asyncio, time
from agents import worker
worker.STOP_SECONDS_MAX = 0.2
worker._end_in_time("sequence")
time.sleep(60)
"""

FAILING = """
import asyncio, contextlib, os, signal
from agents import worker
from schemas.settings import Settings

class Shell:
    name, app = "sequence", None
    def __init__(self):
        self.app, self.stopping = self, asyncio.Event()
    async def start(self):
        os.kill(os.getpid(), signal.SIGTERM)
    async def supervise(self):
        await self.stopping.wait()
        raise TypeError("a runner failed")
    async def watch(self, log):
        await asyncio.Future()
    async def checkpoint_every(self, seconds):
        await asyncio.Future()
    async def stop(self):
        self.stopping.set()
        await asyncio.Future()

async def build(*_):
    return [Shell()], []

worker._build = build
worker.KafkaLog = lambda *_: contextlib.AsyncExitStack()
worker.health.served = lambda *_: contextlib.AsyncExitStack()
asyncio.run(worker._main("sequence", Settings()))
"""


def test_a_runner_that_fails_while_its_worker_stops_ends_it() -> None:
    """At once: what it has not decided nobody will."""
    done = subprocess.run(
        [sys.executable, "-c", FAILING], capture_output=True, text=True, timeout=15, check=False
    )
    assert done.returncode == worker.EXIT_FATAL, done.stderr
    assert "a runner failed" in done.stdout + done.stderr


def test_a_process_that_does_not_stop_ends() -> None:
    """Though its loop is held up: with an exit code and a line in the log that say so."""
    done = subprocess.run(
        [sys.executable, "-c", DEAF], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == worker.EXIT_FATAL, done.stderr
    assert "did not stop within" in done.stdout + done.stderr


async def test_a_shell_leaves_without_faust_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust waits for aiokafka's tasks without a limit; a worker that has written all goes."""
    monkeypatch.setattr(worker, "FAUST_STOP_SECONDS_MAX", 0.05)
    settings = Settings(data=tmp_path)

    def make(*_: object) -> worker.Runner:
        raise AssertionError("no partition is assigned")

    shell = worker.AgentShell("moderate", SUBMITTED, settings, make)
    asked = asyncio.Event()

    async def deaf() -> None:
        asked.set()
        while asked.is_set():
            try:
                await asyncio.Future()
            except asyncio.CancelledError:
                continue

    monkeypatch.setattr(shell.app, "stop", deaf)
    async with asyncio.timeout(10):
        await shell.stop()
    assert asked.is_set()
    asked.clear()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
