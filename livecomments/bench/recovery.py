"""``livecomments bench recovery``: how long a killed stage is missed.

On a stack that runs. Streams are given a past, so that the stage has state to read back; then each stage is
killed (SIGKILL) in turn while a comment is submitted every few milliseconds, on streams of all partitions. A
stage is back when comments that were submitted after its death are on a viewer's screen from every partition.
"""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from statistics import median
from typing import Annotated, Final

import typer

from livecomments.bench.latency import Author, Book, author, talk
from livecomments.bench.watching import Watcher, watching
from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack import state
from livecomments.stack.addresses import stack_settings
from schemas.routing import partition_of
from schemas.settings import Settings

STAGES: Final = ("ingest", "moderate", "sequence", "sample")
"""Those that a viewer waits for; the archive is behind when persist is away, and nobody else is."""
AUTHORS: Final = 8
PAST_PER_SECOND: Final = 150.0
PROBES_PER_SECOND: Final = 100.0
BACK_SECONDS_MAX: Final = 60.0
CALM_SECONDS: Final = 3.0
"""Between two deaths."""


@dataclass(frozen=True, slots=True)
class Death:
    """One stage's. Seconds from SIGKILL to the first and the last partition's comments on a screen."""

    stage: str
    first_seconds: float
    last_seconds: float


def recovery(
    port_base: PortBase = None,
    data: DataDir = None,
    streams: Annotated[int, typer.Option("--streams", min=8, max=20_000, help="With a past.")] = 1_000,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Deaths of each stage.")] = 3,
    json_: Json = False,
) -> None:
    """Measure how long a killed stage is missed, through a running stack."""
    settings = stack_settings(port_base, data)
    deaths = asyncio.run(measure(settings, streams, rounds))
    if json_:
        typer.echo(
            json.dumps({"cpus": os.cpu_count(), "streams": streams, "deaths": list(map(asdict, deaths))})
        )
        return
    for stage in STAGES:
        first = sorted(each.first_seconds for each in deaths if each.stage == stage)
        last = sorted(each.last_seconds for each in deaths if each.stage == stage)
        typer.echo(
            f"{stage:<9} first partition back after {median(first):.2f} s, last after {median(last):.2f} s"
            f" ({last[0]:.2f} … {last[-1]:.2f}; {len(last)} deaths)"
        )


async def measure(settings: Settings, streams: int, rounds: int) -> list[Death]:
    """Kill each stage ``rounds`` times.

    Raises:
        Failure: no stack runs, or a stage did not come back.

    """
    named = [f"recovery-{uuid.uuid4().hex[:6]}-{number}" for number in range(streams)]
    probed = _one_a_partition(named, settings.kafka.partitions)
    for stage in STAGES:
        _pid(settings, stage)
    book = Book()
    async with AsyncExitStack() as stack:
        watcher = await stack.enter_async_context(watching(settings.edge.port, probed))
        authors = [await stack.enter_async_context(author(settings, n, book)) for n in range(AUTHORS)]
        await talk(authors, named, book, PAST_PER_SECOND, len(named) / PAST_PER_SECOND)
        deaths = []
        for _ in range(rounds):
            for stage in STAGES:
                await asyncio.sleep(CALM_SECONDS)
                deaths.append(await _death(stage, _pid(settings, stage), authors, probed, watcher))
                watcher.check()
    return deaths


async def _death(
    stage: str, pid: int, authors: Sequence[Author], probed: Sequence[str], watcher: Watcher
) -> Death:
    clock = asyncio.get_running_loop().time
    os.kill(pid, signal.SIGKILL)
    died, asked, back, number = clock(), dict[str, str](), dict[str, float](), 0
    while len(back) < len(probed):
        if clock() - died > BACK_SECONDS_MAX:
            raise Failure(Exit.UNHEALTHY, f"{stage} was not back after {BACK_SECONDS_MAX:.0f} s: see its log")
        stream = probed[number % len(probed)]
        id_ = await authors[number % len(authors)].say(stream, f"are you back? {number}")
        asked[id_] = stream
        number += 1
        await asyncio.sleep(1 / PROBES_PER_SECOND)
        for id_ in asked.keys() & watcher.arrived.keys():
            back.setdefault(asked.pop(id_), watcher.arrived[id_] - died)
    return Death(stage, round(min(back.values()), 3), round(max(back.values()), 3))


def _one_a_partition(streams: Sequence[str], partitions: int) -> list[str]:
    found: dict[int, str] = {}
    for stream in streams:
        found.setdefault(partition_of(stream, partitions), stream)
    return list(found.values())


def _pid(settings: Settings, stage: str) -> int:
    """Return the stage's process, as it is now."""
    running = state.running(settings.data)
    if running is None:
        raise Failure(Exit.NOT_RUNNING, f"no stack runs in {settings.data}: livecomments up --detach")
    pid = running.pids().get(stage)
    if pid is None:
        raise Failure(Exit.NOT_RUNNING, f"no stage {stage} runs in {settings.data} (are the stages fused?)")
    return pid
