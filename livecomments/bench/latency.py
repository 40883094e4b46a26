"""``livecomments bench latency``: from submitting a comment to its display, and what each hop takes of it.

On a stack that runs. Authors publish over WebSockets, viewers watch over others; between them a comment
leaves its id in five topics, whose records carry the time at which the broker appended them, in whole
milliseconds. These are read when the talking is over. All clocks are this machine's. What a hop takes ends
with its append, so that reading a record, deciding and writing are in it.
"""

import asyncio
import json
import math
import os
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Final

import typer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agents.kafka import KafkaLog
from edge.auth import Authenticator
from livecomments.bench.watching import Watcher, watching
from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack import state
from livecomments.stack.addresses import stack_settings
from schemas.codec import codec
from schemas.settings import Settings
from schemas.topics import FANOUT, INGESTED, MODERATED, SEQUENCED, SUBMITTED, Topic

TOPICS: Final = (SUBMITTED, INGESTED, MODERATED, SEQUENCED, FANOUT)
HOPS: Final = ("edge", "ingest", "moderate", "sequence", "sample", "display")
"""Each ends where the next begins: at an append to `TOPICS`, the last one at a viewer."""
WARM_SECONDS: Final = 2.0
LATE_SECONDS: Final = 15.0
"""After the last comment, for those under way; what comes later is missing."""
TOKEN_SECONDS: Final = 3_600
PER_AUTHOR_MAX: Final = 20.0
"""Comments a second of one connection; an edge takes 30 commands."""
PER_AUTHOR_AND_STREAM_MAX: Final = 1.5
"""Of the two a second that limits.comments_per_second lets a user say on a stream."""
READ_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Times:
    """Of many comments, in ms."""

    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Times":
        """Return the percentiles of at least one value."""
        ordered = sorted(values)
        return cls(
            *(round(ordered[min(len(ordered) * n // 100, len(ordered) - 1)], 1) for n in (50, 90, 99, 100))
        )


@dataclass(frozen=True, slots=True)
class Hop:
    """``share``: of the mean time from submitting to display; means add up where percentiles do not."""

    hop: str
    mean_ms: float
    p50_ms: float
    p99_ms: float
    share: float


@dataclass(frozen=True, slots=True)
class Run:
    """One load. ``missing``: accepted and not displayed in time. ``refused``: by code."""

    rate: float
    comments: int
    missing: int
    refused: Mapping[str, int]
    display_ms: Times
    acknowledged_ms: Times
    hops: Sequence[Hop]


@dataclass(slots=True)
class Book:
    """What is known of the comments, by id; seconds since 1970."""

    sent: dict[str, float] = field(default_factory=dict)
    acknowledged: dict[str, float] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    appended: list[dict[str, float]] = field(default_factory=list)
    """One for each of `TOPICS`."""
    displayed: dict[str, float] = field(default_factory=dict)

    def run(self, rate: float) -> Run:
        """Return the figures.

        Raises:
            Failure: no comment made its way.

        """
        stages = (self.sent, *self.appended, self.displayed)
        whole = [id_ for id_ in self.acknowledged if all(id_ in stage for stage in stages)]
        if not whole:
            raise Failure(
                Exit.UNHEALTHY, "no comment arrived: see `livecomments status` and the stack's logs"
            )
        total = [1000 * (self.displayed[id_] - self.sent[id_]) for id_ in whole]
        mean = sum(total) / len(total)
        hops = []
        for name, (begin, end) in zip(HOPS, pairwise(stages), strict=True):
            took = [1000 * (end[id_] - begin[id_]) for id_ in whole]
            of_hop, times = sum(took) / len(took), Times.of(took)
            hops.append(Hop(name, round(of_hop, 2), times.p50, times.p99, round(of_hop / mean, 3)))
        return Run(
            rate=rate,
            comments=len(whole),
            missing=sum(id_ not in self.displayed for id_ in self.acknowledged),
            refused=self.refused,
            display_ms=Times.of(total),
            acknowledged_ms=Times.of([1000 * (self.acknowledged[id_] - self.sent[id_]) for id_ in whole]),
            hops=hops,
        )


def latency(  # noqa: PLR0917 - Typer calls it by name
    port_base: PortBase = None,
    data: DataDir = None,
    rates: Annotated[
        str, typer.Option("--rates", metavar="N,…", help="Comments a second, one run each.")
    ] = "5,100,500",
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Of talking, each.")] = 10.0,
    streams: Annotated[int, typer.Option("--streams", min=1, max=2_000, help="Talked on evenly.")] = 200,
    json_: Json = False,
) -> None:
    """Measure submit to display through a running stack at several loads, hop by hop."""
    settings, runs = stack_settings(port_base, data), []
    if state.running(settings.data) is None and port_base is not None:
        raise Failure(Exit.NOT_RUNNING, f"no stack runs in {settings.data}: livecomments up --detach")
    for rate in _rates(rates):
        run = asyncio.run(measure(settings, rate, seconds, streams))
        runs.append(run)
        if not json_:
            typer.echo(_text(run))
    if json_:
        typer.echo(json.dumps({"cpus": os.cpu_count(), "runs": [asdict(each) for each in runs]}))


async def measure(settings: Settings, rate: float, seconds: float, streams: int) -> Run:
    """Let authors talk at ``rate`` comments a second, all together, on new streams; return what was seen."""
    named = [f"bench-{uuid.uuid4().hex[:6]}-{number}" for number in range(streams)]
    per_author = min(PER_AUTHOR_MAX, PER_AUTHOR_AND_STREAM_MAX * streams)
    count, book = math.ceil(rate / per_author), Book()
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(KafkaLog(settings.kafka, READ_SECONDS))
        watchers = [
            await stack.enter_async_context(watching(settings.edge.port, chunk))
            for chunk in _chunks(named, settings.edge.subscriptions_per_connection_max)
        ]
        authors = [await stack.enter_async_context(author(settings, number, book)) for number in range(count)]
        await talk(authors, named, book, rate, WARM_SECONDS)
        await _arrived(watchers, book)
        for noted in (book.sent, book.acknowledged, book.refused):
            noted.clear()
        starts = await _ends(log, settings)
        await talk(authors, named, book, rate, seconds)
        await _arrived(watchers, book)
        ends = await _ends(log, settings)
        # The loop's clock, on which arrivals are noted, against the wall's, on which the broker stamps.
        apart = time.time() - asyncio.get_running_loop().time()
        book.displayed = {id_: at + apart for each in watchers for id_, at in each.arrived.items()}
        for topic in TOPICS:
            book.appended.append(await _appended(log, topic, starts[topic.name], ends[topic.name]))
    return book.run(rate)


class Author:
    """One connection that publishes on many streams."""

    def __init__(self, socket: ClientConnection, book: Book) -> None:
        self._socket = socket
        self._book = book
        self._asked: dict[int, str] = {}
        self._number = 1

    async def say(self, stream: str, text: str) -> str:
        """Publish a comment; return its id. The reply is noted when it comes."""
        self._number += 1
        id_ = str(uuid.uuid4())
        self._asked[self._number] = id_
        publish = {"channel": f"stream:{stream}", "data": {"id": id_, "text": text}}
        command = json.dumps({"id": self._number, "publish": publish})
        self._book.sent[id_] = time.time()
        await self._socket.send(command)
        return id_

    async def read(self) -> None:
        """Take replies and answer pings until the connection ends."""
        with suppress(ConnectionClosed):
            async for message in self._socket:
                at = time.time()
                for line in str(message).split("\n"):
                    if line == "{}":
                        await self._socket.send("{}")
                    elif line:
                        self._reply(json.loads(line), at)

    def _reply(self, reply: dict[str, Any], at: float) -> None:
        id_ = self._asked.pop(reply.get("id", 0), None)
        if id_ is None:
            return
        if "error" in reply:
            code = str(reply["error"]["code"])
            self._book.refused[code] = self._book.refused.get(code, 0) + 1
            self._book.sent.pop(id_, None)
        elif id_ in self._book.sent:
            self._book.acknowledged[id_] = at


@asynccontextmanager
async def author(settings: Settings, number: int, book: Book) -> AsyncIterator[Author]:
    """Connect one."""
    token = Authenticator(settings.auth).mint(f"bench-{number}", None, "viewer", TOKEN_SECONDS)
    address = f"ws://{settings.edge.host}:{settings.edge.port}/connection/websocket"
    async with connect(address, compression=None, ping_interval=None) as socket:
        await socket.send(json.dumps({"id": 1, "connect": {"token": token}}))
        reply = json.loads(str(await socket.recv()).split("\n", maxsplit=1)[0])
        if "error" in reply:
            raise Failure(Exit.FAILURE, f"the edge refused an author: {reply['error']}")
        made = Author(socket, book)
        reading = asyncio.create_task(made.read())
        try:
            yield made
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


async def talk(
    authors: Sequence[Author], streams: Sequence[str], book: Book, rate: float, seconds: float
) -> None:
    """Comment evenly; what is late is said at once."""
    begun = time.monotonic()
    for number in range(max(1, round(rate * seconds))):
        ahead = begun + number / rate - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
        # Every author comes to every stream, whatever their numbers have in common.
        stream = streams[(number // len(authors) + number) % len(streams)]
        await authors[number % len(authors)].say(stream, f"comment {number} of the bench")
    deadline = time.monotonic() + LATE_SECONDS
    while len(book.acknowledged) < len(book.sent) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)


async def _arrived(watchers: Sequence[Watcher], book: Book) -> None:
    """Wait until all that was accepted is displayed, or it is late."""
    deadline = time.monotonic() + LATE_SECONDS
    while time.monotonic() < deadline:
        for watcher in watchers:
            watcher.check()
        if all(any(id_ in each.arrived for each in watchers) for id_ in book.acknowledged):
            return
        await asyncio.sleep(POLL_SECONDS)


async def _ends(log: KafkaLog, settings: Settings) -> dict[str, list[int]]:
    """Return the end of each partition of each topic."""
    partitions = range(settings.kafka.partitions)
    return {topic.name: [await log.end_offset(topic.name, at) for at in partitions] for topic in TOPICS}


async def _appended(
    log: KafkaLog, topic: Topic, starts: Sequence[int], ends: Sequence[int]
) -> dict[str, float]:
    """Return when each id was first appended, seconds since 1970."""
    found: dict[str, float] = {}
    decode, rows = codec(topic.record).decode, "events" if topic in (SEQUENCED, FANOUT) else "items"
    for partition, (start, end) in enumerate(zip(starts, ends, strict=True)):
        async for record in log.read(topic.name, partition, start, end):
            for row in decode(record.value)[rows]:
                found.setdefault(row["id"], record.timestamp / 1000)
    return found


def _chunks(rows: Sequence[str], size: int) -> list[Sequence[str]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def _rates(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0.1 <= rate <= 100_000 for rate in found):
        raise Failure(Exit.USAGE, f"--rates {text}: write comments a second, as in 5,100,500")
    return found


def _text(run: Run) -> str:
    refused = sum(run.refused.values())
    head = f"{run.rate:,.0f}/s: {run.comments} comments, {run.missing} missing, {refused} refused"
    whole = [
        f"  {name:<12} p50 {times.p50:7.1f}  p90 {times.p90:7.1f}  p99 {times.p99:7.1f} ms"
        for name, times in (("display", run.display_ms), ("acknowledged", run.acknowledged_ms))
    ]
    hops = [
        f"  {hop.hop:<12} p50 {hop.p50_ms:7.1f}  p99 {hop.p99_ms:7.1f} ms  {hop.share:6.1%}"
        for hop in run.hops
    ]
    return "\n".join([head, *whole, *hops])
