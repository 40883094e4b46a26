"""Is a service ready? Asked over its own protocol, with bytes made here: no client library is imported.

``ask`` never raises and never takes longer than its limit.
"""

import asyncio
import struct
from collections.abc import Iterable

from livecomments.stack.spec import Probe

LIMIT_SECONDS = 2.0
ANSWER_BYTES_MAX = 1024 * 1024

_CLIENT = b"livecomments"
# Metadata v8: header (key, version, correlation, client), no topics, no creation, no operations.
_KAFKA_BODY = (
    struct.pack(">hhih", 3, 8, 1, len(_CLIENT)) + _CLIENT + struct.pack(">i???", 0, False, False, False)
)
KAFKA_REQUEST = struct.pack(">i", len(_KAFKA_BODY)) + _KAFKA_BODY
REDIS_REQUEST = b"PING\r\n"
CQL_OPTIONS, CQL_SUPPORTED = 0x05, 0x06
CASSANDRA_REQUEST = bytes((4, 0, 0, 0, CQL_OPTIONS, 0, 0, 0, 0))


async def ask(probe: Probe, address: str, limit_seconds: float = LIMIT_SECONDS) -> bool:
    """Tell whether the service at ``address`` (``host:port``) answers that it is ready."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(limit_seconds):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                return await _converse(probe, address, reader, writer)
            finally:
                writer.close()
    except (OSError, TimeoutError, EOFError, ValueError, struct.error):
        return False


async def ask_all(services: Iterable[tuple[Probe, str]], limit_seconds: float = LIMIT_SECONDS) -> list[bool]:
    """Ask several at once."""
    return await asyncio.gather(*(ask(probe, address, limit_seconds) for probe, address in services))


async def _converse(
    probe: Probe, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    match probe:
        case Probe.KAFKA:
            writer.write(KAFKA_REQUEST)
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            return kafka_brokers(await reader.readexactly(min(size, ANSWER_BYTES_MAX))) > 0
        case Probe.REDIS:
            writer.write(REDIS_REQUEST)
            return (await reader.readline()).startswith(b"+PONG")
        case Probe.CASSANDRA:
            writer.write(CASSANDRA_REQUEST)
            header = await reader.readexactly(9)
            return header[4] == CQL_SUPPORTED
        case Probe.HTTP:
            writer.write(http_request(address))
            return (await reader.readline()).split(b" ")[1:2] == [b"200"]


def kafka_brokers(answer: bytes) -> int:
    """Count the brokers of a metadata v8 answer; a broker that is still fenced is not in it."""
    _correlation, _throttle_ms, brokers = struct.unpack_from(">iii", answer)
    return int(brokers)


def http_request(address: str) -> bytes:
    """Return ``GET /readyz`` for this host."""
    return f"GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
