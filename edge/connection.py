"""One socket: bytes to the WebSocket protocol and back, and deadlines.

`websockets`' Sans-I/O protocol does handshake, frames and closes; live frames go past it and the transport,
straight to the kernel, since they are made once for everybody (`edge.audience.Group.send`). Their order holds
because the transport says at once when it keeps anything back, and the client then gets no live frames: the
outbox of a slow viewer is the kernel's buffer and the rest of one frame.
"""

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import structlog
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from edge.client import Client, House
from edge.deadlines import Deadlines
from edge.errors import fault
from edge.frontdesk import FrontDesk, Plain, Upgrade
from edge.messages import Assembler, Message, TooManyFragmentsError
from edge.protocol import codes
from edge.protocol.codec import Codec
from edge.protocol.codes import Close
from edge.protocol.frames import BINARY, TEXT, frame
from edge.protocol.json_codec import JsonCodec
from edge.protocol.protobuf_codec import ProtobufCodec
from edge.stats import Stats

SLOW_SECONDS = 8.0
"""A socket that takes nothing for this long is cut."""
FRAGMENT_COST = 1 / 16
"""Of a command: what a client pays of its allowance for each fragment but the first of a message."""
CLOSE_SECONDS = 2.0
"""For the peer to answer a close frame."""
ANSWER_SECONDS = 10.0
"""For the peer to take a page."""
REQUEST_BYTES_MAX = 32 * 1024
"""Of a handshake that has not ended; the library alone would hold a megabyte."""
PROTOBUF: Subprotocol = Subprotocol("centrifuge-protobuf")
JSON: Subprotocol = Subprotocol("centrifuge-json")

log = structlog.get_logger()
_SILENT = logging.getLogger("livecomments.websockets")
_SILENT.setLevel(logging.CRITICAL)
_JSON_CODEC = JsonCodec()
_PROTOBUF_CODEC = ProtobufCodec()


@dataclass(slots=True)
class Doorway:
    """What all connections of an edge share."""

    house: House | None
    """None while the edge is not ready; the desk lets nobody in."""
    stats: Stats
    desk: FrontDesk
    deadlines: Deadlines
    connections: "set[Connection]"
    frame_bytes_max: int
    handshake_seconds: float
    ping_seconds: float
    loop: asyncio.AbstractEventLoop


class Connection(asyncio.Protocol):
    """See the module. Its deadlines are looked at by the wheel (`deadline`)."""

    __slots__ = ("_address", "_assembler", "_blocked_at", "_closing_at", "_doorway", "_echo", "_heard",
                 "_lost", "_next_ping", "_protocol", "_request_bytes", "_transport", "_waiting", "_wake",
                 "client")  # fmt: skip

    def __init__(self, doorway: Doorway) -> None:
        self._doorway = doorway
        self._protocol = _ServerProtocol(max_size=doorway.frame_bytes_max, logger=_SILENT)
        self._assembler = Assembler()
        self._address = ""
        self._echo = False
        self._heard = True
        self._lost = False
        self._request_bytes = 0
        self._blocked_at: float | None = None
        self._waiting = 0
        self._closing_at: float | None = None
        self._next_ping = 0.0
        self._wake = math.inf
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.client: Client | None = None

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the handshake has a deadline."""
        self._transport = cast("asyncio.Transport", transport)
        doorway = self._doorway
        self._transport.set_write_buffer_limits(0)
        self._next_ping = doorway.loop.time() + doorway.handshake_seconds
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        doorway.connections.add(self)
        if doorway.desk.came(self._address):
            self._wake_at(self._next_ping)
        else:
            doorway.stats.handshakes_refused += 1
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Feed the protocol, and act on what it finds; a fault of ours ends this connection alone."""
        try:
            self._received(data)
        except Exception as error:  # noqa: BLE001 - nobody else is to notice
            log.error("connection failed", **fault(error))  # noqa: TRY400
            self._transport.abort()

    def _received(self, data: bytes) -> None:
        self._heard = True
        self._protocol.receive_data(data)
        if self._protocol.writes and self._protocol.state is State.OPEN:
            self._send_protocol()  # pongs, before the answers to what their pings were sent amid
        for event in self._protocol.events_received():
            if self._closing_at is not None:
                break
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Request):
                self._request(event)
        if self._protocol.state is State.CONNECTING and self._closing_at is None:
            self._request_bytes += len(data)
            if self._request_bytes > REQUEST_BYTES_MAX:
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self._respond(self._protocol.reject(status, "The request is too large.\n"))
        if self._protocol.writes:
            self._send_protocol()

    def eof_received(self) -> bool:
        """Close: half-open connections are of no use."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave everything."""
        del exc
        doorway = self._doorway
        doorway.connections.discard(self)
        doorway.desk.went(self._address)
        self._closing_at = 0.0
        if self.client is not None:
            self.client.close()
            self.client = None
        # The wheel holds this until its next deadline; what is large goes now.
        self._lost = True
        # Its parser holds it and it its parser: a cycle, which would wait for a search for garbage.
        self._protocol.parser.close()
        del self._protocol, self._assembler

    def pause_writing(self) -> None:
        """Take note that something waits: no more live frames, and nothing is read that would be answered."""
        self._blocked_at = self._doorway.loop.time()
        self._waiting = self._transport.get_write_buffer_size()
        self._wake_at(self._blocked_at + SLOW_SECONDS)
        self._transport.pause_reading()
        if self.client is not None:
            self.client.block()

    def resume_writing(self) -> None:
        """Go on: nothing waits any more."""
        self._blocked_at = None
        self._heard = True  # nothing could be heard meanwhile
        if self._transport.is_closing():
            return
        if self._closing_at is None:
            self._transport.resume_reading()
            if self.client is not None:
                self.client.unblock()

    # What the wheel asks.

    def deadline(self, now: float) -> float | None:
        """Do what is due; return when to look again."""
        if now < self._wake:
            return None  # an entry from before: there is an earlier one
        self._wake = math.inf
        if self._lost:
            return None
        at = self._due(now)
        if at is not None:
            self._wake = at
        return at

    # What the client and the server ask for.

    def shut(self, close: Close) -> None:
        """Close, with a code that tells an SDK whether to come back."""
        if self._closing_at is not None:
            return
        doorway = self._doorway
        self._closing_at = doorway.loop.time() + CLOSE_SECONDS
        if self.client is not None:
            self.client.close()
        if close is codes.TOO_MANY_REQUESTS:
            self._transport.pause_reading()  # a flood is not heard out
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(close.code, close.reason)
            self._send_protocol()
            self._wake_at(self._closing_at)
        else:
            self._send_protocol()
            self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    # How it is done.

    def _wake_at(self, at: float) -> None:
        if at < self._wake:
            self._wake = at
            self._doorway.deadlines.add(self, at)

    def _due(self, now: float) -> float | None:
        if self._closing_at is not None:
            if now < self._closing_at:
                return self._closing_at
            self._transport.abort()
            return None
        left = self.client.expires_in() if self.client is not None else None
        if left is not None and left <= 0:
            self.shut(codes.EXPIRED)
            return self._closing_at
        at = self._check_alive(now) if self._blocked_at is None else self._check_taking(self._blocked_at, now)
        return at if at is None or left is None else min(at, now + left)

    def _check_taking(self, since: float, now: float) -> float | None:
        waiting = self._transport.get_write_buffer_size()
        if waiting < self._waiting:
            self._blocked_at = since = now
        self._waiting = waiting
        if now < since + SLOW_SECONDS:
            return since + SLOW_SECONDS
        self._doorway.stats.slow_closes += 1
        self.shut(codes.SLOW)
        self._transport.abort()
        return None

    def _check_alive(self, now: float) -> float | None:
        client = self.client
        if now >= self._next_ping:
            if client is None and not self._echo:
                self._transport.abort()  # no request, or none that ended
                return None
            if client is not None and not self._ping(client):
                return self._closing_at
            self._next_ping = now + self._doorway.ping_seconds
        return self._next_ping

    def _ping(self, client: Client) -> bool:
        """Send the server's ping; False: the connection ends instead."""
        if client.session.viewer is None:
            self.shut(codes.STALE)
        elif not self._heard:
            self.shut(codes.NO_PONG)
        else:
            self._heard = False
            self._transport.write(client.ping)
            return True
        return False

    def _request(self, request: Request) -> None:
        answer = self._doorway.desk.answer(request, self._address)
        match answer:
            case Plain(response):
                self._respond(response)
            case Upgrade(echo, protobuf, address):
                if address != self._address:
                    self._doorway.desk.moved(self._address, address)
                    self._address = address
                self._upgrade(request, echo=echo, protobuf=protobuf)

    def _upgrade(self, request: Request, *, echo: bool, protobuf: bool) -> None:
        doorway, stats, house = self._doorway, self._doorway.stats, self._doorway.house
        if self._protocol.eof_sent:
            response = self._protocol.reject(HTTPStatus.BAD_REQUEST, "What follows is no WebSocket.\n")
        else:
            response = self._protocol.accept(request)
        if response.status_code != 101:
            stats.handshakes_refused += 1
            self._respond(response)
            return
        stats.handshakes += 1
        self._protocol.send_response(response)
        self._send_protocol()
        self._echo = echo
        if echo:
            self._assembler.fragments_max = doorway.frame_bytes_max  # its size bounds a message enough
        if not echo and house is not None:
            binary = protobuf or self._protocol.subprotocol == PROTOBUF
            codec: Codec = _PROTOBUF_CODEC if binary else _JSON_CODEC
            fd = self._transport.get_extra_info("socket").fileno()
            self.client = Client(house, codec, fd, self._transport.write, self.shut)
        self._next_ping = doorway.loop.time() + doorway.handshake_seconds

    def _respond(self, response: Response) -> None:
        self._closing_at = self._doorway.loop.time() + ANSWER_SECONDS
        if self._protocol.eof_sent:
            # More came behind the request, and the library took it for frames: it has given up already.
            self._transport.write(response.serialize())
        else:
            self._protocol.send_response(response)
        self._send_protocol()

    def _frame(self, received: Frame) -> None:
        if received.opcode in {Opcode.PING, Opcode.PONG}:
            session = self.client.session if self.client is not None else None
            if session is not None and not session.spend(self._doorway.loop.time()) and session.flooding:
                self.shut(codes.TOO_MANY_REQUESTS)
            return
        if received.opcode is Opcode.CLOSE:
            return
        if received.opcode is Opcode.CONT and self.client is not None:
            session = self.client.session
            if not session.spend(self._doorway.loop.time(), FRAGMENT_COST) and session.flooding:
                self.shut(codes.TOO_MANY_REQUESTS)
                return
        try:
            message = self._assembler.feed(received)
        except UnicodeDecodeError:
            self.shut(codes.NOT_UTF8)
        except TooManyFragmentsError:
            self.shut(codes.BAD_REQUEST)
        else:
            if message is not None:
                self._message(message)

    def _message(self, message: Message) -> None:
        if self._echo:
            self._transport.write(frame(TEXT if message.text else BINARY, message.data))
        elif self.client is not None:
            client, before = self.client, self.client.session.viewer
            client.receive(message.data)
            if client.session.viewer is not before:
                self._entered(client, first=before is None)

    def _entered(self, client: Client, *, first: bool) -> None:
        """Note that a token was accepted: it decides when to look next."""
        now = self._doorway.loop.time()
        if first:
            self._next_ping = now + self._doorway.ping_seconds
        left = client.expires_in()
        self._wake_at(self._next_ping if left is None else min(self._next_ping, now + left))

    def _send_protocol(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                # The end: everything that was written still goes out.
                if self._closing_at is None:
                    self._closing_at = self._doorway.loop.time() + CLOSE_SECONDS
                self._wake_at(self._closing_at)
                if self.client is not None:
                    self.client.close()
                self._transport.close()


class _ServerProtocol(ServerProtocol):
    """As RFC 6455, 5.4, has it: a control frame may come amid a message, and a close is one."""

    def recv_frame(self, frame: Frame) -> None:
        """Take a close amid a message for a close; the library would fail the connection."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """Take the better of those offered, or none. Not a function for the library, which makes a cycle."""
        return next((each for each in (PROTOBUF, JSON) if each in subprotocols), None)
