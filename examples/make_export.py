"""Make a small export to try things on: twenty minutes of a made-up crowd, always the same.

    python examples/make_export.py EXPORT

What they say goes through the product's own stages (over a log in memory, by its own clock) into an archive,
and out of it by the product's own export: spam is refused, moderators delete and ban, and what they took away
is not in the files.
"""

import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

from agents.ingest import IngestStage
from agents.moderate import ModerateStage
from agents.sequence import SequenceStage
from agents.stage import Stage
from agents.testing import START_MS, TopologyDriver
from livecomments.client.chatlog import Message
from livecomments.client.crowd import MODERATORS, Shape, crowd
from livecomments.export.directory import Directory
from livecomments.export.request import Note, Request
from livecomments.export.run import export
from livecomments.export.source import Source
from schemas.archive.sqlite import SqliteArchive
from schemas.filtering import WordList
from schemas.records import Command, Item
from schemas.settings import Archive

STREAM = "nova-tides-live"
SECONDS = 20 * 60
STEP_MS = 100
WORDS = ("free followers",)
SPAM = "free followers at every link of mine"
SPAM_SHARE = 0.02
DELETED_SHARE = 0.006
BANNED_SHARE = 0.1
"""Of those whose comment was deleted, who are banned and have all they said taken away."""
FOR_EVER = 2**53
Timed = tuple[int, Item]
"""When it reaches the log, ms since the beginning, and what."""


def said(seed: int) -> Iterator[Timed]:
    """Yield what viewers send and what moderators do about it, with the delays of their networks."""
    rng = random.Random(seed)  # noqa: S311 - a crowd, not a secret
    moderators = list(MODERATORS.items())
    for message in takewhile(lambda each: each.t_ms < SECONDS * 1000, crowd(Shape(seed=seed))):
        arrives = message.t_ms + round(rng.lognormvariate(4.6, 0.6))
        comment = _comment(message, rng)
        yield arrives, comment
        if message.role == "viewer" and rng.random() < DELETED_SHARE:
            who = rng.choice(moderators)
            later = arrives + round(rng.uniform(2_000, 15_000))
            yield later, _order(rng, later, "delete", comment["id"], who, "off topic")
            if rng.random() < BANNED_SHARE:
                yield later + 1_000, _order(rng, later, "ban", message.user, who, "again and again")
                yield later + 1_500, _order(rng, later, "clear", message.user, who, "again and again")


def _comment(message: Message, rng: random.Random) -> Item:
    spam = message.role == "viewer" and rng.random() < SPAM_SHARE
    return Item(
        type="comment",
        stream_id=STREAM,
        id=_uuid7(START_MS + message.t_ms, rng),
        user_id=message.user,
        user_name=message.name,
        role=message.role,
        text=SPAM if spam else message.text,
        sticker=None,
        command=None,
    )


def _order(  # noqa: PLR0917 - what it is made of, once
    rng: random.Random, at_ms: int, type_: str, target: str, who: tuple[str, str], reason: str
) -> Item:
    return Item(
        type=type_,
        stream_id=STREAM,
        id=_uuid7(START_MS + at_ms, rng),
        user_id=who[0],
        user_name=who[1],
        role="moderator",
        text="",
        sticker=None,
        command=Command(target=target, seconds=None, reason=reason, settings=None),
    )


def _uuid7(at_ms: int, rng: random.Random) -> str:
    return str(UUID(int=at_ms << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)))


async def through_the_stages(sent: Sequence[Timed], archive: SqliteArchive) -> None:
    """Let ingest, moderate and sequence decide, and store what comes out."""
    stages: list[Stage[Any]] = [
        IngestStage(1),
        ModerateStage(WordList(WORDS), "example-0", 120_000),
        SequenceStage("example-0", 120_000, 1),
    ]
    async with TopologyDriver(stages, 1) as driver:
        for step, items in groupby(sorted(sent, key=itemgetter(0)), lambda each: each[0] // STEP_MS):
            driver.log.now = START_MS + (step + 1) * STEP_MS
            driver.submit(item for _, item in items)
            await driver.settle()
        segments = driver.records("comments.sequenced")
    await archive.write([segment for segment in segments if segment["events"]])


async def make(out: Path, seed: int = 7) -> Note:
    """Make the export in a new directory."""
    with tempfile.TemporaryDirectory() as name:
        archive = SqliteArchive(Path(name) / "archive.sqlite3", Archive())
        await archive.open()
        try:
            await through_the_stages(list(said(seed)), archive)
            directory, request = Directory(out), Request("example", "parquet")
            with directory.taken():
                source = Source(archive, (), None, FOR_EVER)
                return await export(source, directory, directory.begin(request, FOR_EVER))
        finally:
            await archive.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/make_export.py EXPORT")
    note = asyncio.run(make(Path(sys.argv[1])))
    print(f"{sys.argv[1]}: {note.rows:,} rows")
