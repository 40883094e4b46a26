"""Real servers for tests, started from packages and stopped by pid."""

import asyncio
import contextlib
import random
import subprocess
import tempfile
from collections.abc import Iterator

from livecomments.stack import packages
from livecomments.stack.addresses import LOOPBACK
from livecomments.stack.launch import SPARE_FIRST, is_free
from livecomments.stack.probes import ask
from livecomments.stack.spec import Probe

READY_SECONDS = 15.0
PORTS = range(13_000, SPARE_FIRST - 100)
"""Below those that stacks take for themselves, which may be on their way up."""


def free_port(count: int = 1) -> int:
    """Return a port that nobody listens on now, or the first of some in a row.

    Of those that no connection gets by itself: it could have one before the server does.
    """
    while True:
        base = random.choice(PORTS)
        if all(is_free(LOOPBACK, port) for port in range(base, base + count)):
            return base


@contextlib.contextmanager
def redis_server(port: int | None = None) -> Iterator[str]:
    """Run a Redis that keeps nothing; yields its URL."""
    binary, _ = packages.redis_server()
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as home:
        server = subprocess.Popen(
            [
                binary,
                "--port",
                str(port),
                "--bind",
                "127.0.0.1",
                "--dir",
                home,
                "--save",
                "",
                "--appendonly",
                "no",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            asyncio.run(_ready(f"127.0.0.1:{port}"))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(READY_SECONDS)


async def _ready(address: str) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while not await ask(Probe.REDIS, address):
            await asyncio.sleep(0.02)
