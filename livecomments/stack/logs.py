"""Log files of bounded size: one older file is kept beside the current one.

Children write to a descriptor opened for appending, so a file is cut by copying and truncating it: what is
written between the two is lost, as with any such rotation.
"""

import shutil
from pathlib import Path

FILE_BYTES_MAX = 16 * 1024 * 1024
TAIL_LINES = 8
TAIL_BYTES = 8 * 1024
LINE_CHARS_MAX = 400


def rotate(path: Path) -> None:
    """Begin a new file, in a directory that is made if need be; the last one is kept as ``NAME.log.1``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size:
        path.replace(_older(path))


def cap(path: Path, bytes_max: int = FILE_BYTES_MAX) -> None:
    """Cut a file that is in use once it is too large."""
    if path.exists() and path.stat().st_size > bytes_max:
        shutil.copyfile(path, _older(path))
        with path.open("r+b") as file:
            file.truncate(0)


def tail(path: Path, lines: int = TAIL_LINES) -> tuple[str, ...]:
    """Return the last lines, each cut to a readable length; nothing if there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(line[:LINE_CHARS_MAX] for line in text.splitlines() if line.strip())[-lines:]


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
