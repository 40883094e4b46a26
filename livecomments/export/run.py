"""An export from its note to its end: events into parts, parts into files, and the note behind them.

A part begins at a position and has `ROWS_PER_PART` rows, whoever writes it and however often it was broken
off; so the files of an export are the same to the byte as if nothing had happened, as long as the archive is.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from livecomments.export.directory import DAY_MS, Directory, file_name
from livecomments.export.formats import ENCODERS, Encoder
from livecomments.export.request import Format, Note, Position
from livecomments.export.source import Chunk, Source
from schemas.records import Event

ROWS_PER_PART = 250_000
"""Some 70 MB in memory, 10 MB on disk. What a crash costs is less than one."""

Progress = Callable[[Note, int], None]
"""Told how far it is, and the rows of the part under way."""


class Part:
    """Rows that are not written yet, by the day they are of."""

    def __init__(self, format_: Format) -> None:
        self.rows = 0
        self._encoder = ENCODERS[format_]
        self._days: dict[int, Encoder] = {}

    def add(self, chunk: Chunk) -> None:
        """Take a chunk's events."""
        days: dict[int, list[Event]] = {}
        for event in chunk.events:
            days.setdefault(event["at"] // DAY_MS, []).append(event)
        for day, events in days.items():
            if day not in self._days:
                self._days[day] = self._encoder()
            self._days[day].add(chunk.listed.stream_id, chunk.listed.epoch, events)
        self.rows += len(chunk.events)

    def write(self, directory: Directory, number: int) -> int:
        """Write a file a day; return their bytes."""
        return sum(
            directory.put(file_name(day, number, encoder.suffix), encoder.write)
            for day, encoder in sorted(self._days.items())
        )


async def export(
    source: Source,
    directory: Directory,
    note: Note,
    tell: Progress = lambda _note, _rows: None,
    rows_per_part: int = ROWS_PER_PART,
) -> Note:
    """Go on from ``note`` to the end; return the last note.

    Raises:
        RequestError: see `Source.chunks` and `Directory.put`.
        ArchiveUnavailable: the archive does not answer; what was written stands, run it again.

    """
    part = Part(note.request.format)

    async def close(position: Position, *, finished: bool = False) -> None:
        nonlocal note, part
        written = await asyncio.to_thread(part.write, directory, note.parts)
        note = replace(
            note,
            parts=note.parts + bool(part.rows),
            rows=note.rows + part.rows,
            bytes=note.bytes + written,
            position=position,
            finished=finished,
        )
        await asyncio.to_thread(directory.save, note)
        part = Part(note.request.format)

    async with aclosing(source.chunks(note.position)) as chunks:
        async for chunk in chunks:
            rest = chunk
            while part.rows + len(rest.events) >= rows_per_part:
                room = rows_per_part - part.rows
                part.add(rest._replace(events=rest.events[:room]))
                after = rest.events[room - 1]["seq"] + 1
                await close(Position(chunk.behind, chunk.listed.stream_id, chunk.listed.epoch, after))
                rest = rest._replace(events=rest.events[room:])
            if rest.events:
                part.add(rest)
            tell(note, part.rows)
    await close(note.position, finished=True)
    tell(note, 0)
    return note
