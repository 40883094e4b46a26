"""A process for tests: writes segments to an embedded archive, and says of each when it is durable.

``python -m tests.archive.writer PATH STREAM SEGMENTS``
"""

import asyncio
import sys
from pathlib import Path

from schemas.archive.sqlite import SqliteArchive
from schemas.settings import Archive
from tests.archive.events import comment, segment


async def main(path: Path, stream: str, segments: int) -> None:
    archive = SqliteArchive(path, Archive())
    await archive.open()
    for number in range(segments):
        events = [comment(number * 5 + step) for step in range(1, 6)]
        await archive.write([segment(stream, events)])
        print(events[-1]["seq"], flush=True)  # noqa: T201 - what the parent waits for
    await archive.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
