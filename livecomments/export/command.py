"""``livecomments export``: write what the archive has of streams or of a time, as files for analysts."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from livecomments.archive import opened, run
from livecomments.exits import Exit, Failure
from livecomments.export.directory import Directory
from livecomments.export.request import Format, Note, Request, RequestError, check_range, moment
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack.addresses import stack_settings
from schemas.settings import Settings

TELL_SECONDS = 5.0
"""Between two lines where there is no terminal."""

Streams = Annotated[list[str] | None, typer.Argument(metavar="[STREAM]...", help="Default: all.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Begin here: 2026-11-25, or with T18:30Z.")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="End before this. Default: when it was begun.")
]


def export(  # noqa: PLR0917 - Typer calls it by name
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new directory, or one to go on in.")],
    streams: Streams = None,
    since: Since = None,
    until: Until = None,
    format_: Annotated[
        Format, typer.Option("--format", help="parquet needs the extra «export».")
    ] = "parquet",
    port_base: PortBase = None,
    data: DataDir = None,
    json_: Json = False,
) -> None:
    """Write what the archive has of streams, or of a time, as files that DuckDB, pandas and Spark read.

    Deletes, clears and shadow bans are applied as everywhere. The files are
    DIR/date=YYYY-MM-DD/part-N.parquet, a row a comment or moderation event. An export that was broken off
    goes on when the same command is run again; one that is finished is left as it is.

    An export is a copy: what is deleted or erased after its part was written stays in it.
    """
    settings = stack_settings(port_base, data)
    if format_ == "parquet" and find_spec("pyarrow") is None:
        raise Failure(
            Exit.MISSING_PACKAGE,
            "parquet needs pyarrow: pip install 'livecomments[export]', or take --format jsonl or csv",
        )
    try:
        request = Request(
            _archive(settings),
            format_,
            tuple(sorted(set(streams or ()))),
            None if since is None else moment(since, "--since"),
            None if until is None else moment(until, "--until"),
        )
        end = round(time.time() * 1000) if request.until is None else request.until
        check_range(request.since, end)
    except RequestError as error:
        raise Failure(Exit.USAGE, str(error)) from error
    note = run(_export(settings, request, out, end), settings)
    if json_:
        size = {"rows": note.rows, "bytes": note.bytes, "parts": note.parts}
        typer.echo(json.dumps({"directory": str(out), "format": format_, **size}))
    else:
        typer.echo(f"{out}: {note.rows:,} rows, {note.bytes / 1e6:,.1f} MB, in {note.parts} parts")


async def _export(settings: Settings, request: Request, out: Path, until: int) -> Note:
    from livecomments.export.run import export as work  # noqa: PLC0415 - `--help` must be fast
    from livecomments.export.source import Source  # noqa: PLC0415

    directory = Directory(out)
    try:
        async with opened(settings) as archive:
            source = Source(archive, request.streams, request.since, until)
            await source.check()
            with directory.taken():
                note = directory.begin(request, until)
                if note.finished:
                    return note
                await _caught_up(settings)
                source = Source(archive, request.streams, request.since, note.until)
                async with _told() as told:
                    return await work(source, directory, note, told)
    except RequestError as error:
        raise Failure(Exit.FAILURE, str(error)) from error
    except asyncio.CancelledError:
        raise Failure(Exit.INTERRUPTED, f"stopped; the same command goes on in {out}") from None


async def _caught_up(settings: Settings) -> None:
    """Refuse to read an archive that is behind its log: what it shows might have been deleted."""
    from livecomments.export import behind  # noqa: PLC0415

    records = await behind.wait(settings.kafka)
    if records:
        raise Failure(
            Exit.NOT_READY,
            f"the archive is {records} records behind its log, and deletes may be among them: see that "
            "persist runs («livecomments status»), then run the same command again",
        )
    if records is None:
        _say(f"no log at {settings.kafka.bootstrap}: exporting what the archive has")


def _archive(settings: Settings) -> str:
    if settings.archive.kind == "sqlite":
        return f"sqlite {settings.archive_path.absolute()}"
    cassandra = settings.cassandra
    return f"cassandra {','.join(sorted(cassandra.hosts))}:{cassandra.port}/{cassandra.keyspace}"


@dataclass(slots=True)
class _Told:
    """Shows how far it is: a line that changes on a terminal, and else one now and then."""

    status: Status | None
    _begun: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)
    _first: int | None = None

    def __call__(self, note: Note, rows: int) -> None:
        now, done = time.monotonic(), note.rows + rows
        if self._first is None:
            self._first = note.rows  # what an earlier run wrote
        rate = (done - self._first) / max(now - self._begun, 0.001)
        line = f"{done:,} rows ({rate:,.0f} a second), {note.parts} parts, {note.bytes / 1e6:,.1f} MB"
        if self.status is not None:
            self.status.update(line)
        elif now - self._said >= TELL_SECONDS:
            self._said = now
            _say(line)


@asynccontextmanager
async def _told() -> AsyncIterator[_Told]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Told(None)
        return
    with console.status("reading the archive …") as status:
        yield _Told(status)


def _say(line: str) -> None:
    typer.echo(f"livecomments: {line}", err=True)
