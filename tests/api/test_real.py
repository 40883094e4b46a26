"""The API on a real stack, as an app, a creator, a platform and an analyst use it."""

import asyncio
import io
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import fastavro
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from edge.auth import Authenticator
from schemas.routing import partition_of
from schemas.settings import Auth, Settings
from schemas.topics import FLAT
from tests.real import RealStack

pytestmark = pytest.mark.integration
LIMIT_SECONDS = 60


class App:
    """Somebody's app."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def __call__(
        self, method: str, path: str, body: Any = None, *, status: int | None = None, **headers: str
    ) -> Any:
        """Ask; ``status``: what must be answered, any 2xx by default."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = self._session.request(method, self._url + path, json=body, headers=self._headers | named)
        async with request as answer:
            found = await answer.json(content_type=None)
            assert answer.status == status if status else answer.status < 300, (answer.status, found)
            return found

    async def until(self, path: str, condition: Callable[[Any], Any], seconds: float = LIMIT_SECONDS) -> Any:
        """Read until what is read is as it must be."""
        found = None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = await self("GET", path)
            if condition(found):
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"{path} stayed {found}")


class Place:
    """A stream of its own, and those who use it."""

    def __init__(self, session: aiohttp.ClientSession, stack: RealStack) -> None:
        self.id = f"api-{uuid.uuid4().hex[:12]}"
        self.path = f"/v1/streams/{self.id}"
        self._session = session
        self.url = f"http://{stack.api}"
        self.stack = stack

    def app(self, role: str | None = "viewer", user: str = "ana") -> App:
        minter = Authenticator(Auth())
        return App(self._session, self.url, minter.mint(user, self.id, role, 600) if role else "")

    async def open(self) -> None:
        body = {"id": self.id, "creator": "carl", "title": "Probe"}
        opened = await self.app("platform", "ops")("POST", "/v1/streams", body, status=201)
        assert opened["creator"] == "carl"
        assert opened["created_at"]


@pytest.fixture
async def place(stack: RealStack) -> AsyncIterator[Place]:
    async with aiohttp.ClientSession() as session:
        made = Place(session, stack)
        await made.open()
        yield made


def texts(page: Any) -> list[str]:
    return [each["text"] for each in page["comments"]]


async def test_post_and_read_back(place: Place) -> None:
    """What was answered is read back at once and once, whatever was retried."""
    app = place.app()
    assert (await app("GET", place.path))["title"] == "Probe"
    ids = []
    for number in range(10):
        body = {"text": f"nr {number}", "id": str(uuid.uuid4())}
        first = await app("POST", f"{place.path}/comments", body, status=201)
        assert await app("POST", f"{place.path}/comments", body, status=201) == first  # a retry
        ids.append(first["id"])
    page = await app.until(f"{place.path}/comments", lambda found: len(found["comments"]) == 10)
    assert texts(page) == [f"nr {number}" for number in range(10)]
    assert [each["id"] for each in page["comments"]] == ids
    assert [each["seq"] for each in page["comments"]] == list(range(1, 11))
    pages = await app("GET", f"{place.path}/comments?from_seq=4&to_seq=8&limit=3")
    assert [each["seq"] for each in pages["comments"]] == [4, 5, 6]
    assert pages["next_seq"] == 7
    at = page["comments"][6]["at"]
    assert (await app("GET", f"{place.path}/comments?at={at}&limit=1"))["comments"][0]["at"] == at
    stats = await app.until(f"{place.path}/stats", lambda found: found["seq"] >= 10)
    assert (stats["seq"], stats["state"]) == (10, "open")


async def test_reads_never_lose_what_they_showed(place: Place) -> None:
    """While comments come, every read is a beginning of the next one: archive and window join up."""
    app = place.app("platform", "ops")

    async def post() -> None:
        for number in range(60):
            await app("POST", f"{place.path}/comments", {"text": str(number)})

    posting = asyncio.ensure_future(post())
    shown: list[str] = []
    while len(shown) < 60:
        page = await app("GET", f"{place.path}/comments?limit=500")
        now = texts(page)
        assert now[: len(shown)] == shown
        assert now == [str(number) for number in range(len(now))]
        assert (page["to_seq"], page["omitted"]) == (len(now), 0)
        shown = now
    await posting


async def test_deleted_and_cleared_comments_are_gone(place: Place) -> None:
    """From every read, as soon as it is answered, and for good."""
    app, creator = place.app(), place.app("creator", "carl")
    ids = [(await app("POST", f"{place.path}/comments", {"text": text}))["id"] for text in ("one", "two")]
    await place.app(user="bo")("POST", f"{place.path}/comments", {"text": "three"})
    await app.until(f"{place.path}/comments", lambda found: len(found["comments"]) == 3)
    await app("DELETE", f"{place.path}/comments/{ids[0]}", status=403)
    await creator("DELETE", f"{place.path}/comments/{ids[0].upper()}")
    assert texts(await app("GET", f"{place.path}/comments")) == ["two", "three"]
    await creator("POST", f"{place.path}/clear", {"user": "ana"})
    assert texts(await app("GET", f"{place.path}/comments")) == ["three"]
    await app.until(f"{place.path}/comments", lambda found: found["to_seq"] == 5)
    await app("POST", f"{place.path}/comments", {"text": "four"})
    await app.until(f"{place.path}/comments", lambda f: texts(f) == ["three", "four"])


async def test_bans_bind_and_are_lifted(place: Place) -> None:
    """Whoever is banned is refused with the reason, moderators see it, and the lift is seen too."""
    app, creator = place.app(user="bo"), place.app("creator", "carl")
    body = {"seconds": 600, "reason": "spam", "clear": True}
    await app("POST", f"{place.path}/comments", {"text": "buy"})
    await creator("PUT", f"{place.path}/bans/bo", body)
    bans = await creator.until(f"{place.path}/bans", lambda found: found["bans"])
    assert bans["bans"][0] | {"until": None} == {
        "user": "bo", "kind": "ban", "until": None, "reason": "spam",
    }  # fmt: skip
    refused = await app("POST", f"{place.path}/comments", {"text": "again"}, status=403)
    assert refused["type"] == "urn:livecomments:problem:banned"
    assert 0 < refused["retry_after"] <= 600
    await app.until(f"{place.path}/comments", lambda found: texts(found) == [])
    await app("GET", f"{place.path}/bans", status=403)
    await creator("PUT", f"{place.path}/bans/carl", status=422)
    await creator("DELETE", f"{place.path}/bans/bo")
    await creator.until(f"{place.path}/bans", lambda found: not found["bans"])
    await app("POST", f"{place.path}/comments", {"text": "sorry"}, status=201)


async def test_words_settings_pin_and_end(place: Place) -> None:
    """Settings are shown to moderators and bind; a listed word is not shown; the end is final."""
    app, creator = place.app(), place.app("creator", "carl")
    await creator("PUT", f"{place.path}/settings", {"words": ["banana"], "moderators": ["mo"]})
    await creator.until(f"{place.path}/settings", lambda f: f["settings"].get("words") == ["banana"])
    await app("POST", f"{place.path}/comments", {"text": "a banana"}, status=201)
    fine = (await app("POST", f"{place.path}/comments", {"text": "fine"}))["id"]
    page = await app.until(f"{place.path}/comments", lambda found: found["comments"])
    assert texts(page) == ["fine"]
    await place.app(user="mo")("POST", f"{place.path}/pin", {"comment_id": fine})
    await app.until(place.path, lambda found: found["pinned"] == fine)
    await creator("POST", f"{place.path}/end")
    await app.until(place.path, lambda found: found["state"] == "ended")
    late = await app("POST", f"{place.path}/comments", {"text": "late"}, status=409)
    assert late["code"] == 1005
    assert texts(await app("GET", f"{place.path}/comments")) == ["fine"]


async def test_slow_mode_and_held_comments(place: Place) -> None:
    """Slow mode refuses with the seconds left; what is held is shown to moderators, and approved by them."""
    app, creator = place.app(), place.app("creator", "carl")
    await creator("POST", f"{place.path}/slow", {"seconds": 600})
    await app.until(place.path, lambda found: found["slow_mode_seconds"] == 600)
    await app("POST", f"{place.path}/comments", {"text": "first"}, status=201)
    refused = await app("POST", f"{place.path}/comments", {"text": "second"}, status=429)
    assert refused["type"] == "urn:livecomments:problem:slow_mode"
    assert 0 < refused["retry_after"] <= 600
    await creator("POST", f"{place.path}/hold", {"user": "bo"})
    await creator.until(f"{place.path}/bans", lambda found: found["bans"])
    held = (await place.app(user="bo")("POST", f"{place.path}/comments", {"text": "hm"}))["id"]
    queue = await creator.until(f"{place.path}/held", lambda found: found["held"])
    assert [each["id"] for each in queue["held"]] == [held]
    assert texts(await app("GET", f"{place.path}/comments")) == ["first"]
    await creator("POST", f"{place.path}/approve", {"comment_id": held})
    await app.until(f"{place.path}/comments", lambda found: texts(found) == ["first", "hm"])
    tried = await creator("POST", f"{place.path}/words/try", {"words": ["first"]})
    assert [each["comment"]["text"] for each in tried["caught"]] == ["first"]
    audit = await creator.until(f"{place.path}/audit", lambda found: len(found["entries"]) >= 4)
    assert [each["action"] for each in audit["entries"]] == ["approve", "hold", "slow", "open"]


async def test_the_platform_bans_from_every_stream(place: Place) -> None:
    """A user of a fresh name, so that nobody else's test meets it."""
    ops, user = place.app("platform", "ops"), f"user-{uuid.uuid4().hex[:8]}"
    await ops("PUT", f"/v1/bans/{user}", {"reason": "fraud"})
    await ops.until("/v1/bans?limit=500", lambda found: user in [each["user"] for each in found["bans"]])
    refused = await place.app(user=user)("POST", f"{place.path}/comments", {"text": "x"}, status=403)
    assert refused["type"] == "urn:livecomments:problem:banned"
    await ops("DELETE", f"/v1/bans/{user}")
    await ops.until("/v1/bans?limit=500", lambda found: user not in [each["user"] for each in found["bans"]])
    await place.app(user=user)("POST", f"{place.path}/comments", {"text": "x"}, status=201)


async def test_streams_are_listed_and_theirs(place: Place) -> None:
    """A stream is on the list, with one creator; where its viewers connect is said, and is there."""
    ops = App(place._session, place.url, Authenticator(Auth()).mint("ops", None, "platform", 600))
    assert place.id in [each["id"] for each in (await ops("GET", "/v1/streams?limit=500"))["streams"]]
    again = await ops("POST", "/v1/streams", {"id": place.id, "creator": "eve"}, status=409)
    assert again["code"] == 1013
    edge = await place.app(None)("GET", f"{place.path}/edge")
    assert edge["url"].startswith("ws://")
    assert edge["url"].endswith("/connection/websocket")
    async with place._session.ws_connect(edge["url"]) as socket:
        await socket.send_json({"id": 1, "connect": {}})
        assert "connect" in json.loads((await socket.receive(timeout=LIMIT_SECONDS)).data)


async def test_an_analyst_decodes_the_topic_with_the_registry(place: Place) -> None:
    """The id in a record of ``comments.flat`` leads to its schema, and that to the comment."""
    await place.app()("POST", f"{place.path}/comments", {"text": "für alle"})
    at = TopicPartition(FLAT.name, partition_of(place.id, Settings().kafka.partitions))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=f"127.0.0.1:{place.stack.port_base + 2}", auto_offset_reset="earliest"
    )
    async with consumer, asyncio.timeout(LIMIT_SECONDS):
        consumer.assign([at])
        await consumer.seek_to_beginning(at)
        value = b""
        while not value:
            record = await consumer.getone()
            value = record.value if record.key == place.id.encode() else b""
    schema = await place.app(None)("GET", f"/schemas/ids/{int.from_bytes(value[1:5])}")
    parsed = fastavro.parse_schema(json.loads(schema["schema"]))
    found: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), parsed, None)
    assert (found["stream_id"], found["text"], found["type"]) == (place.id, "für alle", "comment")


async def test_ready_and_counted(place: Place) -> None:
    """Everything that is needed answers, and requests are counted."""
    app = place.app(None)
    assert await app("GET", "/readyz") == {
        "ready": True, "producer": True, "redis": True, "archive": True, "accepting": True,
    }  # fmt: skip
    async with place._session.get(f"{place.url}/metrics") as answer:
        page = await answer.text()
    assert 'livecomments_api_requests_total{method="POST",route="/v1/streams",status="201"}' in page
    assert place.id not in page
