"""The directory: one export at a time, whole files, and clear words where it cannot be used."""

import errno
import os
from pathlib import Path

import pytest

from livecomments.export.directory import NOTE, Directory, file_name
from livecomments.export.request import Request, RequestError

REQUEST = Request("a", "jsonl", ("s",))


def test_names() -> None:
    """As Hive names partitions."""
    assert str(file_name(20_000, 3, "parquet")) == "date=2024-10-04/part-00003.parquet"


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """A write that fails leaves nothing, and what was there stays."""
    directory = Directory(tmp_path)
    directory.put(Path("date=x/part"), lambda file: file.write(b"first"))

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        directory.put(Path("date=x/part"), full)
    assert [path.name for path in (tmp_path / "date=x").iterdir()] == ["part"]
    assert (tmp_path / "date=x/part").read_bytes() == b"first"


def test_two_at_once(tmp_path: Path) -> None:
    """The second is told, and the first one's end lets it in."""
    with (
        Directory(tmp_path).taken(),
        pytest.raises(RequestError, match="another export is at work"),
        Directory(tmp_path).taken(),
    ):
        pass
    with Directory(tmp_path).taken():
        pass


def test_a_directory_of_something_else(tmp_path: Path) -> None:
    """Nothing is written beside other files."""
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(RequestError, match="not empty, and no export: name another"):
        Directory(tmp_path).begin(REQUEST, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_export_of_something_else(tmp_path: Path) -> None:
    """The line says in what it differs."""
    first = Directory(tmp_path).begin(REQUEST, 1)
    assert Directory(tmp_path).begin(REQUEST, 7) == first  # until: as it was begun
    with pytest.raises(RequestError, match=r"something else \(format, streams\)"):
        Directory(tmp_path).begin(Request("a", "csv", ()), 1)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1}'])
def test_a_note_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    """Is never taken for a beginning."""
    (tmp_path / NOTE).write_text(text)
    with pytest.raises(RequestError, match=r"_export\.json: "):
        Directory(tmp_path).begin(REQUEST, 1)


def test_where_no_directory_can_be(tmp_path: Path) -> None:
    """Below a file, for one."""
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(RequestError, match="cannot be written"), Directory(path).taken():
            pass


def test_a_directory_that_becomes_unwritable(tmp_path: Path) -> None:
    """What is no full disk is the user's to mend."""
    (tmp_path / "date=x").write_text("a file where a directory should be")
    with pytest.raises(RequestError, match="cannot be written"):
        Directory(tmp_path).put(Path("date=x/part"), lambda file: file.write(b""))
