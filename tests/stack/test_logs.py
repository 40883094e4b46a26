"""Log files of bounded size."""

from pathlib import Path

from livecomments.stack import logs


def test_rotate(tmp_path: Path) -> None:
    """A start begins a new file and keeps the last one."""
    path = tmp_path / "edge.log"
    path.write_text("old")
    logs.rotate(path)
    assert not path.exists()
    assert (tmp_path / "edge.log.1").read_text() == "old"
    logs.rotate(path)
    assert (tmp_path / "edge.log.1").read_text() == "old"


def test_cap(tmp_path: Path) -> None:
    """A file that grows too large is cut while its writer goes on appending."""
    path = tmp_path / "edge.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"a" * 100)
        logs.cap(path, bytes_max=99)
        writer.write(b"b")
    assert path.read_bytes() == b"b"
    assert (tmp_path / "edge.log.1").read_bytes() == b"a" * 100


def test_tail(tmp_path: Path) -> None:
    """The end of a file is its last lines, each of a readable length; a missing file has none."""
    path = tmp_path / "edge.log"
    path.write_text("\n".join(["x" * 9_000, *map(str, range(20)), "", "é" * 1_000]))
    found = logs.tail(path, lines=3)
    assert found[:2] == ("18", "19")
    assert len(found[2]) == logs.LINE_CHARS_MAX
    assert logs.tail(tmp_path / "none.log") == ()
