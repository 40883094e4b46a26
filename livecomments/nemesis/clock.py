"""Shifting one process's clock: libfaketime, loaded into it, reads the shift from a file.

It is looked for where Debian's package and the Python package ``libfaketime`` put it. The monotonic clock
is left alone, as asyncio needs it. A process that has it loaded takes three times the CPU, so that it is
loaded only for the time of a fault: each process is started by a line of shell that looks for a file.
"""

import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

FILE = "libfaketime.so.1"
CACHE_SECONDS = 1
"""How soon a process sees a new shift."""


def library() -> Path | None:
    """Return libfaketime, or None where it is not installed."""
    return next((path for path in _places() if path.is_file()), None)


def environment(found: Path, shift: Path) -> dict[str, str]:
    """Return what a process needs to take its clock's shift from the file ``shift``."""
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_CACHE_DURATION": str(CACHE_SECONDS),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def wrapped(argv: tuple[str, ...], file: Path) -> tuple[str, ...]:
    """Return a command that runs ``argv`` with what ``file`` exports, where there is such a file."""
    script = 'file="$1"; shift; if [ -f "$file" ]; then . "$file"; fi; exec "$@"'
    return ("/bin/sh", "-c", script, "sh", str(file), *argv)


def load(file: Path, found: Path, shift: Path) -> None:
    """Have the next start of whoever looks for ``file`` take its clock's shift from ``shift``."""
    write(shift, 0)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment(found, shift).items()]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write(shift: Path, seconds: int) -> None:
    """Set the shift of whoever reads this file."""
    draft = shift.with_suffix(".tmp")
    draft.write_text(f"{seconds:+d}\n", encoding="ascii")
    draft.replace(shift)


def _places() -> Iterator[Path]:
    for root in (Path("/usr/lib"), Path("/usr/local/lib")):
        yield root / "faketime" / FILE
        yield from root.glob(f"*/faketime/{FILE}")
    package = find_spec("libfaketime")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "vendor" / "libfaketime" / "src" / FILE
