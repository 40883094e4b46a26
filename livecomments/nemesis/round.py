"""One round: streams of its own, a workload, faults for a while, quiet, the log's truth, a verdict."""

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from livecomments.nemesis.archives import ArchiveReadError, api_rows, cassandra_rows, sqlite_rows
from livecomments.nemesis.book import Book
from livecomments.nemesis.cast import Cast, Size, gather, token
from livecomments.nemesis.faults import Faults
from livecomments.nemesis.http import Api
from livecomments.nemesis.kinds import Step
from livecomments.nemesis.stack import Stack
from livecomments.nemesis.workload import Moderator
from livecomments.verify import facts as f
from livecomments.verify.logreader import LogReader, LogReadError

POLL_SECONDS = 0.1
OPEN_SECONDS = 30.0
HEAL_SECONDS = 120.0
"""After a fault ended, for every service to be ready and a comment to reach every edge."""
PRESENT_SECONDS = 90.0
"""For every viewer to be back and up to date."""
STORED_SECONDS = 120.0
"""For the archive and comments.flat to be complete."""
STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One round. ``steps``: faults; there are some for ``seconds``, or until all are done (``whole``)."""

    seed: int
    seconds: float
    size: Size
    steps: Iterator[Step]
    minimum: f.Minimum
    bound_ms: int = 500
    whole: bool = False


class Round:
    """See the module."""

    def __init__(self, stack: Stack, book: Book, plan: Plan, http: aiohttp.ClientSession) -> None:
        self._stack = stack
        self._book = book
        self._plan = plan
        self._api = Api(stack.api, http)
        self._cast: Cast = gather(stack, self._api, book, plan.size, plan.seed)
        self._faults = Faults(stack, book, random.Random(plan.seed + 1))  # noqa: S311 - to be repeated
        self._number = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._missing: list[str] = []
        self.healed: defaultdict[str, list[float]] = defaultdict(list)
        """Kind of fault → seconds from its end until all was well."""

    async def run(self) -> None:
        """Run it to the end; facts are in the book then."""
        plan, book = self._plan, self._book
        book.write(f.Run(book.now(), plan.seed, int(time.time() * 1000), plan.bound_ms, minimum=plan.minimum))
        wanted = set(self._cast.streams)
        reader = LogReader(self._stack.kafka, wanted.__contains__)
        since = await reader.ends()
        stop = asyncio.Event()
        try:
            await self._open()
            self._start(book.watch_stalls())
            for each in self._cast.watchers:
                self._start(each.run())
            work = [asyncio.create_task(each.run(stop)) for each in self._cast.authors]
            work += [asyncio.create_task(each.run(stop)) for each in self._cast.moderators]
            await self._heal("start")
            await self._go_wrong()
            stop.set()
            await self._finish(work)
            await self._settle()
            await self._collect(reader, since)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            book.flush()

    # Its parts, in order.

    async def _open(self) -> None:
        signed = token(self._stack.settings.auth, "platform", "platform")
        deadline = self._book.now() + OPEN_SECONDS
        for each in self._cast.moderators:
            while (await self._api.open(each.stream, signed, each.user)).stage != "ok":
                if self._book.now() > deadline:
                    raise TimeoutError(
                        f"the stream {each.stream} could not be opened in {OPEN_SECONDS:.0f} s"
                    )
                await asyncio.sleep(POLL_SECONDS)

    async def _go_wrong(self) -> None:
        end = self._book.now() + self._plan.seconds
        for step in self._plan.steps:
            await asyncio.sleep(step.pause_seconds)
            if self._book.now() > end and not self._plan.whole:
                return
            async with asyncio.TaskGroup() as group:
                for kind in step.kinds:
                    group.create_task(self._fault(kind))
        if not self._plan.whole:
            await asyncio.sleep(max(0.0, end - self._book.now()))

    async def _fault(self, kind: str) -> None:
        book = self._book
        self._number += 1
        number = self._number
        book.write(f.Fault(book.now(), number, "begin", kind))
        target = await self._faults.do(kind)
        over = book.now()
        await self._heal(kind)
        self.healed[kind].append(book.now() - over)
        book.write(f.Fault(book.now(), number, "end", kind, target))

    async def _heal(self, kind: str) -> None:
        """Wait until every service is ready, and a comment of now has reached viewers at every edge."""
        left = await self._stack.until_ready(HEAL_SECONDS)
        if left:
            self._missing.append(f"not ready {HEAL_SECONDS:.0f} s after {kind}: {', '.join(left)}")
            return
        reached = await asyncio.gather(*(self._reaches(each) for each in self._cast.moderators))
        self._missing += [f"after {kind}: {what}" for what in reached if what is not None]

    async def _reaches(self, moderator: Moderator) -> str | None:
        """Publish a comment and wait until whoever is connected has it; say what did not come about."""
        seqs: dict[str, int] = {}

        def hear(content: f.Content) -> None:
            seqs.setdefault(content.id, content.seq)

        watching = [each for each in self._cast.viewers if each.stream == moderator.stream]
        with contextlib.ExitStack() as hearing:
            for each in watching:
                hearing.enter_context(each.heard_by(hear))
            id_ = await moderator.marker()
            if id_ is None:
                return f"{moderator.stream}: nothing can be published"
            deadline = self._book.now() + HEAL_SECONDS
            while self._book.now() < deadline:
                if id_ in seqs and all(
                    each.seq >= seqs[id_] for each in watching if each.online and not each.pace.slow
                ):
                    return None
                await asyncio.sleep(POLL_SECONDS)
            return f"{moderator.stream}: a comment did not reach its viewers in {HEAL_SECONDS:.0f} s"

    async def _finish(self, work: Sequence[asyncio.Task[None]]) -> None:
        done, late = await asyncio.wait(work, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        if late:
            self._missing.append(f"{len(late)} authors or moderators did not end in {STOP_SECONDS:.0f} s")
        for task in done:
            task.result()

    async def _settle(self) -> None:
        """Wait until everybody is back and has everything, the end of every stream included."""
        self._stack.resume_all()
        await self._heal("everything")
        for each in self._cast.watchers:
            each.settle()
        await self._heal("settling")
        deadline = self._book.now() + PRESENT_SECONDS
        while behind := list(self._behind()):
            if self._book.now() > deadline:
                self._missing += behind[:10]
                break
            await asyncio.sleep(POLL_SECONDS)
        for each in self._cast.watchers:
            self._book.write(f.Present(self._book.now(), each.name, each.stream))

    def _behind(self) -> Iterator[str]:
        ends: dict[str, int] = {}
        for each in self._cast.watchers:
            ends[each.stream] = max(ends.get(each.stream, 0), each.seq)
        for each in self._cast.watchers:
            if each.ended is not None:
                yield f"{each.name} was sent away: {each.ended}"
            elif not each.online or each.seq < ends[each.stream]:
                yield f"{each.name} is at {each.seq}, others at {ends[each.stream]}, online: {each.online}"

    async def _collect(self, reader: LogReader, since: dict[tuple[str, int], int]) -> None:
        """Read the logs and the stores, again until the stores are complete, and write them down."""
        deadline = self._book.now() + STORED_SECONDS
        while True:
            try:
                found = [fact async for fact in reader.facts(since)]
                found += await self._stored(found)
            except (LogReadError, ArchiveReadError) as error:
                self._missing.append(str(error))
                found = []
                break
            lacking = [*_lacking(found), *self._untold(found)]
            if not lacking:
                break
            if self._book.now() > deadline:
                self._missing += lacking
                break
            await asyncio.sleep(1.0)
        for fact in found:
            self._book.write(fact)
        self._book.write(f.Quiet(self._book.now(), tuple(self._missing)))

    def _untold(self, found: Iterable[f.Fact]) -> Iterator[str]:
        """Yield who waits for a notice that the log has; who never listened before it is told of none."""
        told = {each.user: each for each in self._cast.viewers}
        for fact in found:
            if isinstance(fact, f.Notice) and (viewer := told.get(fact.user)) is not None:
                due = viewer.listens_since is not None and fact.offset >= viewer.listens_since
                if due and fact.id not in viewer.notices:
                    yield f"{viewer.name} waits for a notice"

    async def _stored(self, found: Iterable[f.Fact]) -> list[f.Fact]:
        ends = _ends(found)
        rows: list[f.Fact] = []
        for moderator in self._cast.moderators:
            rows += await api_rows(self._api, moderator.stream, moderator.token, self._book)
        settings = self._stack.settings
        if self._stack.shape.cassandra:
            now = self._book.now()
            rows += await asyncio.to_thread(lambda: list(cassandra_rows(settings.cassandra, ends, now)))
        else:
            path: Path = settings.archive_path
            for (stream, epoch), end in ends.items():
                rows += sqlite_rows(path, stream, epoch, end, self._book.now())
        return rows

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))


def _ends(found: Iterable[f.Fact]) -> dict[tuple[str, str], int]:
    ends: dict[tuple[str, str], int] = {}
    for fact in found:
        if isinstance(fact, f.Segment) and fact.topic == "sequenced":
            at = (fact.stream, fact.epoch)
            ends[at] = max(ends.get(at, 0), fact.to_seq)
    return ends


def _lacking(found: Sequence[f.Fact]) -> Iterator[str]:
    """Yield which stores do not reach the end of the log yet."""
    ends, stored = _ends(found), defaultdict[tuple[str, str, str], int](int)
    sources = {fact.source for fact in found if isinstance(fact, f.Archived)}
    for fact in found:
        if isinstance(fact, f.Row):
            at = (fact.source, fact.stream, fact.epoch)
            stored[at] = max(stored[at], fact.content.seq)
        elif isinstance(fact, f.Archived) and fact.overlaid:
            stored[fact.source, fact.stream, fact.epoch] = fact.to_seq
    for (stream, epoch), end in ends.items():
        for source in sorted(sources):
            if stored[source, stream, epoch] < end:
                yield f"{source}: {stream} ends at {stored[source, stream, epoch]}, the log at {end}"
