"""Mutated frames and handshakes against real connections, in the process and without sockets.

``python -m tests.edge.fuzz --frames 1000000 --seed 7`` runs as many as wanted; the test runs some.
"""

import argparse
import asyncio
import gc
import json
import random
import struct
import sys
from typing import Any

import structlog
from centrifuge.protocol import client_pb2 as pb

from edge import client as client_module
from edge import connection as module
from edge.auth import Authenticator
from edge.connection import Connection
from edge.protocol.protobuf_codec import varint
from tests.edge.fakes import STREAM, Stage, comments, stage, until
from tests.edge.raw import frame, request
from tests.edge.reference import no_socket

CORPUS = 2_000
PER_CONNECTION = 24
HANDSHAKES = 5
"""One connection in so many is a mutated handshake."""
GROWTH_BLOCKS_MAX = 2_000
"""Of the allocator, between the middle and the end of a run: caches fill, nothing else grows."""


class CrashError(AssertionError):
    """Something of ours broke; the message says how to see it again."""


class Watch:
    """Stands in for a module's log: no error may be written."""

    def __init__(self) -> None:
        self.faults: list[Any] = []

    def error(self, event: str, **what: Any) -> None:
        self.faults.append((event, what))

    def info(self, event: str, **what: Any) -> None: ...
    def warning(self, event: str, **what: Any) -> None: ...


class FakeTransport:
    """A transport whose peer takes everything, or nothing."""

    def __init__(self) -> None:
        self.closed = False
        self.size = 0
        self.waiting = 1
        self._fd = no_socket()

    def set_write_buffer_limits(self, high: int) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str) -> Any:
        return self if name == "socket" else ("198.51.100.7", 5)

    def fileno(self) -> int:
        return self._fd

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        self.size += len(data)

    def close(self) -> None:
        self.closed = True

    abort = close


def corpus(pick: random.Random, token: str) -> list[bytes]:
    """Return what honest clients say, in both encodings, as frames."""
    channels = [f"stream:{STREAM}", "stream:other", "user:u", "user:v", "chat:x", "", "stream:" + "s" * 200]
    found = []
    for _ in range(CORPUS):
        channel, id_ = pick.choice(channels), pick.randrange(1, 2**33)
        offset = pick.choice([0, 1, 5, -1, 2**31, 2**63, 10**30])
        bodies: list[dict[str, Any]] = [
            {"subscribe": {"channel": channel, "recover": True, "epoch": "test-0", "offset": offset}},
            {"subscribe": {"channel": channel}},
            {"unsubscribe": {"channel": channel}},
            {"publish": {"channel": channel, "data": {"text": "é" * pick.randrange(600), "id": None}}},
            {"history": {"channel": channel, "limit": pick.choice([0, 5, -1]), "since": {"offset": offset}}},
            {"presence_stats": {"channel": channel}},
            {"refresh": {"token": pick.choice([token, "x"])}},
            {"ping": {}},
        ]
        said = [{"id": id_ % 2**31, **pick.choice(bodies)} for _ in range(pick.choice([1, 1, 1, 3]))]
        if pick.random() < 0.7:
            found.append(frame(b"\n".join(json.dumps(each).encode() for each in said)))
        else:
            since = abs(offset) % 2**64
            subscribe = pb.SubscribeRequest(channel=channel, recover=True, offset=since)
            command = pb.Command(id=id_ % 2**32, subscribe=subscribe)
            found.append(frame(varint(command.ByteSize()) + command.SerializeToString(), 2))
    return found


def mutated(data: bytes, pick: random.Random) -> bytes:
    """Change some of it, or all."""
    changed = bytearray(data)
    for _ in range(pick.choice([0, 0, 0, 0, 1, 1, 2, 5])):
        at = pick.randrange(len(changed) + 1)
        match pick.randrange(8):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << pick.randrange(8)
            case 1:
                del changed[at : at + pick.choice([1, 2, 8, 64])]
            case 2:
                changed[at:at] = pick.randbytes(pick.choice([1, 2, 8, 64]))
            case 3:
                changed[at:at] = changed[at : at + 32]
            case 4:
                changed[at:at] = frame(
                    pick.randbytes(pick.choice([0, 1, 130])), pick.randrange(16), rsv=pick.randrange(8)
                )
            case 5:
                changed[0:0] = struct.pack(">BBQ", pick.randrange(256), 0xFF, pick.getrandbits(64))
            case 6 if changed:
                changed[at % len(changed)] = pick.choice(b'\0\xff{}[]":,\r\n')
            case 7:
                changed = bytearray(pick.randbytes(pick.randrange(200)))
    return bytes(changed)


async def talk(on: Stage, pick: random.Random, said: list[bytes], hello: bytes, *, handshake: bool) -> int:
    """Run one connection through mutated frames, or a mutated handshake; return how many."""
    connection, transport = Connection(on.server._doorway), FakeTransport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    count = 0
    if handshake:
        connection.data_received(mutated(hello, pick))
        count += 1
    else:
        connection.data_received(hello)
    while not transport.closed and count < (2 if handshake else PER_CONNECTION):
        count += 1
        connection.data_received(mutated(pick.choice(said), pick))
        if pick.random() < 0.02:
            connection.pause_writing()
            connection.resume_writing()
        if pick.random() < 0.1:
            await asyncio.sleep(0)
    if pick.random() < 0.1:
        connection.deadline(on.server._loop.time() + 1_000)
    connection.connection_lost(None)
    return count


async def run(frames: int, seed: int) -> dict[str, Any]:
    """Run until ``frames`` were sent; return what there was. Raises CrashError."""
    pick, watch = random.Random(seed), Watch()
    kept = [(each, each.log) for each in (module, client_module)]
    for each, _ in kept:
        each.log = watch
    try:
        async with stage(handshakes_per_second_max=10**9, commands_per_second_max=1_000) as on:
            return await _run(on, frames, seed, pick, watch)
    finally:
        for each, log in kept:
            each.log = log


async def _run(on: Stage, frames: int, seed: int, pick: random.Random, watch: Watch) -> dict[str, Any]:
    token = Authenticator(on.settings.auth).mint("u", None, "viewer", 6_000)
    said, path = corpus(pick, token), "/connection/websocket"
    connect = frame(json.dumps({"id": 1, "connect": {"token": token}}).encode())
    binary = pb.Command(id=1, connect=pb.ConnectRequest(token=token))
    packed = frame(varint(binary.ByteSize()) + binary.SerializeToString(), 2)
    hellos = [
        request(path) + connect,
        request(f"{path}?format=protobuf") + packed,
        request(path),
        request("/"),
    ]
    on.feed.push(comments(1, 50))
    on.door.comment = _taken  # type: ignore[method-assign]  # the fake would keep them all
    count = connections = blocks = 0
    while count < frames:
        connections += 1
        hello = pick.choices(hellos, [6, 3, 1, 1])[0]
        count += await talk(on, pick, said, hello, handshake=connections % HANDSHAKES == 0)
        if watch.faults:
            raise CrashError(f"--seed {seed}, frame {count}: {watch.faults}")
        if not blocks and count > frames // 2:
            blocks = await settled(on)
    grown = await settled(on) - blocks
    if grown > GROWTH_BLOCKS_MAX:
        raise CrashError(f"--seed {seed}: {grown} blocks more than half way")
    streams = list(on.server.hub._streams.values()) if on.server.hub is not None else []
    left = on.server.registry.users, on.server.desk._sockets, sum(each.audience.count for each in streams)
    if left != (0, 0, 0):
        raise CrashError(f"--seed {seed}: users, sockets and subscribers left behind: {left}")
    handled = on.server.stats.commands
    return {"frames": count, "connections": connections, "commands": handled, "grown_blocks": grown}


async def _taken(*_: Any, **__: Any) -> object:
    """Accept a comment, and forget it."""
    return object()


async def settled(on: Stage) -> int:
    """Return how many blocks are allocated when nothing is under way and what is quiet was forgotten."""
    await until(lambda: len(asyncio.all_tasks()) == 1, 20)
    on.server._deadlines._slots.clear()
    hub = on.server.hub
    for stream in list(hub._streams.values()) if hub is not None else ():
        if hub is not None and stream.id != STREAM:
            hub._forget(stream, hub._readings[on.feed.place_of(stream.id)])
    gc.collect()
    return sys.getallocatedblocks()


def main() -> None:
    """Run from the command line; print what there was as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    sys.stdout.write(json.dumps(asyncio.run(run(wanted.frames, wanted.seed))) + "\n")


if __name__ == "__main__":
    main()
