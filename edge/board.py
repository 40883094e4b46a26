"""How the processes that share a port know of each other whether all are ready.

A file that all of them map: one slot a process, in which a ready process writes the time, twice a second.
The clock is the machine's monotonic one, which its processes share. A process that hangs or is gone stops
writing, and whoever of the others is asked says so.
"""

import mmap
import struct
from pathlib import Path

BEAT_SECONDS = 0.5
SILENCE_SECONDS = 3.0
"""A process that wrote nothing for this long is not ready."""
_SLOT = struct.Struct("=d")


class Board:
    """One file with ``count`` slots; ``now``, everywhere: seconds, monotonic."""

    def __init__(self, path: Path, count: int) -> None:
        self._count = count
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), count * _SLOT.size)

    @staticmethod
    def make(path: Path, count: int) -> "Board":
        """Make the file; nobody is ready."""
        path.write_bytes(bytes(count * _SLOT.size))
        return Board(path, count)

    def beat(self, slot: int, now: float) -> None:
        """Say that a process is ready."""
        _SLOT.pack_into(self._map, slot * _SLOT.size, now)

    def clear(self, slot: int) -> None:
        """Say that it is not."""
        self.beat(slot, 0.0)

    def ready(self, now: float) -> list[bool]:
        """Return for each process whether it is ready."""
        beats = (_SLOT.unpack_from(self._map, slot * _SLOT.size)[0] for slot in range(self._count))
        return [beat > 0 and now - beat < SILENCE_SECONDS for beat in beats]
