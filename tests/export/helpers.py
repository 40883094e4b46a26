"""What the export's tests share."""

import json
from pathlib import Path
from typing import Any

from livecomments.export.directory import Directory
from livecomments.export.request import Format, Note, Request
from livecomments.export.run import export
from livecomments.export.source import Source
from schemas.archive import Archive

DAY_MS = 86_400_000
FIRST_MS = 20_000 * DAY_MS
"""The beginning of 2024-10-04."""
FOR_EVER = 2**53
SHOWN_ROWS = 2 * (40 - 1 - 1 - 6) + 5 + 30
"""Of the archive in `conftest`: without what is deleted, shadowed, and cleared (u1's up to 20, of which one
is the moderator's event at 10 and none is 3)."""


async def run(
    archive: Archive, out: Path, *streams: str, format_: Format = "jsonl", rows: int = 10, **span: int
) -> Note:
    """Export into a directory, going on where it stands."""
    until = span.get("until", FOR_EVER)
    directory, request = Directory(out), Request("a", format_, streams, span.get("since"), until)
    with directory.taken():
        note = directory.begin(request, until)
        return await export(
            Source(archive, streams, request.since, until), directory, note, rows_per_part=rows
        )


def lines(out: Path) -> list[dict[str, Any]]:
    """Return the rows of an export in JSON lines, a part behind the other."""
    files = sorted(out.glob("date=*/*.jsonl"), key=lambda path: (path.name, path.parent.name))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def contents(out: Path) -> dict[str, bytes]:
    """Return every file's bytes."""
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
