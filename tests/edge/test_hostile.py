"""Peers that break the protocol on raw sockets: cut at once, with the right code, and nobody else notices."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from edge import connection as module
from edge.auth import Authenticator
from edge.frontdesk import RETRY_AFTER_SECONDS
from edge.messages import FRAGMENTS_MAX
from tests.edge.fakes import STREAM, Stage, comments, stage, until
from tests.edge.raw import CONNECT, Raw, command, frame, raw, request, upgraded
from tests.edge.test_sdk import client_of, watch


@contextlib.asynccontextmanager
async def watched(**edge: Any) -> AsyncIterator[Stage]:
    """Run an edge with an honest viewer, who must not notice anything."""
    async with stage(**edge) as on, client_of(on) as (client, seen):
        await watch(client, seen)
        yield on
        seq = len(seen.seqs) + 1
        on.feed.push(comments(seq, seq))
        await until(lambda: seen.seqs[-1:] == [seq])
        assert (seen.disconnected, len(seen.connecting)) == ([], 1)
        await until(lambda: len(on.server.connections) == 1)


LONG = struct.pack(">BBQ", 0x81, 0xFF, 2**63 - 1) + bytes(4)
LONGEST = struct.pack(">BBQ", 0x81, 0xFF, 2**64 - 1) + bytes(4)
FRAMES: list[tuple[str, bytes, int | None]] = [
    ("2^63 bytes", LONG, 1009),
    ("2^64 bytes", LONGEST, 1009),
    ("a message too big", frame(b"x" * (64 * 1024 + 1)), 1009),
    ("fragments too big", frame(b"x" * 40_000, fin=False) + frame(b"x" * 40_000, 0), 1009),
    ("unmasked", frame(b"{}", masked=False), 1002),
    ("RSV1, as if compressed", frame(b"\xaa\x56\x2a\x01\x00", rsv=4), 1002),
    ("RSV2", frame(b"{}", rsv=2), 1002),
    ("RSV3", frame(b"{}", rsv=1), 1002),
    ("opcode 3", frame(b"", 3), 1002),
    ("opcode 7", frame(b"", 7), 1002),
    ("opcode 11", frame(b"", 11), 1002),
    ("opcode 15", frame(b"", 15), 1002),
    ("a fragmented ping", frame(b"", 9, fin=False), 1002),
    ("a long ping", frame(b"x" * 126, 9), 1002),
    ("a fragmented close", frame(b"", 8, fin=False), 1002),
    ("a continuation of nothing", frame(b"x", 0), 1002),
    ("a message within a message", frame(b"{", fin=False) + frame(b"{}"), 1002),
    ("a close of one byte", frame(b"\x03", 8), 1002),
    ("a close with code 0", frame(b"\0\0", 8), 1002),
    ("a close with code 1005", frame(struct.pack(">H", 1005), 8), 1002),
    ("a close with code 999", frame(struct.pack(">H", 999), 8), 1002),
    ("a close with a reason that is not UTF-8", frame(b"\x03\xe8\xff", 8), 1007),
    ("text that is not UTF-8", frame(b"\xff\xfe"), 1007),
    ("half a character, and no more", frame(b"{\xc3"), 1007),
    ("a surrogate", frame(b"\xed\xa0\x80"), 1007),
    ("a bad fragment", frame(b"ok", fin=False) + frame(b"\xff", 0, fin=False), 1007),
    ("not JSON", frame(b"}{"), 4501),
    ("an array", frame(b"[]"), 4501),
    ("deep nesting", frame(b"[" * 60_000), 4501),
    ("nothing at all", frame(b""), 4501),
    ("binary in JSON's place", frame(b"\0\1\2", 2), 4501),
    ("a command before connect", command(id=1, subscribe={"channel": "stream:demo"}), 4501),
    ("connect twice", CONNECT + command(id=2, connect={}), 4501),
    ("no id", command(connect={}), 4501),
    ("65 commands", CONNECT + frame(b"\n".join([b'{"id":2,"ping":{}}'] * 65)), 4501),
    ("many tiny fragments", frame(b"", fin=False) + frame(b"x", 0, fin=False) * (FRAGMENTS_MAX + 1), None),
]


@pytest.mark.parametrize(("sent", "code"), [each[1:] for each in FRAMES], ids=[each[0] for each in FRAMES])
async def test_bad_frames_are_cut_with_their_code(sent: bytes, code: int | None) -> None:
    """Within a second; whole, and byte for byte."""
    async with watched() as on:
        for step in (len(sent), 1 if len(sent) < 200 else 977):
            async with upgraded(on) as peer:
                started = asyncio.get_running_loop().time()
                for at in range(0, len(sent), step):
                    await peer.send(sent[at : at + step])
                found = await peer.closed()
                assert found == code or (code is None and found in {4501, 4502})
                assert asyncio.get_running_loop().time() - started < 3


async def test_tiny_fragments_and_bytes_are_no_crime() -> None:
    """A message of one-byte fragments, each sent byte for byte, with pings between, is a message."""
    async with watched() as on, upgraded(on) as peer:
        data = json.dumps({"id": 1, "connect": {}}).encode()
        sent = b""
        for at, byte in enumerate(data):
            opcode = 0 if at else 1
            sent += frame(bytes([byte]), opcode, fin=at == len(data) - 1)
            sent += frame(b"p", 9) if at % 10 == 0 else b""
        for byte in sent:
            await peer.send(bytes([byte]))
        came = [await peer.next() for _ in range(4)]
        assert sorted(opcode for opcode, _ in came) == [1, 10, 10, 10]
        [reply] = [json.loads(payload) for opcode, payload in came if opcode == 1]
        assert reply["connect"]["client"]


async def flood(peer: Raw, data: bytes, *, ends: Callable[[int | None], bool]) -> None:
    """Send without end, until the edge has had enough."""

    async def pour() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await peer.send(data)
                await asyncio.sleep(0)

    pouring = asyncio.create_task(pour())
    try:
        assert ends(await peer.closed())
    finally:
        pouring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pouring


@pytest.mark.parametrize(
    "data",
    [
        frame(b"", 9) * 100,
        frame(b"x" * 125, 9) * 20,
        frame(b"", 10) * 100,
        command(id=2, ping={}) * 50,
        frame(b"{}") * 100,
        command(id=2, subscribe={"channel": "stream:demo"}) * 50,
        command(id=2, history={"channel": "stream:demo", "limit": -1}) * 50,
        command(id=2, publish={"channel": "stream:demo", "data": {"text": "x"}}) * 50,
        frame(b"{", fin=False) + frame(b" ", 0, fin=False) * 500 + frame(b"}", 0),
    ],
    ids=["pings", "long pings", "pongs", "commands", "empty commands", "subscribes", "histories", "publishes",
         "fragments"],
)  # fmt: skip
async def test_floods_are_cut(data: bytes) -> None:
    """Whatever they are made of, with what they cost in proportion."""
    async with watched() as on, upgraded(on) as peer:
        await peer.send(CONNECT)
        await peer.next()
        await flood(peer, data, ends=lambda code: code in {4502, None})


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 10_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 8_000 + b"\r\n") * 100, None),
        (b"GET " + b"x" * 60_000, None),
        (request() + b"\xff" * 100, 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + b"\xff" * 100, 200),
        (b"POST /connection/websocket HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET /connection/websocket HTTP/1.0\r\nHost: x\r\n\r\n", None),
        (b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        (request().replace(b"Version: 13", b"Version: 8"), 400),
        (request().replace(b"Sec-WebSocket-Key", b"Sec-Other"), 400),
        (request().replace(b"Upgrade: websocket", b"Upgrade: h2c"), 426),
        (request("/connection/websocket", "Origin: https://evil.example"), 403),
        (request("/connection/websocket", "Content-Length: 5") + b"hello", None),
        (request("/connection/websocket", "Transfer-Encoding: chunked"), None),
        (request("//["), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), None),
        (b"\r\n\r\n", None),
        (b"SSH-2.0-x\r\n", None),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nX y\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nX: \0\r\n\r\n", None),
    ],
)  # fmt: skip
async def test_bad_requests_are_answered_and_closed(sent: bytes, status: int | None) -> None:
    """With a status where there is one for it; in any case at once."""
    async with watched(handshake_seconds=1) as on, raw(on) as peer:
        await peer.send(sent)
        if status is None:
            head = b""
            with contextlib.suppress(ConnectionError):  # closed with much of it unread
                async with asyncio.timeout(5):
                    head = await peer.reader.read()
            assert b" 101 " not in head
        else:
            assert await peer.status() == status
            async with asyncio.timeout(5):
                await peer.reader.read()


async def test_no_compression_is_agreed_on() -> None:
    """What is offered is left lying, so that there is nothing to blow up."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    async with watched() as on, upgraded(on, offer) as peer:
        assert "extensions" not in peer.head.lower()


async def test_what_follows_the_handshake_at_once_is_heard() -> None:
    """A client may send its first command in one packet with the handshake."""
    async with watched() as on, raw(on) as peer:
        await peer.send(request() + CONNECT)
        assert await peer.status() == 101
        [reply] = await peer.messages(1)
        assert reply["connect"]["client"]


async def test_pipelined_requests_get_one_answer() -> None:
    """The connection closes behind the first."""
    async with watched() as on, raw(on) as peer:
        await peer.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        async with asyncio.timeout(5):
            answered = await peer.reader.read()
        assert answered.count(b"HTTP/1.1 200") == 1


async def test_slow_handshakes_are_cut() -> None:
    """Whether nothing comes, or a byte now and then, or everything but the connect command."""
    async with watched(handshake_seconds=1) as on, contextlib.AsyncExitStack() as peers:
        silent = [await peers.enter_async_context(raw(on)) for _ in range(50)]
        dripping = await peers.enter_async_context(raw(on))
        idle = await peers.enter_async_context(upgraded(on))
        started = asyncio.get_running_loop().time()

        async def drip() -> None:
            for byte in request():
                await dripping.send(bytes([byte]))
                await asyncio.sleep(0.05)

        task = asyncio.create_task(drip())
        async with asyncio.timeout(8):
            for peer in (*silent, dripping):
                with contextlib.suppress(ConnectionError):
                    assert await peer.reader.read() == b""
            assert await idle.closed() == 4004
        assert asyncio.get_running_loop().time() - started > 0.8
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_peer_that_does_not_answer_pings_is_cut() -> None:
    """One that does stays; the code is one on which an SDK comes back."""
    async with watched(ping_seconds=1) as on, upgraded(on) as dead, upgraded(on) as alive:
        for peer in (dead, alive):
            await peer.send(CONNECT)
            await peer.messages(1)

        async def answer() -> None:
            while True:
                opcode, payload = await alive.next()
                assert opcode == 1
                if payload == b"{}":
                    await alive.send(frame(b"{}"))

        task = asyncio.create_task(answer())
        assert await dead.closed() == 4002
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_token_that_runs_out_closes_the_socket() -> None:
    """With a code on which an SDK fetches another."""
    async with watched(auth={"leeway_seconds": 0}) as on, upgraded(on) as peer:
        token = Authenticator(on.settings.auth).mint("u", STREAM, "viewer", 1)
        await peer.send(command(id=1, connect={"token": token}))
        await peer.messages(1)
        assert await peer.closed() == 4003


async def test_a_half_closed_peer_is_let_go() -> None:
    """Who will say nothing more is of no use."""
    async with watched() as on, upgraded(on) as peer:
        await peer.send(CONNECT)
        await peer.messages(1)
        peer.writer.write_eof()
        assert await peer.closed() is None


@pytest.mark.parametrize("answers", [True, False], ids=["answered", "unanswered"])
async def test_the_closing_handshake_ends(answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an answer to our close at once; without one after a while."""
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.5)
    async with watched() as on, upgraded(on) as peer:
        await peer.send(frame(b"}{"))
        opcode, payload = await peer.next()
        assert opcode == 8
        if answers:
            await peer.send(frame(payload, 8))
        assert await peer.closed() is None


async def test_too_many_connections_are_told_to_wait() -> None:
    """By address 429, in all 503, both with Retry-After; by user they are closed for good."""
    later = f"Retry-After: {RETRY_AFTER_SECONDS}"
    async with watched(connections_per_address_max=3) as on, upgraded(on), upgraded(on), raw(on) as peer:
        await peer.send(request())
        assert await peer.status() == 429
        assert later in peer.head
    async with watched(connections_max=2) as on, upgraded(on), raw(on) as peer:
        await peer.send(request())
        assert await peer.status() == 503
        assert later in peer.head
    async with watched(connections_per_user_max=2) as on, contextlib.AsyncExitStack() as peers:
        token = Authenticator(on.settings.auth).mint("u", STREAM, "viewer", 60)
        for number in range(3):
            peer = await peers.enter_async_context(upgraded(on))
            await peer.send(command(id=1, connect={"token": token}))
            if number < 2:
                await peer.messages(1)
            else:
                assert await peer.closed() == 4504


async def test_a_storm_is_let_in_at_a_rate() -> None:
    """Beyond it 503 with Retry-After; those connected notice nothing; all are in before long."""
    async with watched(handshakes_per_second_max=20) as on:
        refused = 0

        async def come(peers: contextlib.AsyncExitStack) -> None:
            nonlocal refused
            while True:
                peer = await peers.enter_async_context(raw(on))
                await peer.send(request())
                if await peer.status() == 101:
                    return
                assert f"Retry-After: {RETRY_AFTER_SECONDS}" in peer.head
                refused += 1
                await asyncio.sleep(0.2)

        async with contextlib.AsyncExitStack() as peers, asyncio.timeout(30):
            await asyncio.gather(*(come(peers) for _ in range(60)))
        assert refused > 20


async def test_a_socket_beyond_all_limits_is_not_even_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a lobby for those that are told to wait, and it is not endless."""
    monkeypatch.setattr("edge.frontdesk.LOBBY_MAX", 2)
    async with watched(connections_max=2) as on, raw(on), raw(on), raw(on), raw(on) as peer:
        with contextlib.suppress(ConnectionError):
            await peer.send(request())
            assert await peer.reader.read() == b""


async def test_subscriptions_are_bounded() -> None:
    """One more than allowed is an error of its own."""
    async with watched(subscriptions_per_connection_max=2) as on, upgraded(on) as peer:
        channels = [f"stream:s{n}" for n in range(3)]
        wanted = [command(id=n + 2, subscribe={"channel": each}) for n, each in enumerate(channels)]
        await peer.send(CONNECT, *wanted)
        replies = {reply["id"]: reply for reply in await peer.messages(4)}
        assert replies[4]["error"]["code"] == 106
        assert "subscribe" in replies[2]
        assert "subscribe" in replies[3]


async def test_tasks_are_bounded_and_what_is_refused_can_be_asked_again() -> None:
    """A subscribe beyond what is under way is refused, and is not taken for a subscription."""
    many = {"commands_per_second_max": 200, "subscriptions_per_connection_max": 100}
    async with watched(**many) as on, upgraded(on) as peer:
        await peer.send(CONNECT)
        await peer.messages(1)
        lines = [json.dumps({"id": n, "subscribe": {"channel": f"stream:s{n}"}}) for n in range(2, 50)]
        await peer.send(frame("\n".join(lines).encode()))
        replies = {reply["id"]: reply for reply in await peer.messages(48)}
        refused = [id_ for id_, reply in replies.items() if "error" in reply]
        assert 0 < len(refused) < 48
        assert {replies[id_]["error"]["code"] for id_ in refused} == {111}
        again = refused[0]
        await peer.send(command(id=again, subscribe={"channel": f"stream:s{again}"}))
        [reply] = await peer.messages(1)
        assert "subscribe" in reply
