"""A whole run: a stack of its own, rounds with their seeds, one report."""

import asyncio
import contextlib
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from livecomments.nemesis.book import Book
from livecomments.nemesis.cast import Size
from livecomments.nemesis.kinds import Step
from livecomments.nemesis.round import Plan, Round
from livecomments.nemesis.stack import Shape, Stack
from livecomments.verify.check import check
from livecomments.verify.facts import Minimum
from livecomments.verify.files import FactFiles
from livecomments.verify.report import Report
from schemas.settings import Settings

ROUND_OVERHEAD_SECONDS = 25.0
"""Of a round, without faults: opening, settling, collecting. What it takes longer, later rounds give up."""


@dataclass(frozen=True, slots=True)
class Config:
    """A run. ``seconds``: of all rounds, the start of the stack not counted."""

    shape: Shape
    seed: int
    rounds: int
    seconds: float
    size: Size
    minimum: Minimum
    bound_ms: int = 500
    whole: bool = False
    """Whether the list of faults is done to its end, however long that takes."""


@dataclass(slots=True)
class Outcome:
    """What came of it. ``healed``: kind of fault → seconds until all was well again, once each."""

    setup: str = ""
    report: Report = field(default_factory=Report)
    healed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    restarts: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return self.report.to_json() | {
            "setup": self.setup,
            "healed_seconds": {
                kind: [round(each, 2) for each in times] for kind, times in self.healed.items()
            },
            "restarts": self.restarts,
            "skipped": self.skipped,
        }

    def lines(self) -> Iterator[str]:
        """Yield the report as Markdown."""
        yield self.setup
        yield ""
        yield from self.report.lines()
        if self.healed:
            yield ""
            yield "| after | times | well again, median s | at most s |"
            yield "|---|---|---|---|"
        for kind, times in sorted(self.healed.items()):
            ordered = sorted(times)
            yield f"| {kind} | {len(times)} | {ordered[len(times) // 2]:.1f} | {ordered[-1]:.1f} |"
        if self.skipped:
            yield ""
            yield from (f"- skipped: {what}" for what in self.skipped)


async def run(
    settings: Settings,
    config: Config,
    steps: Callable[[random.Random], Iterator[Step]],
    keep: Path,
    tell: Callable[[str], None],
) -> Outcome:
    """Start a stack, run every round on it, stop it; facts stay in ``keep``. SIGTERM ends it as well."""
    me = asyncio.current_task()
    if me is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    outcome = Outcome(_described(config))
    stack = Stack(settings, config.shape)
    faults = steps(random.Random(config.seed))  # noqa: S311 - to be repeated
    async with contextlib.AsyncExitStack() as exits:
        tell(f"starting a stack in {config.shape.directory}")
        await exits.enter_async_context(stack.started())
        http = await exits.enter_async_context(aiohttp.ClientSession())
        reports = []
        end = time.monotonic() + config.seconds
        for number in range(config.rounds):
            seed = config.seed + number
            path = keep / f"facts-{seed}.jsonl"
            share = (end - time.monotonic()) / (config.rounds - number)
            seconds = max(1.0, share - ROUND_OVERHEAD_SECONDS)
            tell(f"round {number + 1} of {config.rounds}: seed {seed}, {seconds:.0f} s")
            least = config.minimum if config.rounds == 1 else Minimum()
            with Book(path) as book:
                plan = Plan(seed, seconds, config.size, faults, least, config.bound_ms, config.whole)
                made = Round(stack, book, plan, http)
                await made.run()
            report = check(FactFiles([path]))
            reports.append(report)
            for kind, times in made.healed.items():
                outcome.healed[kind] += times
            tell(_said(report))
        outcome.restarts = stack.restarts()
    for report in reports:
        outcome.report = outcome.report.merged(report)
    if config.rounds > 1:
        outcome.report.hold_against(config.minimum)
    return outcome


def _described(config: Config) -> str:
    shape, size = config.shape, config.size
    workers = ", ".join(f"{count} × {stage}" for stage, count in shape.workers)
    return (
        f"{config.rounds} rounds in {config.seconds / 60:.0f} minutes: {shape.edges} edges, {workers}, "
        f"{'Cassandra' if shape.cassandra else 'SQLite'}, {size.streams} streams, {size.viewers} viewers of "
        f"whom {size.authors} write"
    )


def _said(report: Report) -> str:
    counts = report.counts
    return (
        f"{'clean' if report.ok else 'NOT CLEAN'}: {counts['publishes']} publishes, "
        f"{counts['deliveries']} deliveries, {report.faults.total()} faults, "
        f"{report.anomalies.total()} anomalies, {len(report.problems)} problems"
    )
