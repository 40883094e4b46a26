"""The edge under the official JavaScript SDK, unmodified, in both encodings: what a browser's app sees."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest

from edge.auth import Authenticator
from edge.revocation import of_user
from schemas.refusals import Code, Refusal
from tests.edge.fakes import EPOCH, STREAM, Stage, command, comment, comments, segment, stage, until

SDK = Path(__file__).parents[2] / "web" / "node_modules" / "centrifuge"
SCRIPT = Path(__file__).with_name("sdk.mjs")
CHANNEL = f"stream:{STREAM}"
LIMIT_SECONDS = 20.0

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("encoding", ["json", "protobuf"]),
    pytest.mark.skipif(not SDK.is_dir(), reason="needs web/node_modules/centrifuge: make setup"),
]


def node() -> list[str]:
    """Return the command for node; skips where there is none."""
    from livecomments.web import find_node

    try:
        found = find_node()
    except Exception as error:  # noqa: BLE001 - whatever is missing, it is said
        pytest.skip(f"needs node: {error}")
    return [*found.node, "--experimental-websocket", "--no-warnings"]


class App:
    """One app in node, and all it was told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = count(1)
        self.facts: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.facts.append(json.loads(line))

    async def tell(self, name: str, **more: Any) -> Any:
        """Give a command; return its result, or ``{"code", "message", "temporary"}``."""
        id_ = next(self._ids)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": id_, "name": name, **more}).encode() + b"\n")
        fact = await self.fact(lambda each: each.get("id") == id_ and each["kind"] in {"done", "failed"})
        return fact["result"] if fact["kind"] == "done" else fact

    async def fact(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a fact; return the last such."""
        await until(lambda: any(map(wanted, self.facts)), LIMIT_SECONDS)
        return [each for each in self.facts if wanted(each)][-1]

    def of(self, kind: str, channel: str | None = None) -> list[dict[str, Any]]:
        """Return the facts of a kind."""
        return [
            each
            for each in self.facts
            if each["kind"] == kind and (channel is None or each["channel"] == channel)
        ]

    async def of_kind(self, kind: str, times: int = 1) -> dict[str, Any]:
        """Wait until something was told so many times; return the last."""
        await until(lambda: len(self.of(kind)) >= times, LIMIT_SECONDS)
        return self.of(kind)[times - 1]

    @property
    def seqs(self) -> list[int]:
        """Seqs of the stream's events, in the order of arrival."""
        return [event["seq"] for each in self.of("publication", CHANNEL) for event in each["data"]["events"]]

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def app(on: Stage, encoding: str) -> AsyncIterator[App]:
    process = await asyncio.create_subprocess_exec(
        *node(),
        str(SCRIPT),
        on.url,
        encoding,
        stdin=-1,
        stdout=-1,
        env={**os.environ, "CENTRIFUGE": str(SDK)},
    )
    running = App(process)
    try:
        yield running
    finally:
        await running.close()


def token(on: Stage, user: str = "bo", *, ttl: int = 600, ago: int = 0) -> str:
    authenticator = Authenticator(on.settings.auth)
    if ago:
        import time

        authenticator = Authenticator(on.settings.auth, now=lambda: time.time() - ago)
    return authenticator.mint(user, STREAM, "viewer", ttl)


async def test_connect_subscribe_and_live(encoding: str) -> None:
    """The first subscribe ends at the reply's offset, live goes on from there, in order."""
    async with stage(window_ms=5) as on, app(on, encoding) as viewer:
        on.feed.push(comments(1, 80))
        await viewer.tell("connect", token=token(on))
        assert (await viewer.of_kind("connected"))["data"] == {"user": "bo"}
        await viewer.tell("subscribe", channel=CHANNEL)
        subscribed = await viewer.of_kind("subscribed")
        assert subscribed["position"] == {"offset": 80, "epoch": EPOCH}
        for seq in range(81, 121):
            on.feed.push(comments(seq, seq))
            await asyncio.sleep(0.002)
        await until(lambda: viewer.seqs[-1:] == [120], LIMIT_SECONDS)
        assert viewer.seqs == list(range(31, 121))
        ranges = [(each["data"]["from"], each["data"]["to"]) for each in viewer.of("publication")]
        assert all(one[1] == other[0] for one, other in pairwise(ranges))
        assert viewer.of("publication")[-1]["offset"] == 120


async def test_publish_history_and_presence(encoding: str) -> None:
    """What a comment's author gets: durable, refused with its code, unknown; and the questions."""
    async with stage() as on, app(on, encoding) as viewer:
        await viewer.tell("connect", token=token(on))
        await viewer.tell("subscribe", channel=CHANNEL)
        assert await viewer.tell("publish", channel=CHANNEL, data={"text": "olá 🎉"}) == {}
        await until(lambda: viewer.seqs == [1], LIMIT_SECONDS)
        assert viewer.of("publication")[-1]["data"]["events"][0]["text"] == "olá 🎉"
        for code, temporary in ((Code.BANNED, False), (Code.UNKNOWN, True), (Code.TOO_OLD, False)):
            on.door.refusal = Refusal(code)
            failed = await viewer.tell("publish", channel=CHANNEL, data={"text": "x"})
            assert (failed["code"], failed.get("temporary", False)) == (code, temporary)
        failed = await viewer.tell("publish", channel=CHANNEL, data=[1])
        assert failed["code"] == Code.INVALID
        on.feed.push(comments(2, 30))
        await until(lambda: viewer.seqs[-1:] == [30], LIMIT_SECONDS)
        history = await viewer.tell("history", channel=CHANNEL, limit=5)
        assert (history["epoch"], history["offset"]) == (EPOCH, 30)
        [document] = [each["data"] for each in history["publications"]]
        assert [event["seq"] for event in document["events"]] == [26, 27, 28, 29, 30]
        since = {"offset": 3, "epoch": EPOCH}
        history = await viewer.tell("history", channel=CHANNEL, limit=2, since=since)
        assert [e["seq"] for each in history["publications"] for e in each["data"]["events"]] == [4, 5]
        assert await viewer.tell("presenceStats", channel=CHANNEL) == {"numClients": 1, "numUsers": 1}
        assert (await viewer.tell("presence", channel=CHANNEL))["code"] == 108
        assert (await viewer.tell("rpc", method="m"))["code"] == 104


async def test_cut_again_and_again(encoding: str) -> None:
    """Whatever is missed comes on return, once, in order; a viewer who never left has the same."""
    async with stage(window_ms=5) as on, app(on, encoding) as viewer, app(on, encoding) as other:
        for each in (viewer, other):
            await each.tell("connect", token=token(on))
            await each.tell("subscribe", channel=CHANNEL)
            await each.of_kind("subscribed")
        for seq in range(1, 501):
            on.feed.push(comments(seq, seq))
            if seq % 100 == 0:
                await viewer.tell("cut")
                await viewer.of_kind("subscribed", 1 + seq // 100)
            await asyncio.sleep(0.001)
        await until(lambda: viewer.seqs[-1:] == other.seqs[-1:] == [500], LIMIT_SECONDS)
        assert viewer.seqs == other.seqs == list(range(1, 501))
        assert all(each["recovered"] for each in viewer.of("subscribed")[1:])


async def test_a_long_absence_in_many_parts(encoding: str) -> None:
    """More than one reply holds: the rest follows, and nothing is lost between the two."""
    async with stage(window_ms=5) as on, app(on, encoding) as viewer:
        for first in range(1, 3_001, 100):
            on.feed.push(segment([comment(seq, text="x" * 300) for seq in range(first, first + 100)]))
        await viewer.tell("connect", token=token(on))
        await viewer.tell("subscribe", channel=CHANNEL, since={"offset": 10, "epoch": EPOCH})
        on.feed.push(comments(3_001, 3_001))
        await until(lambda: viewer.seqs[-1:] == [3_001], LIMIT_SECONDS)
        assert viewer.seqs == list(range(11, 3_002))
        assert viewer.of("subscribed")[0]["recovered"]


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ({"offset": 3, "epoch": EPOCH}, "window"),
        ({"offset": 999, "epoch": EPOCH}, "ahead"),
        ({"offset": 3, "epoch": "other-0"}, "epoch"),
    ],
)
async def test_what_cannot_be_resumed_is_announced(encoding: str, since: Any, reason: str) -> None:
    """Unrecovered, at the true position, with the hole."""
    async with stage(ring_events_max=100) as on, app(on, encoding) as viewer:
        for first in range(1, 401, 100):
            on.feed.push(comments(first, first + 99))
        await viewer.tell("connect", token=token(on))
        await viewer.tell("subscribe", channel=CHANNEL, since=since)
        subscribed = await viewer.of_kind("subscribed")
        assert (subscribed["wasRecovering"], subscribed["recovered"]) == (True, False)
        assert subscribed["position"] == {"offset": 400, "epoch": EPOCH}
        first = await viewer.of_kind("publication")
        assert first["data"]["hole"]["reason"] == reason


async def test_a_new_epoch_makes_the_sdk_subscribe_again(encoding: str) -> None:
    """Unsubscribed by the server with a code on which it comes back, and is told what is gone."""
    async with stage() as on, app(on, encoding) as viewer:
        await viewer.tell("connect", token=token(on))
        await viewer.tell("subscribe", channel=CHANNEL)
        on.feed.push(comments(1, 5))
        await until(lambda: viewer.seqs == [1, 2, 3, 4, 5], LIMIT_SECONDS)
        on.feed.push(comments(1, 2, epoch="test-1"))
        await viewer.of_kind("subscribed", 2)
        await until(lambda: any("hole" in each["data"] for each in viewer.of("publication")), LIMIT_SECONDS)
        hole = next(each["data"] for each in viewer.of("publication") if "hole" in each["data"])
        assert hole["hole"]["reason"] == "epoch"
        await until(lambda: viewer.seqs[-2:] == [1, 2], LIMIT_SECONDS)
        assert 2500 in [each["code"] for each in viewer.of("subscribing")]


async def test_deletes_are_live_and_not_replayed(encoding: str) -> None:
    """A delete is shown; what it deleted is in no catch-up."""
    async with stage() as on, app(on, encoding) as viewer:
        on.feed.push(segment([comment(1), comment(2), command(3, "delete", comment(1)["id"])]))
        await viewer.tell("connect")
        await viewer.tell("subscribe", channel=CHANNEL)
        await until(lambda: viewer.seqs == [2, 3], LIMIT_SECONDS)


async def test_tokens(encoding: str) -> None:
    """Bad ones end the client; expired ones are fetched anew, also over a living connection."""
    async with stage() as on:
        async with app(on, encoding) as viewer:
            await viewer.tell("connect", token="nonsense")
            assert (await viewer.of_kind("disconnected"))["code"] == 4500
        async with app(on, encoding) as viewer:
            await viewer.tell("connect", token=token(on, ttl=60, ago=600), fresh=token(on))
            await viewer.of_kind("connected")
            assert len(viewer.of("refreshing")) == 1
        async with app(on, encoding) as viewer:
            await viewer.tell("connect", token=token(on, ttl=2), fresh=token(on))
            await viewer.of_kind("refreshing")
            assert await viewer.tell("presenceStats", channel=CHANNEL) == {"numClients": 0, "numUsers": 0}
            assert len(viewer.of("connected")) == 1


async def test_channels_that_may_not_be_read(encoding: str) -> None:
    """Denied, unknown, another's; each ends its subscription, not the client."""
    async with stage() as on, app(on, encoding) as viewer:
        await viewer.tell("connect", token=token(on))
        for channel, code in {"stream:other": 103, "user:ana": 103, "chat:x": 102}.items():
            await viewer.tell("subscribe", channel=channel)
            assert await viewer.fact(lambda each, at=channel: each.get("channel") == at)  # type: ignore[misc]
            await until(lambda at=channel: bool(viewer.of("unsubscribed", at)), LIMIT_SECONDS)  # type: ignore[misc]
            assert viewer.of("unsubscribed", channel)[0]["code"] == code
        assert viewer.of("disconnected") == []


async def test_notices_are_resumed(encoding: str) -> None:
    """One's own channel: every notice once, over a cut."""
    async with stage() as on, app(on, encoding) as viewer:
        await viewer.tell("connect", token=token(on))
        await viewer.tell("subscribe", channel="user:bo")
        await viewer.of_kind("subscribed")
        on.notices.push("bo", "c0")
        await viewer.of_kind("publication")
        await viewer.tell("disconnect")
        await viewer.of_kind("disconnected")
        for number in range(1, 4):
            on.notices.push("bo", f"c{number % 3}")
            on.notices.push("ana", "x")
        await viewer.tell("reconnect")
        await viewer.of_kind("publication", 3)
        assert [each["data"]["id"] for each in viewer.of("publication")] == ["c0", "c1", "c2"]
        assert viewer.of("subscribed")[-1]["recovered"]


async def test_server_pings_keep_the_connection(encoding: str) -> None:
    """The SDK answers them by itself."""
    async with stage(ping_seconds=1) as on, app(on, encoding) as viewer:
        await viewer.tell("connect", token=token(on))
        await viewer.of_kind("connected")
        [connection] = on.server.connections
        pinged = set[float]()
        await until(lambda: pinged.add(connection._next_ping) or len(pinged) > 3, LIMIT_SECONDS)
        assert viewer.of("disconnected") == []


async def test_drained_and_revoked(encoding: str) -> None:
    """On drain it comes back; revoked it does not."""
    async with stage(drain_seconds=0) as on, app(on, encoding) as viewer:
        await viewer.tell("connect", token=token(on))
        await viewer.of_kind("connected")
        for connection in list(on.server.connections):
            from edge.protocol import codes

            connection.shut(codes.SHUTDOWN)
        assert (await viewer.of_kind("connecting", 2))["code"] == 4000
        await viewer.of_kind("connected", 2)
        on.revoked.take([(of_user("bo"), 10**15)])
        assert (await viewer.of_kind("disconnected"))["code"] == 4506


async def test_a_stale_feed_is_told(encoding: str) -> None:
    """And its end."""
    async with stage() as on, app(on, encoding) as viewer:
        await viewer.tell("connect", token=token(on))
        await viewer.tell("subscribe", channel=CHANNEL)
        await viewer.of_kind("subscribed")
        for stale in (True, False):
            assert on.server.hub is not None
            on.server.hub.behind(on.feed.place_of(STREAM), stale=stale)
        await viewer.of_kind("publication", 2)
        assert [each["data"].get("stale", False) for each in viewer.of("publication")] == [True, False]
