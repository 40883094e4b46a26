"""Where everybody writes down what they saw."""

import asyncio
import time
from pathlib import Path

from livecomments.nemesis.book import Book
from livecomments.verify import facts as f
from livecomments.verify.files import FactFiles
from tests.edge.fakes import until


async def test_a_stall_of_the_observer_is_written_down(tmp_path: Path) -> None:
    """What is received late because nobody looked has an explanation."""
    with Book(tmp_path / "facts.jsonl") as book:
        watch = asyncio.create_task(book.watch_stalls())
        await asyncio.sleep(0)
        before = book.now()
        time.sleep(0.3)  # noqa: ASYNC251 - this is the stall
        await until(lambda: book.counts["stall"])
        watch.cancel()
        book.flush()
        (stall, *_) = [fact for fact in FactFiles([book.path]) if isinstance(fact, f.Stall)]
        assert stall.t <= before
        assert stall.seconds >= 0.2


def test_operations_have_numbers_of_their_own(tmp_path: Path) -> None:
    """Two operations are never taken for one."""
    with Book(tmp_path / "facts.jsonl") as book:
        assert len({book.op() for _ in range(100)}) == 100
