"""``livecomments archive``: hold the archive against the log, and repair it from there.

Beside it: ``livecomments migrate``, which makes and changes the archive's schema, and ``livecomments erase``.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import typer

from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack.addresses import stack_settings
from schemas.archive import Archive, ArchiveError, ArchiveUnavailable, open_archive
from schemas.logs import configure
from schemas.routing import partition_of
from schemas.settings import Settings

T = TypeVar("T")
OPEN_SECONDS = 20.0
MIGRATE_SECONDS = 90.0
RETRY_SECONDS = 1.0
EXPIRY_MARGIN_MS = 3_600_000
"""What is about to expire is not looked for either."""
DAY_MS = 86_400_000

app = typer.Typer(help="Hold the archive against the log, and repair it from there.", no_args_is_help=True)

Stream = Annotated[str, typer.Argument(metavar="STREAM", help="The stream's id.")]
Epoch = Annotated[
    str | None, typer.Option("--epoch", metavar="E", help="Look at this epoch alone. Default: all.")
]


def migrate(port_base: PortBase = None, data: DataDir = None, json_: Json = False) -> None:
    """Bring the archive's schema to this version's. `up` does it too.

    One migration runs at a time, and each may be run again after it broke off. Stages and the API wait for
    the schema, and refuse one that is unfinished or of another version.
    """
    settings = stack_settings(port_base, data)
    done = run(_migrate(settings), settings)
    if json_:
        typer.echo(json.dumps({"kind": settings.archive.kind, "done": done}))
    else:
        typer.echo("\n".join(done) if done else "the archive's schema is this version's already")


@app.command()
def check(
    stream: Stream,
    epoch: Epoch = None,
    port_base: PortBase = None,
    data: DataDir = None,
    json_: Json = False,
) -> None:
    """Compare a stream's archive with comments.sequenced, number by number.

    Exits with 15 when the archive has a hole, an event too few or another content. Events at the end that
    are not written yet are counted as «behind», and are no fault: persist may be at work.
    """
    from agents.kafka import KafkaLog  # noqa: PLC0415 - `--help` must be fast
    from livecomments import reconcile  # noqa: PLC0415

    settings = stack_settings(port_base, data)

    async def work() -> Any:
        async with opened(settings) as archive, KafkaLog(settings.kafka, OPEN_SECONDS) as log:
            since, partition = _expired_before(settings), partition_of(stream, settings.kafka.partitions)
            return await reconcile.check(archive, log, stream, partition, epoch=epoch, since_ms=since)

    found = run(work(), settings)
    if not found:
        which = f"epoch {epoch} of {stream}" if epoch else stream
        raise Failure(Exit.FAILURE, f"neither the log nor the archive knows {which}")
    ok = all(each.ok for each in found)
    if json_:
        rows = [asdict(each) | {"ok": each.ok} for each in found]
        typer.echo(json.dumps({"stream": stream, "ok": ok, "epochs": rows}))
    else:
        for each in found:
            typer.echo(_line(each))
    if not ok:
        raise typer.Exit(Exit.ANOMALIES)


@app.command()
def repair(
    stream: Stream,
    epoch: Epoch = None,
    port_base: PortBase = None,
    data: DataDir = None,
    json_: Json = False,
) -> None:
    """Write what comments.sequenced has of a stream and the archive has not.

    It can be run while persist writes: both write the same. What the log no longer has cannot be repaired;
    a different content is reported by `check` and never overwritten.
    """
    from agents.kafka import KafkaLog  # noqa: PLC0415
    from livecomments import reconcile  # noqa: PLC0415

    settings = stack_settings(port_base, data)

    async def work() -> int:
        async with opened(settings) as archive, KafkaLog(settings.kafka, OPEN_SECONDS) as log:
            partition = partition_of(stream, settings.kafka.partitions)
            return await reconcile.repair(archive, log, stream, partition, epoch=epoch)

    written = run(work(), settings)
    typer.echo(json.dumps({"stream": stream, "written": written}) if json_ else f"{written} events written")


def erase(
    user: Annotated[str, typer.Option("--user", metavar="ID", help="Whose content.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    port_base: PortBase = None,
    data: DataDir = None,
    json_: Json = False,
) -> None:
    """Blank what a user wrote, and their name, in the archive, for good.

    Texts, stickers, names and the reasons of commands go; numbers, times and the user's id stay, so that
    every stream keeps its order. No replay of the log brings the content back.

    Limits. What is archived for the first time afterwards is not covered: run it again when `archive check`
    shows that nothing is behind. The catch-up window in Redis forgets after 15 minutes by itself,
    comments.fanout after an hour, comments.submitted, ingested and moderated after 6 hours,
    comments.sequenced, flat and dlq after 7 days, moderation.audit (ids and reasons, no comments) after
    365 days. Cassandra's files keep the old bytes until they are compacted («nodetool garbagecollect
    livecomments» does it at once); backups and exports are yours to mind.
    """
    settings = stack_settings(port_base, data)
    if not yes:
        typer.confirm(f"Blank everything {user} wrote, on every stream, for good?", abort=True)

    async def work() -> int:
        async with opened(settings) as archive:
            return await archive.erase_user(user)

    rows = run(work(), settings)
    typer.echo(json.dumps({"user": user, "rows": rows}) if json_ else f"{rows} events blanked")


async def _migrate(settings: Settings) -> list[str]:
    """Migrate; a store that does not answer yet gets some time."""
    archive = open_archive(settings)
    try:
        async with asyncio.timeout(MIGRATE_SECONDS):
            while True:
                try:
                    return list(await archive.migrate())
                except ArchiveUnavailable as error:
                    last = error
                await asyncio.sleep(RETRY_SECONDS)
    except TimeoutError:
        raise last from None
    finally:
        await archive.close()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Archive]:
    """Open the archive, which must be there and answer in time."""
    if settings.archive.kind == "sqlite" and not settings.archive_path.exists():
        raise Failure(Exit.NOT_RUNNING, f"{settings.archive_path}: there is no archive here; name its --data")
    archive = open_archive(settings)
    try:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await archive.open()
        except TimeoutError:
            raise ArchiveUnavailable(f"no answer within {OPEN_SECONDS:.0f} s") from None
        yield archive
    finally:
        await archive.close()


def _expired_before(settings: Settings) -> int:
    """Return the time, ms since 1970, before which events need not be in the archive."""
    days = settings.archive.retention_days
    return 0 if days is None else round(time.time() * 1000) - days * DAY_MS + EXPIRY_MARGIN_MS


def _line(each: Any) -> str:
    log = f"({each.log[0]}, {each.log[1]}]" if each.log else "nothing"
    said = f"{each.epoch}: log {log}, archive to {each.archive_seq}, {each.checked} compared"
    for name, value in (
        ("behind", each.behind),
        ("holes", each.holes),
        ("lost", each.lost),
        ("gaps in the log", each.log_gaps),
        ("different", each.differences and f"{each.differences}, e.g. {each.different[:10]}"),
        ("erased", each.erased),
    ):
        if value:
            said += f"; {name}: {value}"
    return f"{said}: {'as the log' if each.ok else 'NOT as the log'}"


def run(work: Coroutine[Any, Any, T], settings: Settings) -> T:
    """Run to the end; what the stores say becomes one line."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    from agents.errors import StageError  # noqa: PLC0415

    configure(settings.log, "archive")
    try:
        return asyncio.run(work)
    except ArchiveError as error:
        raise Failure(Exit.FAILURE, str(error)) from error
    except ArchiveUnavailable as error:
        raise Failure(Exit.NOT_RUNNING, f"the archive does not answer: {error}; is the stack up?") from error
    except (KafkaError, StageError) as error:
        where = settings.kafka.bootstrap
        raise Failure(
            Exit.NOT_RUNNING, f"the log at {where} cannot be read: {error}; is the stack up?"
        ) from error
