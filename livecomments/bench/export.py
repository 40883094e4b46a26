"""The export's part of ``livecomments bench archive``: rows a second out of an archive into Parquet."""

import time
from collections.abc import Sequence
from pathlib import Path

from livecomments.bench.figures import Figure
from livecomments.export.directory import Directory
from livecomments.export.request import Request
from livecomments.export.run import export
from livecomments.export.source import Source
from schemas.archive import Archive

ROWS_PER_S = 1_000_000 / 30
FOR_EVER = 2**53
"""A time behind everything, ms since 1970."""


async def measure_export(store: Archive, out: Path, name: str, streams: Sequence[str]) -> Sequence[Figure]:
    """Export streams (none: all there are) into a new directory; what is asked is asked of those named."""
    directory, request = Directory(out), Request("bench", "parquet", tuple(streams))
    begun = (time.perf_counter(), time.process_time())
    with directory.taken():
        note = directory.begin(request, FOR_EVER)
        note = await export(Source(store, request.streams, None, FOR_EVER), directory, note)
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    rate = note.rows / wall
    return (
        Figure(name, rate, "rows/s", *((ROWS_PER_S, rate >= ROWS_PER_S) if streams else (None, None))),
        Figure(f"{name}_client_cpu", 1e6 * cpu / note.rows, "µs/row"),
        Figure(f"{name}_size", note.bytes / note.rows, "bytes/row"),
    )
