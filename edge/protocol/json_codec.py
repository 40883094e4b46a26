"""The JSON encoding. See `edge.protocol.codec`."""

import json
from collections.abc import Callable
from typing import Any, Final

from edge.protocol import commands as c
from edge.protocol.codec import MalformedError
from edge.protocol.frames import TEXT, frame

COMMANDS_PER_MESSAGE_MAX = 64
ID_MAX = 2**32 - 1
OFFSET_MAX = 2**63 - 1
STRICT_FLAG = 2
"""Subscribe flag: reject what cannot be recovered with error 112."""

# Made once: json.dumps with arguments builds an encoder at each call.
_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _encode(value: object) -> bytes:
    # Lone surrogates (a reply may echo what a client sent) are not UTF-8.
    return _text(value).encode(errors="replace")


class JsonCodec:
    """See `edge.protocol.codec.Codec`."""

    name: Final = "json"
    ping: Final = frame(TEXT, b"{}")

    def commands(self, message: bytes) -> list[c.Command]:
        """Decode one message; raises MalformedError."""
        lines = [line for line in message.split(b"\n") if line.strip()]
        if not lines or len(lines) > COMMANDS_PER_MESSAGE_MAX:
            raise MalformedError(f"not 1 to {COMMANDS_PER_MESSAGE_MAX} commands")
        try:
            return [_command(json.loads(line.decode())) for line in lines]
        except (ValueError, RecursionError) as error:
            raise MalformedError(f"not JSON: {type(error).__name__}") from None

    def reply(self, id_: int, result: c.Result) -> bytes:
        """Encode an answer."""
        match result:
            case c.Subscribed(position, recovering, recovered, publications, data):
                head = {"recoverable": True, "positioned": True, **_position(position)}
                if data:
                    head["data"] = json.loads(data)
                if recovering:
                    head |= {"was_recovering": True, "recovered": recovered}
                return _with_publications(id_, "subscribe", head, publications)
            case c.Remembered(position, publications):
                return _with_publications(id_, "history", _position(position), publications)
            case _:
                return _encode({"id": id_, **_plain(result)})

    def publication(self, offset: int, data: bytes) -> bytes:
        """Encode a publication for a reply."""
        return b'{"offset":%d,"data":%b}' % (offset, data)

    def push(self, channel: str, offset: int, data: bytes) -> bytes:
        """Encode a live publication."""
        return b'{"push":{"channel":%b,"pub":{"offset":%d,"data":%b}}}' % (_encode(channel), offset, data)

    def unsubscribed(self, channel: str, code: int, reason: str) -> bytes:
        """Encode the end of a subscription."""
        return _encode({"push": {"channel": channel, "unsubscribe": {"code": code, "reason": reason}}})

    def frame(self, *messages: bytes) -> bytes:
        """Join lines into one frame."""
        return frame(TEXT, b"\n".join(messages))


def _plain(result: c.Result) -> dict[str, Any]:  # noqa: PLR0911 - one answer a case
    match result:
        case c.Connected(client, ping_seconds, ttl, at, user):
            reply = {"client": client, "version": "livecomments", "ping": ping_seconds, "pong": True}
            return {"connect": reply | _expiry(ttl) | {"time": at, "data": {"user": user}}}
        case c.Refreshed(client, ttl):
            return {"refresh": {"client": client, "version": "livecomments"} | _expiry(ttl)}
        case c.Counted(clients, users):
            return {"presence_stats": {"num_clients": clients, "num_users": users}}
        case c.Failed(code, message, temporary):
            return {"error": {"code": code, "message": message} | ({"temporary": True} if temporary else {})}
        case c.Unsubscribed():
            return {"unsubscribe": {}}
        case c.Published():
            return {"publish": {}}
        case c.Called(data):
            return {"rpc": {"data": json.loads(data)}}
        case c.Ponged():
            return {"ping": {}}
        case _:
            raise TypeError(f"no plain result: {type(result).__name__}")


def _expiry(ttl: int | None) -> dict[str, Any]:
    return {} if ttl is None else {"expires": True, "ttl": ttl}


def _position(position: c.Position) -> dict[str, Any]:
    return {"epoch": position.epoch, "offset": position.offset}


def _with_publications(id_: int, name: str, head: dict[str, Any], publications: tuple[bytes, ...]) -> bytes:
    # The publications are bytes already, shared by all who get them: they are joined, not encoded again.
    start = _encode({"id": id_, name: head})[:-2]
    return b'%b,"publications":[%b]}}' % (start, b",".join(publications))


def _command(value: Any) -> c.Command:
    if not isinstance(value, dict):
        raise MalformedError("a command is no object")
    if not value:
        return c.Pong()
    id_ = _number(value, "id", 0, ID_MAX)
    for name, read in _READERS.items():
        if name in value:
            body = value[name]
            if not isinstance(body, dict):
                raise MalformedError(f"{name} is no object")
            return read(id_, body)
    return c.Unknown(id_, next((str(name)[:32] for name in value if name != "id"), ""))


def _subscribe(id_: int, body: dict[str, Any]) -> c.Command:
    since = None
    if body.get("recover"):
        since = c.Position(_string(body, "epoch"), _number(body, "offset", -OFFSET_MAX, None))
    strict = bool(_number(body, "flag", 0, OFFSET_MAX) & STRICT_FLAG)
    return c.Subscribe(id_, _string(body, "channel"), since, strict, body.get("data", {}))


def _history(id_: int, body: dict[str, Any]) -> c.Command:
    since = body.get("since")
    position = None
    if since is not None:
        if not isinstance(since, dict):
            raise MalformedError("since is no object")
        position = c.Position(_string(since, "epoch"), _number(since, "offset", -OFFSET_MAX, None))
    limit = _number(body, "limit", -OFFSET_MAX, OFFSET_MAX)
    return c.History(id_, _string(body, "channel"), limit, position, bool(body.get("reverse")))


_READERS: Final[dict[str, Callable[[int, dict[str, Any]], c.Command]]] = {
    "connect": lambda id_, body: c.Connect(id_, _string(body, "token")),
    "refresh": lambda id_, body: c.Refresh(id_, _string(body, "token")),
    "subscribe": _subscribe,
    "unsubscribe": lambda id_, body: c.Unsubscribe(id_, _string(body, "channel")),
    "publish": lambda id_, body: c.Publish(id_, _string(body, "channel"), body.get("data")),
    "history": _history,
    "presence_stats": lambda id_, body: c.PresenceStats(id_, _string(body, "channel")),
    "presence": lambda id_, body: c.Presence(id_, _string(body, "channel")),
    "rpc": lambda id_, body: c.Call(id_, _string(body, "method"), body.get("data")),
    "ping": lambda id_, _: c.Ping(id_),
}


def _string(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise MalformedError(f"{name} is no string")
    return value


def _number(body: dict[str, Any], name: str, least: int, most: int | None) -> int:
    value = body.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise MalformedError(f"{name} is not a number from {least}")
    if most is not None and value > most:
        raise MalformedError(f"{name} is larger than {most}")
    return value
