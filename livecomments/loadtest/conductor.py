"""Starts the crowds, gives them their orders, reads their tallies and the edges' costs, makes the report."""

import asyncio
import json
import os
import re
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.auth import Authenticator
from edge.tasks import end
from livecomments.exits import Exit, Failure
from livecomments.loadtest.moderator import moderating
from livecomments.loadtest.starving import Looks, starve, watch
from livecomments.loadtest.tally import Tally, merged
from livecomments.stack import state
from livecomments.usage import cpu_seconds, rss_kib
from schemas.settings import Settings

VIEWERS_PER_PROCESS = 6_000
"""One process may hold about 20,000 files, and one core serves about as many frames as it reads."""
READ_LIMIT = 256 * 1024 * 1024
SETTLE_SECONDS = 2.0
TOKEN_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. ``rate``: comments a second; ``creator_rate``: of these, by the creator.

    ``moderations_per_second``: deletes and clears, in turn; with any, users are banned too.
    """

    stream: str
    viewers: int
    seconds: float
    rate: float
    authors: int
    creator_rate: float = 0.0
    connects_per_second: float = 500.0
    churn_per_second: float = 0.0
    storm: bool = False
    kill_edge: bool = False
    starve_edge: float = 0.0
    """Share of the processor's time that an edge does not get in the second quarter."""
    deaf: int = 0
    moderations_per_second: float = 0.0
    padding: int = 40
    seed: int = 1


@dataclass(slots=True)
class Crowd:
    """A process of viewers or authors, and its newest tally."""

    process: asyncio.subprocess.Process
    size: int
    tally: Tally = field(default_factory=Tally)
    live: int = 0
    fresh: asyncio.Event = field(default_factory=asyncio.Event)

    def order(self, **order: Any) -> None:
        """Tell it what to do."""
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")

    async def read(self) -> None:
        """Take its reports until it ends."""
        if self.process.stdout is None:
            return
        while line := await self.process.stdout.readline():
            said = json.loads(line)
            if "counts" in said:
                self.tally, self.live = Tally.from_json(said), said["live"]
                self.fresh.set()


@dataclass(frozen=True, slots=True)
class Costs:
    """What the edges had used at a time. ``past_reads``: of the catch-up window in Redis."""

    cpu_seconds: float = 0.0
    rss_kib: int = 0
    past_reads: float = 0.0

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(
            self.cpu_seconds + other.cpu_seconds,
            self.rss_kib + other.rss_kib,
            self.past_reads + other.past_reads,
        )

    def since(self, before: "Costs") -> "Costs":
        """Return the difference."""
        return Costs(
            self.cpu_seconds - before.cpu_seconds,
            self.rss_kib - before.rss_kib,
            self.past_reads - before.past_reads,
        )


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run took: the edges' costs while viewers came, and while authors talked."""

    filling_seconds: float
    filling: Costs
    talking: Costs
    edges: int


STARVED_FROM, STARVED_TO = 0.25, 0.5
"""Of a run, when an edge is starved."""
Progress = Callable[[str, int, int], None]
"""What is going on, done, in all."""


async def run(plan: Plan, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Run a load test against the stack of ``settings``; return the report."""
    edges = _edges(settings)
    empty = _all_costs(edges)
    async with _crowds(plan, settings) as (viewers, authors):
        for crowd in (*viewers, *authors):
            crowd.order(do="fill")
        filled = await _filled(plan, viewers, authors, progress)
        before = _all_costs(edges)
        for crowd in (*viewers, *authors):
            crowd.order(do="forget")
        begun = time.monotonic()
        _talk(plan, authors)
        for crowd in viewers:
            if plan.churn_per_second:
                share = plan.churn_per_second / len(viewers)
                crowd.order(do="churn", per_second=share, seconds=plan.seconds)
        async with AsyncExitStack() as stack:
            moderated, looks = Tally(), Looks()
            if plan.moderations_per_second:
                work = moderating(settings, plan.stream, plan.authors, plan.moderations_per_second)
                moderated = (await stack.enter_async_context(work)).tally
            if plan.starve_edge:
                watching = asyncio.create_task(watch(settings.redis, plan.stream, looks))
                stack.push_async_callback(end, [watching])
                await _wait(begun + plan.seconds * STARVED_FROM, begun, plan, viewers, progress)
                left = begun + plan.seconds * STARVED_TO - time.monotonic()
                await starve(next(iter(edges.values()))[0], plan.starve_edge, left)
            await _wait(begun + plan.seconds / 2, begun, plan, viewers, progress)
            if plan.storm:
                for crowd in viewers:
                    crowd.order(do="storm")
            if plan.kill_edge:
                os.kill(next(iter(edges.values()))[0], signal.SIGKILL)
            await _wait(begun + plan.seconds, begun, plan, viewers, progress)
        ends = _edges(settings) if plan.kill_edge else edges
        # Who came for one that was killed counts from its own beginning.
        begins = {name: before[name] if ends[name] == edges.get(name) else Costs() for name in ends}
        talking = [costs.since(begins[name]) for name, costs in _all_costs(ends).items()]
        await _settled(plan, viewers, progress)
        saw, said = merged(each.tally for each in viewers), merged(each.tally for each in authors)
    filling = [before[name].since(empty[name]) for name in edges]
    spent = Spent(filled, sum(filling, Costs()), sum(talking, Costs()), len(edges))
    starved = {"rate_per_second": looks.summary(STARVED_FROM)} if plan.starve_edge else {}
    return _report(plan, saw, said, spent) | _moderated(saw, moderated) | starved


def _report(plan: Plan, saw: Tally, said: Tally, spent: Spent) -> dict[str, Any]:
    counts = saw.counts
    report: dict[str, Any] = {
        "viewers": plan.viewers,
        "edges": spent.edges,
        "seconds": plan.seconds,
        "rate": plan.rate,
        "connected_in_seconds": round(spent.filling_seconds, 2),
        "display_ms": _displayed(saw, {"v": "viewers", "c": "creator"}),
        "age_ms": saw.times["age"].summary() if "age" in saw.times else None,
        "acknowledged_ms": said.times["acknowledged"].summary() if "acknowledged" in said.times else None,
        "deliveries": counts["deliveries"],
        "deliveries_per_second": round(counts["deliveries"] / plan.seconds, 1),
        "comments_shown": counts["comments"],
        "edge_cpu_us_per_delivery": None  # not all of them were its successor's
        if plan.kill_edge
        else round(spent.talking.cpu_seconds * 1e6 / max(counts["deliveries"], 1), 2),
        "edge_memory_kib_per_connection": round(spent.filling.rss_kib / max(plan.viewers, 1), 2),
        "store_reads": spent.talking.past_reads,
        "published": said.counts["publishes"],
        "refused": {name: n for name, n in said.counts.items() if name.startswith("refused_")},
        "cuts": counts["cuts"],
        "resumed": counts["resumed"],
        "not_recovered": counts["not_recovered"],
        "resume_ms": saw.times["resume"].summary() if "resume" in saw.times else None,
        "holes": {name: n for name, n in counts.items() if name.startswith("holes_")},
        "closes": {name: n for name, n in counts.items() if name.startswith("closed_")},
        "handshakes_refused": counts["handshakes_refused"],
        "silent_gaps": counts["silent_gaps"],
        "repeats": counts["repeats"],
        "states": counts["states"],
        "shown_per_second": _rates(counts),
    }
    report["ok"] = not (report["silent_gaps"] or report["repeats"]) and counts["deliveries"] > 0
    return report


def _displayed(saw: Tally, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return, by name, the times from submitting to arrival of what has one of ``kinds`` (`wire.mark`)."""
    found = {name: saw.times.get(f"display_{kind}") for kind, name in kinds.items()}
    return {name: times.summary() for name, times in found.items() if times is not None}


def _moderated(saw: Tally, moderated: Tally) -> dict[str, Any]:
    """Report a moderator's work: from asking to every screen, to the answer, and from it to the gateways."""
    if not moderated.times:
        return {}
    told = {name: each.summary() for name, each in moderated.times.items()}
    return {
        "moderation_ms": _displayed(saw, {"d": "delete", "x": "clear"}) | told,
        "moderation_counts": dict(moderated.counts),
    }


def _rates(counts: Any) -> dict[str, float] | None:
    """Return how many comments a viewer got in a second, and in what share of them within one of the mean."""
    found = {int(name[5:]): n for name, n in counts.items() if re.fullmatch(r"rate_\d+", name)}
    total = sum(found.values())
    if not total:
        return None
    mean = sum(rate * n for rate, n in found.items()) / total
    near = sum(n for rate, n in found.items() if abs(rate - mean) <= 1)
    return {"mean": round(mean, 3), "min": min(found), "max": max(found), "near": round(near / total, 3)}


def _talk(plan: Plan, authors: Sequence[Crowd]) -> None:
    common = {"do": "talk", "seconds": plan.seconds, "padding": plan.padding}
    if plan.creator_rate:
        authors[1].order(per_second=plan.creator_rate, kind="c", **common)
    if plan.rate > plan.creator_rate:
        authors[0].order(per_second=plan.rate - plan.creator_rate, kind="v", **common)


async def _filled(
    plan: Plan, viewers: Sequence[Crowd], authors: Sequence[Crowd], progress: Progress
) -> float:
    """Wait until all are there; return the seconds that took."""
    crowds, begun = (*viewers, *authors), time.monotonic()
    wanted = sum(each.size for each in crowds)
    limit = begun + 30 + 3 * plan.viewers / plan.connects_per_second
    while (live := sum(each.live for each in crowds)) < wanted:
        if any(each.process.returncode is not None for each in crowds):
            raise Failure(Exit.FAILURE, "a process of viewers ended; what it said is above")
        if time.monotonic() > limit:
            seen = merged(each.tally for each in crowds).counts
            raise Failure(Exit.NOT_READY, f"only {live} of {wanted} got in; what they saw: {dict(seen)}")
        progress("connecting", live, wanted)
        await asyncio.sleep(0.2)
    progress("connecting", wanted, wanted)
    return time.monotonic() - begun


async def _wait(until: float, begun: float, plan: Plan, viewers: Sequence[Crowd], progress: Progress) -> None:
    while (now := time.monotonic()) < until:
        live = sum(each.live for each in viewers)
        progress(f"talking, {live} watching", int(now - begun), int(plan.seconds))
        await asyncio.sleep(min(0.5, until - now))


async def _settled(plan: Plan, viewers: Sequence[Crowd], progress: Progress) -> None:
    """Let what is on its way arrive, and everybody come back."""
    limit = time.monotonic() + 30
    while sum(each.live for each in viewers) < plan.viewers and time.monotonic() < limit:
        progress("coming back", sum(each.live for each in viewers), plan.viewers)
        await asyncio.sleep(0.2)
    await asyncio.sleep(SETTLE_SECONDS)
    for crowd in viewers:
        crowd.fresh.clear()
        async with asyncio.timeout(30):
            await crowd.fresh.wait()


@asynccontextmanager
async def _crowds(plan: Plan, settings: Settings) -> AsyncIterator[tuple[list[Crowd], list[Crowd]]]:
    mint = Authenticator(settings.auth).mint
    count = -(-plan.viewers // VIEWERS_PER_PROCESS)
    sizes = [plan.viewers // count + (number < plan.viewers % count) for number in range(count)]
    deaf = [plan.deaf // count + (number < plan.deaf % count) for number in range(count)]
    roles = [_role(plan, settings, number, [""] * size, deaf[number]) for number, size in enumerate(sizes)]
    talkers = [mint(f"author-{n}", plan.stream, "viewer", TOKEN_SECONDS) for n in range(plan.authors)]
    roles.append(_role(plan, settings, count, talkers, 0))
    creators = [mint("creator", plan.stream, "creator", TOKEN_SECONDS)] if plan.creator_rate else []
    if creators:
        roles.append(_role(plan, settings, count + 1, creators, 0))
    started: list[Crowd] = []
    reading: list[asyncio.Task[None]] = []
    try:
        for role in roles:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "livecomments.loadtest.crowd",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=READ_LIMIT,
            )  # fmt: skip
            crowd = Crowd(process, len(role["tokens"]))
            if process.stdin is not None:
                process.stdin.write(json.dumps(role).encode() + b"\n")
            started.append(crowd)
            reading.append(asyncio.create_task(crowd.read()))
        yield started[:count], started[count:]
    finally:
        for crowd in started:
            if crowd.process.returncode is None:
                crowd.process.kill()
            await crowd.process.wait()
        await asyncio.gather(*reading, return_exceptions=True)


def _role(plan: Plan, settings: Settings, number: int, tokens: list[str], deaf: int) -> dict[str, Any]:
    return {
        "host": settings.edge.host,
        "port": settings.edge.port,
        "stream": plan.stream,
        # Each address has its own 28,000 outgoing ports, and its own limit at the edge.
        "source": f"127.0.{number + 1}.1",
        "tokens": tokens,
        "deaf": deaf,
        "connects_per_second": plan.connects_per_second,
        "seed": plan.seed * 1_000 + number,
    }


def _edges(settings: Settings) -> dict[str, tuple[int, str]]:
    """Return the edges of the stack: name → (pid, address)."""
    running = state.running(Path(settings.data))
    found = {
        each.name: (each.process.pid, each.address)
        for each in (running.services if running is not None else ())
        if each.name.startswith("edge") and each.process is not None
    }
    if not found:
        raise Failure(
            Exit.NOT_RUNNING, f"no edge runs in {settings.data}: start a stack with `livecomments up`"
        )
    return found


def _all_costs(edges: Mapping[str, tuple[int, str]]) -> dict[str, Costs]:
    return {name: _costs(*edge) for name, edge in edges.items()}


def _costs(pid: int, address: str) -> Costs:
    """Return what an edge has used; nothing of one that is gone."""
    try:
        return Costs(cpu_seconds(pid), rss_kib(pid), _past_reads(address))
    except OSError:
        return Costs()


def _past_reads(address: str) -> float:
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            page = answer.read().decode()
    except OSError:
        return 0.0
    found = re.search(r"^livecomments_edge_past_reads_total (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0
