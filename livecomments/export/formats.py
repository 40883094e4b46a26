"""Events into a file: Parquet, JSON lines or CSV. An encoder holds one file's content.

The columns of Parquet and CSV are `COLUMNS`: a row is a comment, or with another ``type`` what a moderator
did.
A line of JSON is an event as viewers get it (`schemas.views`), with its stream and epoch before it.
"""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import IO, Any, ClassVar

from livecomments.export.request import Format
from schemas.records import Event
from schemas.views import event_view

COLUMNS: dict[str, str] = {
    "stream_id": "string",
    "epoch": "string",
    "seq": "int64",
    "type": "string",
    "time": "timestamp",
    "id": "string",
    "user_id": "string",
    "user_name": "string",
    "role": "string",
    "text": "string",
    "sticker": "string",
    "target": "string",
    "seconds": "int64",
    "reason": "string",
    "settings": "string",
}
"""Name → type. ``text`` and ``sticker`` are of comments, ``target`` and what follows of all else.

``time`` is the event's ``at``, which is a keyword of SQL (DuckDB 2.0 takes it in quotes alone).
"""
ROWS_PER_BATCH = 8_192
"""Rows that are made columns together: a batch costs as much as some hundred rows."""
ROWS_PER_GROUP = 65_536
"""Of a row group in Parquet: what a reader takes at once, and what its statistics let it skip."""

Row = tuple[Any, ...]


class Encoder(ABC):
    """Takes events in order, and writes them to a file in the end."""

    suffix: ClassVar[str]

    @abstractmethod
    def add(self, stream_id: str, epoch: str, events: Iterable[Event]) -> None:
        """Take events of one epoch of a stream."""

    @abstractmethod
    def write(self, file: IO[bytes]) -> None:
        """Write all of them. The same events make the same bytes."""


class Parquet(Encoder):
    """Columns, compressed with zstd; needs pyarrow."""

    suffix = "parquet"

    def __init__(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import

        kinds = {"string": pa.string(), "int64": pa.int64(), "timestamp": pa.timestamp("ms", tz="UTC")}
        self._schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
        self._batches: list[Any] = []
        self._rows: list[Row] = []

    def add(self, stream_id: str, epoch: str, events: Iterable[Event]) -> None:
        """Take events; they are columns soon."""
        self._rows.extend(row(stream_id, epoch, event) for event in events)
        if len(self._rows) >= ROWS_PER_BATCH:
            self._pack()

    def write(self, file: IO[bytes]) -> None:
        """Write one table."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._pack()
        table = pa.Table.from_batches(self._batches, self._schema)
        pq.write_table(table, file, compression="zstd", row_group_size=ROWS_PER_GROUP)

    def _pack(self) -> None:
        import pyarrow as pa  # noqa: PLC0415

        if self._rows:
            columns = [
                pa.array(values, field.type)
                for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
            ]
            self._batches.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
            self._rows = []


class JsonLines(Encoder):
    """One object a line."""

    suffix = "jsonl"

    def __init__(self) -> None:
        self._text = io.BytesIO()

    def add(self, stream_id: str, epoch: str, events: Iterable[Event]) -> None:
        """Take events as lines."""
        place = {"stream_id": stream_id, "epoch": epoch}
        lines = [_line(place | event_view(event)) for event in events]
        self._text.write("".join(lines).encode())

    def write(self, file: IO[bytes]) -> None:
        """Write the lines."""
        file.write(self._text.getbuffer())


class Csv(Encoder):
    """As RFC 4180 has it, with a header; times in ISO 8601, what is not there is empty."""

    suffix = "csv"

    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def add(self, stream_id: str, epoch: str, events: Iterable[Event]) -> None:
        """Take events as lines."""
        for event in events:
            values = list(row(stream_id, epoch, event))
            at = datetime.fromtimestamp(event["at"] / 1000, UTC)
            values[_TIME] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._writer.writerow(values)

    def write(self, file: IO[bytes]) -> None:
        """Write the lines."""
        file.write(self._text.getvalue().encode())


ENCODERS: dict[Format, Callable[[], Encoder]] = {"parquet": Parquet, "jsonl": JsonLines, "csv": Csv}
_TIME = list(COLUMNS).index("time")
_NONE: Sequence[None] = (None,) * 4


def row(stream_id: str, epoch: str, event: Event) -> Row:
    """Return an event's values in the order of `COLUMNS`, as readers may see it."""
    is_comment = event["type"] == "comment"
    arguments: Sequence[Any] = _NONE
    if not is_comment:
        view = event_view(event)
        settings = json.dumps(view["settings"], ensure_ascii=False) if "settings" in view else None
        arguments = (view.get("target"), view.get("seconds"), view.get("reason"), settings)
    return (
        stream_id,
        epoch,
        event["seq"],
        event["type"],
        event["at"],
        event["id"],
        event["user_id"],
        event["user_name"],
        event["role"],
        event["text"] if is_comment else None,
        event["sticker"],
        *arguments,
    )


def _line(view: dict[str, Any]) -> str:
    return json.dumps(view, ensure_ascii=False, separators=(",", ":")) + "\n"
