"""The directory of an export: its files, and the note that says how far it got.

``date=2026-11-25/part-00000.parquet``: a part is so many rows in the archive's order, and has a file for each
day it touches. A file appears whole or not at all; the note is written behind the files of a part, so that
whoever comes after a crash writes that part again, to the same names and the same bytes. ``_SUCCESS`` comes
last. Readers pass over names that begin with ``_`` or ``.``.
"""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO

from livecomments.export.request import Note, Request, RequestError

NOTE = "_export.json"
SUCCESS = "_SUCCESS"
DAY_MS = 86_400_000
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC).date()


class Directory:
    """One export's directory, taken by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Make it if need be, and keep other exports out.

        Raises:
            RequestError: it cannot be used, or another export is at work in it.

        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestError(f"{self.path}: another export is at work there") from None
        else:
            yield
        finally:
            os.close(handle)

    def read(self) -> Note | None:
        """Return the note of an earlier run; None: nothing is there yet.

        Raises:
            RequestError: there is something else.

        """
        path = self.path / NOTE
        try:
            return Note.of_json(dict(json.loads(path.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            if any(each.suffix != ".tmp" for each in self.path.iterdir()):
                raise RequestError(f"{self.path}: it is not empty, and no export: name another") from None
            return None
        except RequestError as error:
            raise RequestError(f"{path}: {error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise RequestError(f"{path}: it cannot be read: name another directory") from error

    def begin(self, request: Request, until: int) -> Note:
        """Return where this request stands here, having cleared away what a crash left of its next part.

        Raises:
            RequestError: the directory holds an export of something else, or cannot be written.

        """
        note = self.read()
        if note is None:
            note = Note(request, until)
            self.save(note)
        elif different := note.request.differences(request):
            raise RequestError(
                f"{self.path}: it holds an export of something else ({', '.join(different)}): name another"
            )
        for left in (*self.path.glob(f"date=*/part-{note.parts:05d}.*"), *self.path.glob("date=*/*.tmp")):
            left.unlink()
        return note

    def save(self, note: Note) -> None:
        """Write the note, durably."""
        text = json.dumps(note.to_json(), indent=1).encode() + b"\n"
        self.put(Path(NOTE), lambda file: file.write(text))
        if note.finished:
            self.put(Path(SUCCESS), lambda _: None)

    def put(self, name: Path, write: Callable[[IO[bytes]], object]) -> int:
        """Write a file whole and durably; return its size.

        Raises:
            RequestError: it cannot be written (but a full disk is OSError).

        """
        path = self.path / name
        part = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(exist_ok=True)
            with part.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            part.replace(path)
            _sync(path.parent)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            if error.errno in _FULL:
                raise
            raise self._unusable(error) from error
        return size

    def _unusable(self, error: OSError) -> RequestError:
        return RequestError(f"{self.path}: it cannot be written ({error.strerror}): name another directory")


def file_name(day: int, part: int, suffix: str) -> Path:
    """Return where a part's rows of a day are. ``day``: days since 1970."""
    return Path(f"date={date_of(day).isoformat()}") / f"part-{part:05d}.{suffix}"


def date_of(day: int) -> date:
    """Return the date of so many days since 1970."""
    return _FIRST_DAY + timedelta(days=day)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
