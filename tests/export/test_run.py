"""An export is the same whatever happens to it on its way."""

import json
from pathlib import Path
from typing import Any

import pytest

from livecomments.export.directory import NOTE, SUCCESS, Directory, date_of
from livecomments.export.request import Format, Request
from schemas.archive import Archive, ArchiveUnavailable
from schemas.archive.sqlite import SqliteArchive
from tests.archive.events import order, segment
from tests.export.helpers import DAY_MS, FIRST_MS, SHOWN_ROWS, contents, lines, run


class CrashError(BaseException):
    """The process ends here."""


async def test_parts_and_days(archive: Archive, tmp_path: Path) -> None:
    """A part has so many rows, whatever they are of, and its files are by day."""
    note = await run(archive, tmp_path / "out", rows=10)
    assert (note.rows, note.parts, note.finished) == (SHOWN_ROWS, -(-SHOWN_ROWS // 10), True)
    found = lines(tmp_path / "out")
    assert len(found) == SHOWN_ROWS
    assert {path.parent.name for path in (tmp_path / "out").glob("date=*/*")} == {
        f"date=2024-10-0{day}" for day in (4, 5, 6, 7)
    }
    for file in (tmp_path / "out").glob("date=*/*.jsonl"):
        days = {json.loads(line)["at"] // DAY_MS for line in file.read_text("utf-8").splitlines()}
        assert [f"date={date_of(day)}" for day in days] == [file.parent.name]
    assert sum(len(data) for name, data in contents(tmp_path / "out").items() if "date" in name) == note.bytes


@pytest.mark.parametrize("format_", ["parquet", "jsonl", "csv"])
async def test_a_crash_anywhere_changes_nothing(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: Format
) -> None:
    """Ended before any file is put in its place, it goes on, and the directory is the same to the byte."""
    await run(archive, tmp_path / "whole", format_=format_, rows=25)
    whole, put, left = contents(tmp_path / "whole"), Directory.put, 0

    def crashing(self: Directory, name: Path, write: Any) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            half = self.path / name.with_name(f".{name.name}.tmp")
            half.parent.mkdir(exist_ok=True)
            half.write_bytes(b"half")
            raise CrashError
        return put(self, name, write)

    monkeypatch.setattr(Directory, "put", crashing)
    for crash_at in range(2, len(whole)):  # the note and one file are there
        out = tmp_path / f"{format_}-{crash_at}"
        left = crash_at
        with pytest.raises(CrashError):
            await run(archive, out, format_=format_, rows=25)
        assert not (out / SUCCESS).exists()
        left = 1_000
        await run(archive, out, format_=format_, rows=25)
        assert contents(out) == whole


async def test_an_archive_that_goes_away(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written stands; the next run goes on there."""
    await run(archive, tmp_path / "whole")
    read, left = SqliteArchive.read, 20

    async def failing(self: SqliteArchive, *args: Any, **asked: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ArchiveUnavailable("gone")
        return await read(self, *args, **asked)

    monkeypatch.setattr(SqliteArchive, "read", failing)
    with pytest.raises(ArchiveUnavailable):
        await run(archive, tmp_path / "out")
    assert (tmp_path / "out" / NOTE).exists()
    left = 1_000
    await run(archive, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


async def test_what_a_crash_left_of_a_part_is_cleared_away(archive: Archive, tmp_path: Path) -> None:
    """A file of the part under way on a day that it touches no more does not stay."""
    out = tmp_path / "out"
    directory = Directory(out)
    out.mkdir()
    directory.begin(Request("a", "jsonl", (), None, 2**53), 2**53)
    stray = out / "date=1999-01-01" / "part-00000.jsonl"
    stray.parent.mkdir()
    stray.write_text("{}\n")
    await run(archive, out)
    assert not stray.exists()


async def test_deletes_between_two_runs_bind_what_is_not_written_yet(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is read anew, so that it shows nothing that is deleted by then."""
    read, left = SqliteArchive.read, 2

    async def failing(self: SqliteArchive, *args: Any, **asked: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ArchiveUnavailable("gone")
        return await read(self, *args, **asked)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteArchive, "read", failing)
        patch.setattr("livecomments.export.source.AHEAD", 1)
        with pytest.raises(ArchiveUnavailable):
            await run(archive, tmp_path / "out", "one", "two")
    late = order(41, "delete", "two-35", at=FIRST_MS + 9 * DAY_MS)
    await archive.write([segment("two", [late])])
    await run(archive, tmp_path / "out", "one", "two")
    ids = {each.get("id") for each in lines(tmp_path / "out")}
    assert {"one-35", "two-36"} <= ids
    assert "two-35" not in ids


async def test_nothing_in_time_is_an_export_too(archive: Archive, tmp_path: Path) -> None:
    """It has no file, and says that it is done."""
    note = await run(archive, tmp_path / "out", since=1, until=2)
    assert (note.rows, note.parts, note.finished) == (0, 0, True)
    assert set(contents(tmp_path / "out")) == {NOTE, SUCCESS}
