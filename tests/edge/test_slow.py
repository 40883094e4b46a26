"""Viewers that do not read, on real sockets: bounded, told, cut, and nobody else's trouble."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest

from edge import connection as module
from edge.client import Client
from edge.connection import Connection
from edge.stream import WINDOW_EVENTS_MAX
from tests.edge.fakes import STREAM, Stage, comment, segment, stage, until
from tests.edge.fuzz import FakeTransport
from tests.edge.raw import CONNECT, Raw, command, request, upgraded
from tests.edge.test_sdk import client_of, watch

TEXT = "x" * 450
FRAME_BYTES = (WINDOW_EVENTS_MAX + 50) * 700
"""Of the largest frame: what the kernel did not take of it waits."""
SUBSCRIBE = command(id=2, subscribe={"channel": f"stream:{STREAM}"})


def push(on: Stage, count: int, *, sampled: bool = False) -> None:
    """Append comments of half a kilobyte, one segment."""
    first = getattr(on, "_last", 0) + 1
    on._last = first + count - 1  # type: ignore[attr-defined]
    events = [comment(seq, text=TEXT) for seq in range(first, first + count)]
    on.feed.push(segment(events, sampled=sampled))


async def enter(peer: Raw) -> None:
    """Connect and subscribe."""
    await peer.send(CONNECT, SUBSCRIBE)
    await peer.messages(2)


def stuck(on: Stage) -> Connection:
    """Return the connection whose socket is full."""
    [found] = [each for each in on.server.connections if each._blocked_at is not None]
    return found


async def fill(on: Stage) -> Connection:
    """Send until a socket is full."""
    async with asyncio.timeout(20):
        while not any(each._blocked_at is not None for each in on.server.connections):
            push(on, 50)
            await asyncio.sleep(0.002)
    return stuck(on)


async def documents(peer: Raw, upto: int) -> list[dict[str, Any]]:
    """Read publications until one reaches ``upto``."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["to"] < upto:
        pushes = [message["push"] for message in await peer.messages(1) if "push" in message]
        found += [push["pub"]["data"] for push in pushes]
    return found


async def test_a_stuck_viewer_costs_a_frame_and_no_more() -> None:
    """However much is sent, the process holds the rest of one frame for it; the others get everything."""
    async with stage(window_ms=5) as on, client_of(on) as (client, seen):
        await watch(client, seen)
        async with upgraded(on, receive_bytes=4_096) as peer:
            await enter(peer)
            connection = await fill(on)
            for _ in range(60):
                push(on, 50)
                await asyncio.sleep(0.005)
            held = connection._transport.get_write_buffer_size()
            assert 0 < held < FRAME_BYTES
            last = on._last  # type: ignore[attr-defined]
            await until(lambda: seen.seqs[-1:] == [last], 20)
            assert seen.seqs == list(range(1, last + 1))
            assert seen.gaps == []


async def test_a_stuck_viewer_is_cut_and_resumes_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few seconds without taking anything; back at its position it has missed nothing."""
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.4)
    async with stage(window_ms=5, ring_events_max=50_000) as on:
        async with upgraded(on, receive_bytes=4_096) as peer:
            await enter(peer)
            await fill(on)
            started = asyncio.get_running_loop().time()
            await until(lambda: not on.server.connections)
            assert asyncio.get_running_loop().time() - started < 3
            assert on.server.stats.slow_closes == 1
        last = on._last  # type: ignore[attr-defined]
        async with upgraded(on) as peer:
            subscribe = {"channel": f"stream:{STREAM}", "recover": True, "epoch": "test-0", "offset": 0}
            await peer.send(CONNECT, command(id=2, subscribe=subscribe))
            _, reply = await peer.messages(2)
            assert reply["subscribe"]["recovered"] is True
            found = [each["data"] for each in reply["subscribe"]["publications"]]
            if found[-1]["to"] < last:
                found += await documents(peer, last)
            seqs = [event["seq"] for document in found for event in document["events"]]
            assert seqs == list(range(1, last + 1))


async def test_a_viewer_that_takes_a_little_is_not_cut() -> None:
    """Who takes something within the limit may stay for as long as it takes; who takes nothing may not."""
    async with stage() as on:
        connection, transport = Connection(on.server._doorway), FakeTransport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.data_received(request() + CONNECT)
        now, transport.waiting = on.server._loop.time(), 1_000
        connection.pause_writing()
        for transport.waiting in (900, 800, 1):
            now += module.SLOW_SECONDS + 1
            assert connection.deadline(now) == now + module.SLOW_SECONDS
        assert not transport.closed
        connection.deadline(now + module.SLOW_SECONDS + 1)
        assert transport.closed
        assert on.server.stats.slow_closes == 1
        connection.connection_lost(None)


async def test_a_full_socket_keeps_no_token_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token ends when it ends, also while its viewer takes nothing."""
    async with stage() as on:
        connection, transport = Connection(on.server._doorway), FakeTransport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.data_received(request() + CONNECT)
        connection.pause_writing()
        sent = transport.size
        monkeypatch.setattr(Client, "expires_in", lambda _: -1.0)
        connection.deadline(on.server._loop.time() + module.SLOW_SECONDS + 1)
        assert transport.size > sent, "no close frame"
        assert on.server.stats.slow_closes == 0
        assert connection.client is None or connection.client.closed
        connection.connection_lost(None)


async def test_the_limit_is_ten_seconds() -> None:
    """What the design promises, with the wheel's tick."""
    assert module.SLOW_SECONDS + 1 < 10


async def test_a_viewer_that_takes_bytes_again_gets_what_it_missed() -> None:
    """In parts, as its socket takes them, without a gap, and then it is live again."""
    more = {"window_ms": 5, "ring_events_max": 50_000}
    async with stage(**more) as on, upgraded(on, receive_bytes=4_096) as peer:
        await enter(peer)
        await fill(on)
        push(on, 200)
        last = on._last  # type: ignore[attr-defined]
        found = await documents(peer, last)
        await until(lambda: not any(each._blocked_at for each in on.server.connections))
        push(on, 3)
        found += await documents(peer, last + 3)
        seqs = [event["seq"] for document in found for event in document["events"]]
        assert seqs == list(range(1, last + 4))
        assert all("hole" not in document for document in found)


async def test_what_the_ring_no_longer_has_is_an_announced_skip() -> None:
    """A slow viewer that fell behind the ring is told exactly what it missed."""
    async with stage(window_ms=5, ring_events_max=300) as on, upgraded(on, receive_bytes=4_096) as peer:
        await enter(peer)
        await fill(on)
        for _ in range(10):
            push(on, 100)
            await asyncio.sleep(0)
        last = on._last  # type: ignore[attr-defined]
        found = await documents(peer, last)
        holes = [document["hole"] for document in found if "hole" in document]
        assert len(holes) >= 1
        position = 0
        for document in found:
            assert document["from"] == position
            position = document["to"]
        missing = {seq for hole in holes for seq in range(hole["from"] + 1, hole["to"] + 1)}
        seqs = {event["seq"] for document in found for event in document["events"]}
        assert missing | seqs == set(range(1, last + 1))
        assert not missing & seqs
        assert {hole["reason"] for hole in holes} == {"slow"}


async def test_a_slow_viewer_of_a_sampled_stream_skips_what_is_late() -> None:
    """Lane frames are not delivered late: the skip is announced, and the next frame is fresh."""
    async with stage() as on, upgraded(on, receive_bytes=4_096) as peer:
        await enter(peer)
        async with asyncio.timeout(20):
            while not any(each._blocked_at is not None for each in on.server.connections):
                # A guest's lane is any of 64: whichever it is, half of these are for it.
                masks = (0x7FFF_FFFF_FFFF_FFFF, -2)
                lanes = [comment(seq, text=TEXT, mask=masks[seq % 2]) for seq in numbers(on, 50)]
                on.feed.push(segment(lanes, sampled=True))
                await asyncio.sleep(0.001)
        on.feed.push(segment([comment(seq, text=TEXT, mask=1) for seq in numbers(on, 50)], sampled=True))
        last = on._last  # type: ignore[attr-defined]
        found = await documents(peer, last)
        assert found[-1]["hole"]["reason"] == "slow"
        assert found[-1]["events"] == []
        assert json.dumps(found[-1]["hole"]["to"]) == str(last)


def numbers(on: Stage, count: int) -> range:
    first = getattr(on, "_last", 0) + 1
    on._last = first + count - 1  # type: ignore[attr-defined]
    return range(first, first + count)


async def test_many_stuck_viewers_leave_the_others_alone() -> None:
    """One in ten reads nothing; the rest have every comment, and the process is bounded."""
    async with stage(window_ms=5) as on:  # noqa: SIM117 - the edge outlives its peers
        async with AsyncExitStack() as peers:
            slow = [await peers.enter_async_context(upgraded(on, receive_bytes=4_096)) for _ in range(5)]
            fast = [await peers.enter_async_context(upgraded(on)) for _ in range(45)]
            for peer in (*slow, *fast):
                await enter(peer)
            reading = [asyncio.create_task(documents(peer, 2_000)) for peer in fast]
            for _ in range(40):
                push(on, 50)
                await asyncio.sleep(0.005)
            async with asyncio.timeout(30):
                everything = await asyncio.gather(*reading)
            for found in everything:
                seqs = [event["seq"] for document in found for event in document["events"]]
                assert seqs == list(range(1, 2_001))
            held = [each._transport.get_write_buffer_size() for each in on.server.connections]
            assert max(held) < FRAME_BYTES
