"""Chat logs: one message a line, ``{"t_ms", "user", "text"}`` with more or less else. Reading and spreading.

Logs with whole-second times would arrive in bursts at each second's beginning; their messages are spread
evenly within their second, in order. Pure but for :func:`read`, which reads the file as it goes: a log may
be larger than memory.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any

from livecomments.client.names import name_of
from livecomments.exits import Exit, Failure
from schemas.items import NAME_CHARS_MAX

LINE_BYTES_MAX = 64 * 1024
USER_CHARS_MAX = 128
SECOND_MS = 1_000
SPREAD_ROWS_MAX = 10_000
"""Of one second; what comes beyond keeps its order at the second's end."""
GZIP = b"\x1f\x8b"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody says something. ``t_ms``: since the log's beginning; ``role``: viewer, creator, moderator."""

    t_ms: int
    user: str
    name: str
    text: str
    role: str = "viewer"


class LineError(ValueError):
    """The file's fault: a line that is no message."""


def parse(line: bytes) -> Message:
    """Return a line's message; an author without a ``name`` is given one that reads well.

    Raises:
        LineError: with what is wrong.

    """
    try:
        row = json.loads(line)
    except ValueError as error:
        raise LineError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise LineError("not an object")
    user, name = _text(row, "user", USER_CHARS_MAX), row.get("name")
    text = row.get("text")
    if not isinstance(text, str):
        raise LineError("text is not a string")
    return Message(
        t_ms=_time(row.get("t_ms")),
        user=user,
        name=name_of(user) if name is None else _text(row, "name", NAME_CHARS_MAX),
        text=text,
    )


def ordered(messages: Iterable[Message]) -> Iterator[Message]:
    """Let no message be earlier than the one before it: a log's order counts, not its clock."""
    last = 0
    for message in messages:
        last = max(last, message.t_ms)
        yield message if message.t_ms == last else replace(message, t_ms=last)


def spread(messages: Iterable[Message]) -> Iterator[Message]:
    """Spread the messages of each second whose times are all whole evenly over it; order stays."""
    for second, group in groupby(messages, key=lambda message: message.t_ms // SECOND_MS):
        rows = list(islice(group, SPREAD_ROWS_MAX))
        if all(row.t_ms % SECOND_MS == 0 for row in rows):
            begin_ms = second * SECOND_MS
            rows = [replace(row, t_ms=begin_ms + n * SECOND_MS // len(rows)) for n, row in enumerate(rows)]
        yield from rows
        # More than that in one second: they follow at once, at its end.
        yield from (replace(row, t_ms=rows[-1].t_ms) for row in group)  # noqa: B031 - the rest of it


def read(path: Path) -> Iterator[Message]:
    """Read a log, plain or gzipped, ready to be played: in order, spread.

    Raises:
        Failure: it cannot be read, or a line is no message; the line's number is in the words.

    """
    try:
        with path.open("rb") as file:
            yield from spread(ordered(_messages(path, _unzipped(file))))
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Failure(Exit.BAD_FILE, f"{path} cannot be read: {reason}") from error


def _unzipped(file: IO[bytes]) -> IO[bytes]:
    zipped = file.read(len(GZIP)) == GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if zipped else file  # type: ignore[return-value]


def _messages(path: Path, file: IO[bytes]) -> Iterator[Message]:
    for number in range(1, 1 << 62):
        line = file.readline(LINE_BYTES_MAX + 1)
        if not line:
            return
        if len(line) > LINE_BYTES_MAX:
            raise Failure(Exit.BAD_FILE, f"{path}, line {number}: longer than {LINE_BYTES_MAX // 1024} KiB")
        if line.isspace():
            continue
        try:
            yield parse(line)
        except LineError as error:
            hint = 'a chat log has one {"t_ms": 0, "user": "…", "text": "…"} a line'
            raise Failure(Exit.BAD_FILE, f"{path}, line {number}: {error}; {hint}") from error


def _time(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise LineError("t_ms is not a number of milliseconds since the beginning")
    return int(value)


def _text(row: dict[str, Any], name: str, chars_max: int) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= chars_max or _UNPRINTABLE.search(value):
        raise LineError(f"{name} is not 1 to {chars_max} printable characters")
    return value
