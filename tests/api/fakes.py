"""The API without sockets and servers: a client that calls the app, and fakes of what stands behind it."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from edge.api.app import build_app
from edge.api.auditlog import AuditPage
from edge.api.directory import BanState, StreamState
from edge.api.fresh import Taken
from edge.api.history import History
from edge.api.metrics import Metrics
from edge.api.parts import Parts, Readiness
from edge.api.problems import Away
from edge.auth import Authenticator
from edge.checks import Facts
from edge.gateway import Gateway
from edge.submit import SubmitError
from schemas.archive.sqlite import SqliteArchive
from schemas.codec import codec
from schemas.settings import Api, Archive, Auth, Edge, Limits, Settings
from schemas.stores import Head
from schemas.topics import Topic
from tests.api.records import AT, STREAM


@dataclass
class Answer:
    """A response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any]:
        """The problem that it must be, and its status in it."""
        assert self.headers["content-type"] == "application/problem+json", self
        found: dict[str, Any] = self.json
        assert found["status"] == self.status
        assert {"type", "title", "detail"} <= found.keys()
        return found


class Client:
    """Calls an app as a server does."""

    def __init__(self, app: Any, token: str | None = None) -> None:
        self._app = app
        self._token = token

    async def __call__(
        self,
        method: str,
        target: str,
        json_: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        chunks: Sequence[bytes] | None = None,
    ) -> Answer:
        """``target``: path and query, percent-encoded; ``chunks``: a body of unknown length."""
        path, _, query = target.partition("?")
        sent = {"host": "api.test"} | ({"authorization": f"Bearer {self._token}"} if self._token else {})
        if json_ is not None:
            chunks = [json.dumps(json_).encode()]
            sent |= {"content-type": "application/json", "content-length": str(len(chunks[0]))}
        elif chunks is not None:
            sent |= {"transfer-encoding": "chunked"}
        sent |= headers or {}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote_to_bytes(path).decode(),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
            "server": ("api.test", 80),
            "client": ("127.0.0.1", 1),
        }
        answer, waiting = Answer(), list(chunks or [b""])

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            if not waiting:
                return {"type": "http.disconnect"}
            chunk = waiting.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {
                    name.decode(): value.decode("latin-1") for name, value in message["headers"]
                }
            else:
                answer.body += message.get("body", b"")

        await self._app(scope, receive, send)
        return answer


class FakeFacts:
    """What the gateway's Redis says of every author."""

    def __init__(self) -> None:
        self.known: Facts | None = Facts()

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    async def forget(self, *_: Any) -> None: ...

    async def facts(self, *_: Any, **__: Any) -> Facts | None:
        return self.known


class FakeKafka:
    """Keeps the items that are sent; ``answering`` false: it never says that it has them."""

    def __init__(self) -> None:
        self.ready = True
        self.answering = True
        self.items: list[dict[str, Any]] = []
        self.posted: list[tuple[str, int, dict[str, Any]]] = []

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    async def send(self, partition: int, value: bytes) -> None:
        self.items += codec("submitted").decode(value)["items"]
        if not self.answering:
            raise SubmitError("no answer")

    async def post(self, topic: Topic, partition: int, key: bytes, value: bytes) -> None:
        self.posted.append((topic.name, partition, codec(topic.record).decode(value)))
        if not self.answering:
            raise SubmitError("no answer")


class FakeDirectory:
    """Redis as dictionaries. ``away``: it does not answer."""

    def __init__(self) -> None:
        self.known: dict[str, StreamState] = {}
        self.counted: dict[str, str] = {}
        self.banned: dict[str, BanState] = {}
        self.heads: dict[str, Head] = {}
        self.segments: list[Mapping[str, Any]] = []
        self.queue: list[Mapping[str, Any]] = []
        self.board: dict[str, str] = {}
        self.watching: list[tuple[str, Mapping[str, str]]] = []
        self.away = False
        self.stale: set[str] = set()
        self.taken = Taken()
        self.took: list[tuple[str, str, str]] = []

    def _check(self) -> None:
        if self.away:
            raise Away("the stores do not answer now")

    async def ready(self) -> bool:
        self._check()
        return True

    async def stream(self, stream_id: str) -> StreamState | None:
        self._check()
        return self.known.get(stream_id)

    async def streams(self, stream_ids: Sequence[str]) -> list[StreamState | None]:
        return [await self.stream(each) for each in stream_ids]

    async def newest(self, after: str | None, limit: int) -> list[str] | None:
        self._check()
        ids = sorted(self.known, reverse=True)
        if after is not None and after not in ids:
            return None
        begin = ids.index(after) + 1 if after is not None else 0
        return ids[begin : begin + limit]

    async def head(self, stream_id: str) -> Head | None:
        self._check()
        return self.heads.get(stream_id)

    async def tail(self, stream_id: str) -> tuple[Head | None, Taken]:
        return await self.head(stream_id), self.taken

    async def take_away(self, stream_id: str, type_: str, target: str) -> None:
        self._check()
        self.took.append((stream_id, type_, target))

    async def last(self, stream_id: str, epoch: str, count: int) -> list[Mapping[str, Any]]:
        self._check()
        return self.segments[::-1][:count]

    async def live(self, stream_id: str) -> Mapping[str, str]:
        self._check()
        return self.board

    async def analytics(self, stream_id: str) -> str | None:
        self._check()
        return self.counted.get(stream_id)

    async def watched(self, limit: int) -> list[tuple[str, Mapping[str, str]]]:
        self._check()
        return self.watching[:limit]

    async def ban(self, stream_id: str, user: str) -> BanState | None:
        self._check()
        return self.banned.get(user)

    async def held(self, stream_id: str) -> list[Mapping[str, Any]]:
        self._check()
        return self.queue

    async def bans(self, stream_id: str, cursor: int, count: int) -> tuple[int, list[BanState]]:
        self._check()
        found = list(self.banned.values())
        return (cursor + count if cursor + count < len(found) else 0), found[cursor : cursor + count]

    # The window, as `edge.past.Past` reads it.
    async def between(self, stream_id: str, epoch: str, after: int, upto: int) -> Any:
        if self.away:
            return None
        return [each for each in self.segments if each["epoch"] == epoch and each["to_seq"] > after]

    def push(self, *segments: Mapping[str, Any]) -> None:
        """Write to the window."""
        for each in segments:
            self.segments.append(each)
            self.heads[each["stream_id"]] = Head(each["epoch"], each["to_seq"])


class FakeFinder:
    """`edge.registry.Finder`."""

    def __init__(self) -> None:
        self.urls: Sequence[str] = ()
        self.asked: list[tuple[str, int]] = []

    async def find(self, stream_id: str, viewers: int) -> Sequence[str]:
        self.asked.append((stream_id, viewers))
        return self.urls


class FakeAudit:
    """`edge.api.auditlog.AuditLog`."""

    def __init__(self) -> None:
        self.page = AuditPage()
        self.asked: list[tuple[str, int | None, int]] = []

    async def read(self, stream_id: str, before: int | None, limit: int) -> AuditPage:
        self.asked.append((stream_id, before, limit))
        return self.page


@dataclass
class World:
    """The app and all that stands behind it."""

    settings: Settings
    facts: FakeFacts
    kafka: FakeKafka
    directory: FakeDirectory
    audit: FakeAudit
    finder: FakeFinder
    archive: SqliteArchive
    readiness: Readiness
    auth: Authenticator
    app: Any

    def client(self, role: str | None = "viewer", user: str = "ana", stream: str | None = STREAM) -> Client:
        """Return somebody's client; ``role`` None: nobody's."""
        return Client(self.app, self.auth.mint(user, stream, role, 60) if role is not None else None)

    def opened(self, stream: str = STREAM, **more: Any) -> None:
        """Let Redis know a stream."""
        state = {"creator": "carl", "title": None, "state": "open", "created_at": AT} | more
        self.directory.known[stream] = StreamState(id=stream, **state)

    async def store(self, *segments: Mapping[str, Any]) -> None:
        """Write to the archive."""
        await self.archive.write([sequenced(each) for each in segments])


def sequenced(fanout: Mapping[str, Any]) -> Any:
    """Turn a fanout record into the sequenced one that it came from."""
    return {**fanout, "refused": []}


class _World:
    """Starts and stops what has a life of its own."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self._settings = settings
        self._archive = SqliteArchive(home / "archive.sqlite3", Archive())

    async def __aenter__(self) -> World:
        await self._archive.open()
        facts, kafka, directory, finder = FakeFacts(), FakeKafka(), FakeDirectory(), FakeFinder()
        settings, audit = self._settings, FakeAudit()
        self._gateway = Gateway(settings, boot="api", facts=facts, submitter=kafka)  # type: ignore[arg-type]
        await self._gateway.start()

        async def producer() -> bool:
            return kafka.ready

        history = History(lambda: self._archive, directory, directory, directory.stale.__contains__)  # type: ignore[arg-type]
        readiness = Readiness({"producer": producer, "redis": directory.ready})
        auth = Authenticator(settings.auth)
        parts = Parts(
            settings=settings,
            door=self._gateway,
            directory=directory,  # type: ignore[arg-type]
            history=history,
            audit=audit,
            policy=self._gateway.policy,
            finder=finder,
            auth=auth,
            readiness=readiness,
            metrics=Metrics(),
        )
        return World(
            settings, facts, kafka, directory, audit, finder, self._archive, readiness, auth, build_app(parts)
        )

    async def __aexit__(self, *_: object) -> None:
        await self._gateway.stop()
        await self._archive.close()


def world(home: Path, **sections: dict[str, Any]) -> _World:
    """Make a world; ``sections``: settings of ``api``, ``auth``, ``edge``, ``limits``."""
    kinds: dict[str, Any] = {"api": Api, "auth": Auth, "edge": Edge, "limits": Limits}
    return _World(home, Settings(**{name: kinds[name](**values) for name, values in sections.items()}))


def quoted(text: str) -> str:
    """As a part of a path."""
    return quote(text, safe="")


@contextmanager
def unanswered(kafka: FakeKafka) -> Iterator[None]:
    """Let Kafka not answer for a while."""
    kafka.answering = False
    try:
        yield
    finally:
        kafka.answering = True
