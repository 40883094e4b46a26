"""An archive in SQLite with what an export must mind: two epochs, three days, deletes, clears, shadows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.archive.sqlite import SqliteArchive
from schemas.settings import Archive
from tests.archive.events import EPOCH, comment, order, segment
from tests.export.helpers import DAY_MS, FIRST_MS


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[SqliteArchive]:
    opened = SqliteArchive(tmp_path / "archive.sqlite3", Archive())
    await opened.open()
    for name, first in (("one", FIRST_MS), ("two", FIRST_MS + DAY_MS // 2)):
        step = DAY_MS // 20
        events = [comment(seq, id=f"{name}-{seq}", at=first + seq * step) for seq in range(1, 41)]
        events[9] = order(10, "delete", f"{name}-3", at=events[9]["at"], reason="spam")
        events[19] = order(20, "clear", "u1", at=events[19]["at"])
        events[29]["mask"] = 0  # a shadow-banned author's
        await opened.write([segment(name, events)])
    later = [comment(seq, id=f"later-{seq}", at=FIRST_MS + 3 * DAY_MS + seq) for seq in range(1, 6)]
    await opened.write([segment("one", later, "e1-1")])
    assert EPOCH == "e1-0"
    for number in range(30):
        await opened.write([segment(f"small-{number}", [comment(1, at=FIRST_MS + number * 1000)])])
    yield opened
    await opened.close()
