"""The Protobuf encoding. See `edge.protocol.codec`.

The message classes are those of the official Python SDK. A message may be written as the concatenation of
two encodings of its parts, which is how shared publications get into a reply without being encoded again.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from centrifuge.protocol import client_pb2 as pb
from google.protobuf.message import DecodeError

from edge.protocol import commands as c
from edge.protocol.codec import MalformedError
from edge.protocol.frames import BINARY, frame
from edge.protocol.json_codec import COMMANDS_PER_MESSAGE_MAX, STRICT_FLAG

_VARINT_BYTES_MAX = 5
_REPLY_SUBSCRIBE = 6
_REPLY_HISTORY = 11
_RESULT_PUBLICATIONS = {_REPLY_SUBSCRIBE: 7, _REPLY_HISTORY: 1}
_LENGTH_DELIMITED = 2


class ProtobufCodec:
    """See `edge.protocol.codec.Codec`."""

    name: Final = "protobuf"
    ping: Final = frame(BINARY, b"\x00")

    def commands(self, message: bytes) -> list[c.Command]:
        """Decode one message; raises MalformedError."""
        found: list[c.Command] = []
        for body in _split(message):
            if len(found) == COMMANDS_PER_MESSAGE_MAX:
                raise MalformedError(f"more than {COMMANDS_PER_MESSAGE_MAX} commands")
            command = pb.Command()
            try:
                command.ParseFromString(body)
            except DecodeError:
                raise MalformedError("not Protobuf") from None
            found.append(_command(command, empty=not body))
        if not found:
            raise MalformedError("no command")
        return found

    def reply(self, id_: int, result: c.Result) -> bytes:
        """Encode an answer."""
        match result:
            case c.Subscribed(position, recovering, recovered, publications, data):
                head = pb.SubscribeResult(
                    recoverable=True,
                    positioned=True,
                    epoch=position.epoch,
                    offset=position.offset,
                    was_recovering=recovering,
                    recovered=recovered,
                    data=data,
                )
                return _with_publications(id_, _REPLY_SUBSCRIBE, head, publications)
            case c.Remembered(position, publications):
                head = pb.HistoryResult(epoch=position.epoch, offset=position.offset)
                return _with_publications(id_, _REPLY_HISTORY, head, publications)
            case _:
                return _prefixed(_plain(id_, result).SerializeToString())

    def publication(self, offset: int, data: bytes) -> bytes:
        """Encode a publication for a reply."""
        encoded: bytes = pb.Publication(offset=offset, data=data).SerializeToString()
        return encoded

    def push(self, channel: str, offset: int, data: bytes) -> bytes:
        """Encode a live publication."""
        push = pb.Push(channel=channel, pub=pb.Publication(offset=offset, data=data))
        return _prefixed(pb.Reply(push=push).SerializeToString())

    def unsubscribed(self, channel: str, code: int, reason: str) -> bytes:
        """Encode the end of a subscription."""
        push = pb.Push(channel=channel, unsubscribe=pb.Unsubscribe(code=code, reason=reason))
        return _prefixed(pb.Reply(push=push).SerializeToString())

    def frame(self, *messages: bytes) -> bytes:
        """Join messages into one frame."""
        return frame(BINARY, b"".join(messages))


def _plain(id_: int, result: c.Result) -> Any:  # noqa: PLR0911 - one answer a case
    match result:
        case c.Connected(client, ping_seconds, ttl, at, user):
            connect = pb.ConnectResult(
                client=client,
                version="livecomments",
                ping=ping_seconds,
                pong=True,
                expires=ttl is not None,
                ttl=ttl or 0,
                time=at,
                data=json.dumps({"user": user}).encode(),
            )
            return pb.Reply(id=id_, connect=connect)
        case c.Refreshed(client, ttl):
            refresh = pb.RefreshResult(
                client=client, version="livecomments", expires=ttl is not None, ttl=ttl or 0
            )
            return pb.Reply(id=id_, refresh=refresh)
        case c.Counted(clients, users):
            return pb.Reply(
                id=id_, presence_stats=pb.PresenceStatsResult(num_clients=clients, num_users=users)
            )
        case c.Failed(code, message, temporary):
            return pb.Reply(id=id_, error=pb.Error(code=code, message=message, temporary=temporary))
        case c.Unsubscribed():
            return pb.Reply(id=id_, unsubscribe=pb.UnsubscribeResult())
        case c.Published():
            return pb.Reply(id=id_, publish=pb.PublishResult())
        case c.Called(data):
            return pb.Reply(id=id_, rpc=pb.RPCResult(data=data))
        case c.Ponged():
            return pb.Reply(id=id_, ping=pb.PingResult())
        case _:
            raise TypeError(f"no plain result: {type(result).__name__}")


def _with_publications(id_: int, field: int, head: Any, publications: tuple[bytes, ...]) -> bytes:
    tag = bytes((_RESULT_PUBLICATIONS[field] << 3 | _LENGTH_DELIMITED,))
    parts = [head.SerializeToString()]
    for publication in publications:
        parts += (tag, varint(len(publication)), publication)
    body = b"".join(parts)
    reply = pb.Reply(id=id_).SerializeToString()
    return _prefixed(reply + bytes((field << 3 | _LENGTH_DELIMITED,)) + varint(len(body)) + body)


def _command(command: Any, *, empty: bool) -> c.Command:  # noqa: C901, PLR0911 - one answer a case
    if empty:
        return c.Pong()
    id_ = command.id
    name = next((field.name for field, _ in command.ListFields() if field.name != "id"), "")
    match name:
        case "connect":
            return c.Connect(id_, command.connect.token)
        case "refresh":
            return c.Refresh(id_, command.refresh.token)
        case "subscribe":
            body = command.subscribe
            since = c.Position(body.epoch, body.offset) if body.recover else None
            data = _document(body.data) if body.data else {}
            return c.Subscribe(id_, body.channel, since, bool(body.flag & STRICT_FLAG), data)
        case "unsubscribe":
            return c.Unsubscribe(id_, command.unsubscribe.channel)
        case "publish":
            return c.Publish(id_, command.publish.channel, _document(command.publish.data))
        case "history":
            body = command.history
            since = c.Position(body.since.epoch, body.since.offset) if body.HasField("since") else None
            return c.History(id_, body.channel, body.limit, since, body.reverse)
        case "presence_stats":
            return c.PresenceStats(id_, command.presence_stats.channel)
        case "presence":
            return c.Presence(id_, command.presence.channel)
        case "rpc":
            return c.Call(id_, command.rpc.method, _document(command.rpc.data))
        case "ping":
            return c.Ping(id_)
        case _:
            return c.Unknown(id_, name)


def _document(data: bytes) -> object:
    """Read a payload, JSON here too; what is none is no valid document, not a broken frame."""
    try:
        value: object = json.loads(data.decode())
    except (ValueError, RecursionError):
        return None
    return value


def _split(message: bytes) -> Iterator[bytes]:
    at, size = 0, len(message)
    while at < size:
        length, shift, start = 0, 0, at
        while True:
            if at >= size or at - start >= _VARINT_BYTES_MAX:
                raise MalformedError("a length is cut short or too long")
            byte = message[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if length > size - at:
            raise MalformedError("a command is cut short")
        yield message[at : at + length]
        at += length


def varint(number: int) -> bytes:
    """Encode a number ≥ 0 as Protobuf does."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _prefixed(message: bytes) -> bytes:
    return varint(len(message)) + message
