"""Viewers over real sockets, against an edge on fakes: what they write down is what they were told."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from livecomments.nemesis.book import Book
from livecomments.nemesis.cast import STEADY, token
from livecomments.nemesis.sdk import SdkViewer
from livecomments.nemesis.viewer import Pace, Viewer
from livecomments.verify import facts as f
from livecomments.verify.files import FactFiles
from schemas.settings import Auth
from tests.edge.fakes import STREAM, Stage, comments, stage, until


def facts(book: Book) -> list[f.Fact]:
    book.flush()
    return list(FactFiles([book.path]))


@contextlib.asynccontextmanager
async def watching(
    on: Stage, path: Path, pace: Pace = STEADY, signed: str = "", **more: Any
) -> AsyncIterator[tuple[Viewer, Book]]:
    with Book(path / "facts.jsonl") as book:
        viewer = Viewer(
            "v",
            "ana",
            STREAM,
            signed or token(on.settings.auth, "ana"),
            url=lambda: ("edge", on.url),
            book=book,
            pace=pace,
            rng=random.Random(1),
            **more,
        )
        task = asyncio.create_task(viewer.run())
        try:
            yield viewer, book
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def shown(book: Book) -> list[int]:
    return [row.seq for fact in facts(book) if isinstance(fact, f.Receive) for row in fact.events]


async def test_it_writes_down_what_it_sees_and_publishes(tmp_path: Path) -> None:
    """Subscribe, publications and their events; an answer to a publish."""
    async with stage() as on, watching(on, tmp_path) as (viewer, book):
        await until(lambda: viewer.online)
        on.feed.push(comments(1, 3))
        await until(lambda: viewer.seq == 3)
        on.door.seqs[STREAM] = 3
        assert await viewer.publish("00000000-0000-4000-8000-0000000000aa", "hi") == 0
        await until(lambda: viewer.seq == 4)
        (subscribe,) = [fact for fact in facts(book) if isinstance(fact, f.Subscribe)]
        assert subscribe.got.epoch == "test-0"
        assert shown(book) == [1, 2, 3, 4]


async def test_it_comes_back_and_resumes(tmp_path: Path) -> None:
    """After a cut it asks from its position and gets what it missed, once."""
    async with stage() as on, watching(on, tmp_path) as (viewer, book):
        await until(lambda: viewer.online)
        on.feed.push(comments(1, 3))
        await until(lambda: viewer.seq == 3)
        for connection in list(on.server.connections):
            connection.abort()
        on.feed.push(comments(4, 6))
        await until(lambda: viewer.online and viewer.seq == 6, 20)
        resumes = [fact for fact in facts(book) if isinstance(fact, f.Subscribe) and fact.asked]
        assert [fact.asked for fact in resumes] == [f.Place("test-0", 3)]
        assert resumes[0].recovered
        assert shown(book) == [1, 2, 3, 4, 5, 6]


async def test_a_newcomer_counts_the_last_comments_as_shown(tmp_path: Path) -> None:
    """They end at the first position."""
    async with stage() as on:
        async with watching(on, tmp_path) as (viewer, _):
            await until(lambda: viewer.online)
            on.feed.push(comments(1, 5))
            await until(lambda: viewer.seq == 5)
        heard: list[int] = []
        async with watching(on, tmp_path, on_event=lambda row: heard.append(row.seq)) as (viewer, _):
            await until(lambda: heard == [1, 2, 3, 4, 5])
            assert viewer.seq == 5


async def test_one_that_never_reads_settles(tmp_path: Path) -> None:
    """When everybody is to be up to date, it drops its dead connection, comes back and reads."""
    async with stage() as on, watching(on, tmp_path, Pace(rest=None)) as (viewer, _):
        await until(lambda: viewer.online)
        on.feed.push(comments(1, 3))
        viewer.settle()
        await until(lambda: viewer.online and viewer.seq == 3, 20)


async def test_who_is_sent_away_stays_away(tmp_path: Path) -> None:
    """A token that does not count ends it, with the reason."""
    forged = token(Auth(secret="the secret of somebody else, 32 characters"), "ana")
    async with stage() as on, watching(on, tmp_path, signed=forged) as (viewer, _):
        await until(lambda: viewer.ended is not None)
        assert viewer.ended == "closed with 4500"


@pytest.mark.parametrize("name", ["sdk-0", "sdk-1"])
async def test_the_official_sdk_writes_the_same_facts(tmp_path: Path, name: str) -> None:
    """In both encodings: where it was let in, and every publication."""
    async with stage() as on:
        with Book(tmp_path / "facts.jsonl") as book:
            signed = token(on.settings.auth, name)
            viewer = SdkViewer(name, name, STREAM, signed, url=on.url, edge="edge", book=book)
            task = asyncio.create_task(viewer.run())
            await until(lambda: viewer.online)
            on.feed.push(comments(1, 3))
            await until(lambda: viewer.seq == 3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert shown(book) == [1, 2, 3]
