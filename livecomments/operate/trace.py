"""``livecomments trace``: one comment's path, read from the log, the archive and the window."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import typer

from agents.errors import StageError
from agents.log import Log
from livecomments.exits import Exit, Failure
from livecomments.operate import path as p
from livecomments.operate.path import Hop, Match, Path, Wanted
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack.addresses import stack_settings
from schemas import stores
from schemas.archive import Archive, ArchiveError, ArchiveUnavailable, open_archive
from schemas.codec import UndecodableError, codec
from schemas.redisclient import redis_client
from schemas.routing import partition_of
from schemas.settings import Settings
from schemas.topics import DLQ, FANOUT, FLAT, NOTICES, SUBMITTED, Topic

MINUTES = 60
RETRIES_MS = 150_000
"""So long after the first, the same comment may be submitted again (the duplicate window, and a little)."""
SKEW_MS = 10 * 60_000
"""A UUIDv7 is from its maker's clock, which may be so wrong."""
READ_SECONDS = 20.0
OPEN_SECONDS = 5.0
RECORDS_MAX = 2_000_000
"""Of one partition of one topic; a comment that is not in so many is given up."""


def trace(  # noqa: PLR0917 - Typer calls it by name
    comment_id: Annotated[str, typer.Argument(metavar="COMMENT_ID", help="The comment's id.")],
    stream: Annotated[
        str | None,
        typer.Option("--stream", metavar="ID", help="Its stream, if known: one partition is read."),
    ] = None,
    minutes: Annotated[
        int, typer.Option("--minutes", metavar="N", min=1, help="How far back; a UUIDv7 says it by itself.")
    ] = MINUTES,
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show one comment's path: times a hop, verdict, place in the order, who gets it, who has it.

    It reads the topics from the comment's time on, the archive, and the window in Redis. It shows ids and
    numbers, no text. Exits with 1 when comments.submitted has no such comment.
    """
    from agents.kafka import KafkaLog  # noqa: PLC0415 - heavy

    settings = stack_settings(port_base, data)
    since_ms = since(comment_id, minutes, round(time.time() * 1000))

    async def work() -> Path | None:
        async with KafkaLog(settings.kafka, READ_SECONDS) as log:
            found = await follow(log, settings.kafka.partitions, comment_id, stream, since_ms)
        if found is not None and found.wanted.seq >= 0:
            found.hops += [await _archived(settings, found.wanted), await _window(settings, found.wanted)]
        return found

    found = _run(work(), settings)
    if found is None:
        where = f"stream {stream}" if stream is not None else "any stream"
        raise Failure(
            Exit.FAILURE,
            f"comments.submitted has no comment {comment_id} of {where} since"
            f" {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(since_ms / 1000))} UTC: look further back with"
            " --minutes; the topic keeps 6 hours",
        )
    if as_json:
        typer.echo(json.dumps(found.to_json()))
        return
    _show(found)


def since(comment_id: str, minutes: int, now_ms: int) -> int:
    """Return where to begin, ms since 1970: a UUIDv7 has its time in it, else it is ``minutes`` ago."""
    try:
        uuid = UUID(comment_id)
    except ValueError:
        return now_ms - minutes * 60_000
    return (uuid.int >> 80) - SKEW_MS if uuid.version == 7 else now_ms - minutes * 60_000


async def follow(
    log: Log, partitions: int, comment_id: str, stream: str | None, since_ms: int
) -> Path | None:
    """Read a comment's path from the log; None where ``comments.submitted`` does not have it."""
    places = range(partitions) if stream is None else (partition_of(stream, partitions),)
    starts = await asyncio.gather(
        *(_submitted(log, partition, comment_id, stream, since_ms) for partition in places)
    )
    known = min((each for each in starts if each), key=lambda each: each.wanted.at_ms, default=None)
    if known is None:
        return None
    for topic, match in p.STEPS:
        await _look(log, known, topic, match)
    numbered = known.hop("comments.sequenced")
    if numbered is not None:
        known.wanted = Wanted(
            *(known.wanted.id, known.wanted.stream, known.wanted.user, known.wanted.partition),
            known.wanted.at_ms,
            numbered.facts["epoch"],
            numbered.facts["seq"],
        )
        await _look(log, known, FANOUT, p.fanned_out)
        await _look(log, known, FLAT, p.flat)
        return known
    await _look(log, known, NOTICES, p.notice, partition_of(known.wanted.user, partitions))
    offsets = {hop.name: int(hop.facts["offset"]) for hop in known.hops}
    await _look(log, known, DLQ, p.dead(offsets))
    return known


async def _submitted(
    log: Log, partition: int, comment_id: str, stream: str | None, since_ms: int
) -> Path | None:
    """Find where it was submitted first, and how often again."""
    found: Path | None = None
    async for offset, at_ms, record in _records(log, SUBMITTED, partition, since_ms):
        if found is not None and at_ms > found.wanted.at_ms + RETRIES_MS:
            return found
        match p.submitted(comment_id, stream, record):
            case (index, item) if found is None:
                wanted = Wanted(comment_id, item["stream_id"], item["user_id"], partition, at_ms)
                place = {"offset": offset, "index": index, "gateway": record["gateway"]}
                found = Path(wanted)
                found.hops.append(
                    Hop(SUBMITTED.name, f"{partition}@{offset}.{index}", at_ms, "acknowledged", place)
                )
            case (_, _) if found is not None:
                found.retries += 1
    return found


async def _look(log: Log, found: Path, topic: Topic, match: Match, partition: int | None = None) -> None:
    """Add the hop of one topic, if there is one."""
    where = found.wanted.partition if partition is None else partition
    fence = p.fence_of(topic.name)
    async for offset, at_ms, record in _records(log, topic, where, found.wanted.at_ms):
        if fence is not None and not fence.admits(offset, record):
            continue
        said = match(found.wanted, record)
        if said is not None:
            facts = {"offset": offset} | dict(said[1])
            found.hops.append(Hop(topic.name, f"{where}@{offset}", at_ms, said[0], facts))
            return


async def _records(
    log: Log, topic: Topic, partition: int, since_ms: int
) -> AsyncIterator[tuple[int, int, Mapping[str, Any]]]:
    """Yield (offset, time, record) from a time to the end now; what is no record is passed over."""
    start = await log.offset_at(topic.name, partition, since_ms)
    end = min(await log.end_offset(topic.name, partition), start + RECORDS_MAX)
    decode = codec(topic.record).decode
    async for row in log.read(topic.name, partition, start, end):
        try:
            yield row.offset, row.timestamp, decode(row.value)
        except UndecodableError:
            continue


async def _archived(settings: Settings, wanted: Wanted) -> Hop:
    name = f"archive ({settings.archive.kind})"
    try:
        async with _opened(settings) as archive:
            rows = await archive.raw(wanted.stream, wanted.epoch, wanted.seq, wanted.seq)
            page = await archive.read(
                wanted.stream, from_seq=wanted.seq, to_seq=wanted.seq, epoch=wanted.epoch, limit=1
            )
    except (ArchiveError, ArchiveUnavailable, OSError, TimeoutError) as error:
        return Hop(name, "", -1, f"cannot be read: {error or type(error).__name__}", {"has": None})
    if not any(row["id"] == wanted.id for row in rows):
        return Hop(name, "", -1, "does not have it: persist is behind, or it has expired", {"has": False})
    shown = page is not None and any(event["id"] == wanted.id for event in page.events)
    words = "has it" if shown else "has it, and shows it to nobody: deleted, cleared, or its author's alone"
    return Hop(name, "", -1, words, {"has": True, "shown": shown})


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Archive]:
    archive = open_archive(settings)
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            await archive.open()
        yield archive
    finally:
        await archive.close()


async def _window(settings: Settings, wanted: Wanted) -> Hop:
    """Say whether the window still has it, and who watches."""
    redis = redis_client(settings.redis)
    try:
        rows: Any = await redis.zrangebyscore(
            stores.window(wanted.stream, wanted.epoch), wanted.seq, "+inf", start=0, num=1
        )
        viewers, edges = await redis.hmget(stores.live(wanted.stream), "viewers", "edges")
    except (OSError, TimeoutError) as error:
        return Hop("window (Redis)", "", -1, f"cannot be read: {type(error).__name__}", {"has": None})
    finally:
        await redis.aclose()
    segment = codec(FANOUT.record).decode(rows[0]) if rows else None
    has = segment is not None and segment["from_seq"] < wanted.seq
    watching = f"; {int(viewers)} watch on {int(edges or 0)} edges" if viewers is not None else ""
    words = "has it for who comes back" if has else "has it no more (15 minutes), or not yet"
    facts = {"has": has, "viewers": int(viewers) if viewers is not None else None}
    return Hop("window (Redis)", "", -1, words + watching, facts)


def _show(found: Path) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    wanted = found.wanted
    console = Console(highlight=False, markup=False, soft_wrap=True)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(wanted.at_ms / 1000))
    console.print(f"{wanted.id} by {wanted.user} on {wanted.stream}, {when}.{wanted.at_ms % 1000:03} UTC")
    console.print(found.outcome + (f"; submitted {found.retries} times more" if found.retries else ""))
    table = Table(box=None, pad_edge=False)
    table.add_column("ms", justify="right")
    for heading in ("where", "place", ""):
        table.add_column(heading)
    for hop in found.hops:
        after = f"+{hop.at_ms - wanted.at_ms}" if hop.at_ms >= 0 else ""
        table.add_row(after, hop.name, hop.place, hop.what)
    console.print(table)


def _run(work: Any, settings: Settings) -> Path | None:
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    try:
        found: Path | None = asyncio.run(work)
    except (KafkaError, StageError, OSError) as error:
        where = settings.kafka.bootstrap
        raise Failure(
            Exit.NOT_RUNNING, f"the log at {where} cannot be read: {error}; is the stack up?"
        ) from error
    return found
