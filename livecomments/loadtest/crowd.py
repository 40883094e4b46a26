"""A process full of viewers or authors: ``python -m livecomments.loadtest.crowd``, told what to do on stdin.

One JSON line in, one effect; one JSON line out a second (`Tally`, with ``live``). It ends with its stdin.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from dataclasses import dataclass
from typing import Any

import uvloop

from livecomments.loadtest.tally import Tally
from livecomments.loadtest.viewer import Viewer, World
from schemas import garbage
from schemas.settings import raise_open_files_limit

REPORT_SECONDS = 1.0
CONNECTS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Role:
    """What a crowd is. ``tokens``: one a socket; "" for a guest."""

    host: str
    port: int
    stream: str
    source: str
    tokens: list[str]
    deaf: int
    connects_per_second: float
    seed: int


class Crowd:
    """The sockets of this process."""

    def __init__(self, role: Role) -> None:
        self._role = role
        chance = random.Random(role.seed)  # noqa: S311 - to be repeatable
        self.world = World(role.host, role.port, role.stream, role.source, chance=chance)
        self.viewers = [
            Viewer(self.world, token, deaf=number < role.deaf) for number, token in enumerate(role.tokens)
        ]
        self._tasks: set[asyncio.Task[None]] = set()

    async def fill(self) -> None:
        """Connect all, no faster than was asked for."""
        begun = time.monotonic()
        gate = asyncio.Semaphore(CONNECTS_AT_ONCE)

        async def one(viewer: Viewer) -> None:
            async with gate:
                await viewer.connect()

        for number, viewer in enumerate(self.viewers):
            ahead = begun + number / self._role.connects_per_second - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self.start(one(viewer))

    def start(self, work: Any) -> None:
        """Do something beside the rest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def talk(self, per_second: float, seconds: float, kind: str, padding: int) -> None:
        """Let the sockets speak in turn, evenly spread."""
        begun, said = time.monotonic(), 0
        while (now := time.monotonic()) < begun + seconds:
            due = begun + said / per_second
            if due > now:
                await asyncio.sleep(due - now)
            self.viewers[said % len(self.viewers)].say(kind, padding)
            said += 1

    async def churn(self, per_second: float, seconds: float) -> None:
        """Cut random connections; they come back by themselves."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(self.world.chance.expovariate(per_second))
            self.world.chance.choice(self.viewers).cut()

    def do(self, order: dict[str, Any]) -> None:
        """Carry out one order."""
        match order:
            case {"do": "fill"}:
                self.start(self.fill())
            case {"do": "talk"}:
                talk = self.talk(order["per_second"], order["seconds"], order["kind"], order["padding"])
                self.start(talk)
            case {"do": "churn"}:
                self.start(self.churn(order["per_second"], order["seconds"]))
            case {"do": "storm"}:
                for viewer in self.viewers:
                    viewer.cut()
            case {"do": "forget"}:
                self.world.tally = Tally()
                # All are here: their objects need not be searched again and again while it is measured.
                garbage.settle()
            case _:
                raise ValueError(f"no such order: {order}")

    async def report(self) -> None:
        """Say every second what was seen since the last ``forget``."""
        while True:
            say(self.world.tally.to_json() | {"live": self.world.live})
            await asyncio.sleep(REPORT_SECONDS)


def say(value: dict[str, Any]) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Run until stdin ends."""
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    crowd = Crowd(Role(**json.loads(await reader.readline())))
    crowd.start(crowd.report())
    while line := await reader.readline():
        order = json.loads(line)
        crowd.do(order)
        if order["do"] == "forget":
            say({"forgotten": True})
    for viewer in crowd.viewers:
        viewer.leave()


if __name__ == "__main__":
    raise_open_files_limit()
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        uvloop.run(main())
