"""A rolling upgrade on real servers: workers of two releases in one stack, and back again.

Nothing is released yet, so the releases are made here, from this very code: one that has a second version of
two schemas and does not write it yet, as the rule of `schemas.codec.Release` wants, and the next one, which
writes it.
"""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.codec import Codec, Release, UndecodableError
from schemas.topics import DLQ, MODERATED, SEQUENCED
from tests.integration.people import Authors, Line, Viewer, until, watching
from tests.integration.test_whole import archived
from tests.real import ROOT, RealStack, real_stack
from tests.servers import free_port

CHANGED = {"moderated": 901, "sequenced": 902}
"""Record → id of its second version."""
FIELD = {"name": "mood", "type": "string", "default": "", "doc": "Of the second version."}
STREAMS, LINES = 5, 6
ARRIVE_SECONDS = 60


def release(root: Path, *, written: bool) -> Path:
    """Make a release: this code, with a second version of two schemas."""
    for package in ("agents", "edge", "livecomments", "schemas"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    registry = root / "schemas" / "registry.json"
    rows = json.loads(registry.read_text(encoding="utf-8"))
    for record, number in CHANGED.items():
        today = root / "schemas" / f"{record}.avsc"
        schema = json.loads(today.read_text(encoding="utf-8"))
        schema["fields"].append(FIELD)
        version = max(row["version"] for row in rows if row["record"] == record) + 1
        for path in (today, today.parent / "released" / f"{record}.v{version}.avsc"):
            path.write_text(json.dumps(schema), encoding="utf-8")
        rows.append({"id": number, "record": record, "version": version, "written": written})
    registry.write_text(json.dumps(rows), encoding="utf-8")
    return root


@contextmanager
def worker(stack: RealStack, root: Path, stage: str) -> Iterator[int]:
    """Run another worker of a stage, of that release, until the end of the context; its health port."""
    port = free_port()
    environ = stack.environment | {
        "PYTHONPATH": str(root),
        "LIVECOMMENTS_STAGE__INSTANCE": "next",
        "LIVECOMMENTS_STAGE__HEALTH_PORT": str(port),
    }
    with (stack.data / f"{stage}-next.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "livecomments", "stage", stage, *stack.where],
            env=environ, cwd=stack.data, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield port
        finally:
            process.terminate()
            try:
                assert process.wait(30) == 0
            finally:
                process.kill()
                process.wait()


def ready(port: int) -> None:
    """Wait until it has partitions and processes them."""
    from tests.stack.helpers import wait_until

    def has_partitions() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
                text = page.read().decode()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                found = re.search(r"^livecomments_stage_partitions\{[^}]*\} ([0-9.]+)", text, re.MULTILINE)
                return found is not None and float(found[1]) > 0
        except OSError:
            return False

    wait_until(has_partitions)


async def rows_of(stack: RealStack, topic: str) -> list[bytes]:
    """Return every record of a topic as it stands there."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=f"127.0.0.1:{stack.port_base + 2}", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(8)]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        for at in places:
            consumer.seek(at, 0)
        rows: list[bytes] = []
        while any([await consumer.position(at) < end for at, end in ends.items()]):
            rows += [
                row.value for found in (await consumer.getmany(timeout_ms=500)).values() for row in found
            ]
        return rows
    finally:
        await consumer.stop()


def ids_of(rows: list[bytes]) -> set[int]:
    return {int.from_bytes(row[1:5], "big") for row in rows}


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    home = tmp_path_factory.mktemp("releases")
    return release(home / "one", written=False), release(home / "two", written=True)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.integration
async def test_two_releases_side_by_side(
    releases: tuple[Path, Path], tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """Comments go on through old and new workers, and after the new ones are taken back: nothing is lost."""
    first, second = releases
    data = tmp_path / "stack"
    data.mkdir()
    (data / "livecomments.toml").write_text("[limits]\ncomments_per_second = 10000.0\n")
    with real_stack(data, root=first) as stack:
        names = [f"rolling-{number}-{uuid.uuid4().hex[:6]}" for number in range(STREAMS)]
        said = {name: Authors(stack, name, session) for name in names}
        viewer = Viewer()
        for authors in said.values():
            await authors.create()

        async def say(words: str) -> None:
            for name, authors in said.items():
                await authors.say([Line(f"user-{n}", f"{words} {n} on {name}") for n in range(LINES)])

        async with watching(stack.edge, names[0], viewer):
            await say("before")
            with ExitStack() as running:
                ports = [
                    running.enter_context(worker(stack, second, each)) for each in ("moderate", "sequence")
                ]
                for port in ports:
                    ready(port)
                await say("side by side")
                await until(lambda: len(viewer.ids) == 2 * LINES, ARRIVE_SECONDS)
            await say("taken back")
            await until(lambda: len(viewer.ids) == 3 * LINES, ARRIVE_SECONDS)
        assert viewer.holes == []
        for name, authors in said.items():
            rows: list[tuple[int, str]] = []

            async def whole(name: str = name, authors: Authors = authors) -> list[tuple[int, str]]:
                found = await archived(session, stack, name)
                return found if len(found) == len(authors.accepted) else []

            while not rows:
                rows = await whole()
            assert sorted(id_ for _, id_ in rows) == sorted(authors.accepted)
            assert len({seq for seq, _ in rows}) == 3 * LINES
        for topic, number in ((MODERATED.name, CHANGED["moderated"]), (SEQUENCED.name, CHANGED["sequenced"])):
            assert len(ids_of(await rows_of(stack, topic))) == 2, topic
            assert number in ids_of(await rows_of(stack, topic))
        assert await rows_of(stack, DLQ.name) == []


def test_a_version_is_read_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The release that introduces a version writes the one before; the next writes it, and can go back."""
    from schemas import codec as module

    one = Release(1, "notice", 1)
    texts = {
        1: one.text,
        2: json.dumps(json.loads(one.text) | {"fields": [*json.loads(one.text)["fields"], FIELD]}),
    }
    monkeypatch.setattr(Release, "text", property(lambda self: texts[self.version]))
    notice = {
        "stream_id": "s", "user_id": "u", "id": "i", "code": 1001, "reason": "", "at": 1,
        "origin": {"offset": 1, "index": 2},
    }  # fmt: skip

    def of(*rows: Release) -> Codec:
        monkeypatch.setattr(module, "releases", lambda: rows)
        module._parsed.cache_clear()
        return Codec("notice")

    before, introducing, writing = (
        of(one), of(one, Release(2, "notice", 2, written=False)), of(one, Release(2, "notice", 2)),
    )  # fmt: skip
    module._parsed.cache_clear()
    old, new = introducing.encode(notice | {"mood": "glad"}), writing.encode(notice | {"mood": "glad"})
    assert old == before.encode(notice)
    assert before.decode(old).items() >= notice.items()
    for each in (introducing, writing):
        assert each.decode(old)["mood"] == ""
        assert each.decode(new)["mood"] == "glad"
    with pytest.raises(UndecodableError, match="unknown_schema"):
        before.decode(new)
