"""The client's side of the Centrifuge JSON protocol, without I/O, as the official SDKs play it.

Written from the protocol's documents and kept apart from the edge's code. One `Session` lives as long as its
viewer; each connection begins with `opened` and ends with `closed`. What the SDKs do, and this does:

- connect first, subscribe when that is answered, and from the second time on with the position;
- a reply that does not come within 5 s ends the connection; so does a server that sends no ping in time;
- a ping (an empty object) is answered by an empty object;
- a subscribe error that is temporary, or below 100, is tried again; another one is final;
- an unsubscribe push from 2500 on means: subscribe again, with the position;
- a close code of 3500–3999 or 4500–4999 is final, everything else means: connect again;
- the position is the reply's, then each publication's offset.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from livecomments.verify import facts as f

REPLY_SECONDS = 5.0
PING_GRACE_SECONDS = 10.0
RETRY_SECONDS_MIN = 0.5
RETRY_SECONDS_MAX = 20.0
RESUBSCRIBE_FROM = 2500
ANSWERS_KEPT_MAX = 256
UNKNOWN_CODE = 1010


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text."""

    text: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Close this connection, and connect again."""

    why: str


@dataclass(frozen=True, slots=True)
class Later:
    """Call `Session.subscribe` again (``own``: `Session.listen`), a back-off from now."""

    own: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The server says that this viewer is not to come back."""

    why: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The answer to a subscribe; publications follow as `Published`."""

    asked: f.Place | None
    got: f.Place
    recovered: bool


@dataclass(frozen=True, slots=True)
class Published:
    """A publication. ``how``: live | catchup. ``data``: the document."""

    how: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listening:
    """The answer to the subscribe of the viewer's own channel; what was missed follows as `Noticed`."""

    asked: f.Place | None
    got: f.Place
    recovered: bool


@dataclass(frozen=True, slots=True)
class Noticed:
    """A notice on the viewer's own channel."""

    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a publish. ``code``: 0 when it is durable."""

    number: int
    code: int


Action = Send | Drop | Later | End | Subscribed | Published | Listening | Noticed | Answered


@dataclass(slots=True)
class Session:
    """See the module. ``now``: seconds, monotonic, an argument everywhere."""

    token: str
    channel: str
    own_channel: str = ""
    position: f.Place | None = None
    own_position: f.Place | None = None
    subscribed: bool = False
    failures: int = 0
    """Attempts in a row that came to nothing, for the back-off."""
    _connected: bool = False
    _next: int = 0
    _due: dict[int, tuple[str, float]] = field(default_factory=dict)
    """Number of a command → what it was, and until when its reply must be here."""
    _asked: f.Place | None = None
    _ping_seconds: float = 25.0
    _heard_at: float = 0.0

    def opened(self, now: float) -> Iterator[Action]:
        """Begin a connection."""
        self._connected = self.subscribed = False
        self._due.clear()
        self._heard_at = now
        yield self._command(now, "connect", {"token": self.token, "name": "nemesis"})

    def closed(self, code: int) -> Iterator[Action]:
        """End a connection; publishes without a reply stay unknown."""
        self._connected = self.subscribed = False
        self._due.clear()
        self.failures += 1
        if 3500 <= code < 4000 or 4500 <= code < 5000:
            yield End(f"closed with {code}")

    def subscribe(self, now: float) -> Iterator[Action]:
        """Subscribe to the stream, with the position if there is one."""
        if (
            not self._connected
            or self.subscribed
            or any(what == "subscribe" for what, _ in self._due.values())
        ):
            return
        self._asked = self.position
        yield self._command(now, "subscribe", _subscribe(self.channel, self.position))

    def listen(self, now: float) -> Iterator[Action]:
        """Subscribe to the viewer's own channel, with the position if there is one."""
        if self.own_channel and self._connected:
            yield self._command(now, "own", _subscribe(self.own_channel, self.own_position))

    def publish(self, now: float, data: dict[str, Any]) -> tuple[int, Send] | None:
        """Return the publish's number and what to send; None: not connected."""
        if not self._connected or len(self._due) >= ANSWERS_KEPT_MAX:
            return None
        send = self._command(now, "publish", {"channel": self.channel, "data": data})
        return self._next, send

    def leave(self, now: float) -> Iterator[Action]:
        """Unsubscribe, to ask for the rest from the position."""
        self.subscribed = False
        yield self._command(now, "unsubscribe", {"channel": self.channel})

    def received(self, text: str | bytes, now: float) -> Iterator[Action]:
        """Take one WebSocket message."""
        self._heard_at = now
        for line in text.splitlines():
            if line:
                yield from self._reply(json.loads(line), now)

    def tick(self, now: float) -> Iterator[Action]:
        """See whether something is overdue."""
        for number, (what, until) in list(self._due.items()):
            if now > until:
                del self._due[number]
                if what == "publish":
                    yield Answered(number, UNKNOWN_CODE)
                else:
                    yield Drop(f"no reply to {what}")
                    return
        if now - self._heard_at > self._ping_seconds + PING_GRACE_SECONDS:
            yield Drop("no ping")

    @property
    def backoff_seconds_max(self) -> float:
        """The longest wait before the next attempt; the caller takes a random part of it."""
        return min(RETRY_SECONDS_MAX, RETRY_SECONDS_MIN * 2.0 ** min(self.failures, 10))

    def _reply(self, message: dict[str, Any], now: float) -> Iterator[Action]:
        if not message:
            yield Send("{}")
        elif "push" in message:
            yield from self._push(message["push"], now)
        elif (due := self._due.pop(message.get("id", 0), None)) is not None:
            yield from self._answer(due[0], message, now)

    def _answer(self, what: str, message: dict[str, Any], now: float) -> Iterator[Action]:  # noqa: C901 - a line each
        error = message.get("error")
        match what:
            case "publish":
                yield Answered(message["id"], error["code"] if error else 0)
            case "connect" if error:
                yield Drop(f"connect refused: {error['code']}")
            case "connect":
                self._connected = True
                self._ping_seconds = message["connect"].get("ping") or 25
                yield from self.subscribe(now)
                yield from self.listen(now)
            case "subscribe" if error and (error.get("temporary") or error["code"] < 100):
                self.failures += 1
                yield Later()
            case "subscribe" if error:
                yield End(f"subscribe refused: {error['code']}")
            case "subscribe":
                yield from self._let_in(message["subscribe"])
            case "unsubscribe":
                yield from self.subscribe(now)
            case "own" if error and error.get("temporary"):
                yield Later(own=True)
            case "own" if error:
                yield End(f"own channel refused: {error['code']}")
            case "own":
                yield from self._let_listen(message["subscribe"])

    def _let_in(self, reply: dict[str, Any]) -> Iterator[Action]:
        got = f.Place(reply.get("epoch", ""), reply.get("offset", 0))
        self.subscribed, self.failures, self.position = True, 0, got
        recovered = bool(reply.get("recovered"))
        yield Subscribed(self._asked, got, recovered)
        for publication in reply.get("publications", ()):
            yield from self._publication(publication, "catchup")

    def _let_listen(self, reply: dict[str, Any]) -> Iterator[Action]:
        asked, got = self.own_position, f.Place(reply.get("epoch", ""), reply.get("offset", 0))
        self.own_position = got
        yield Listening(asked, got, bool(reply.get("recovered")))
        for publication in reply.get("publications", ()):
            yield from self._notice(publication)

    def _notice(self, publication: dict[str, Any]) -> Iterator[Action]:
        if publication.get("offset") and self.own_position is not None:
            self.own_position = f.Place(self.own_position.epoch, publication["offset"])
        yield Noticed(publication["data"])

    def _push(self, push: dict[str, Any], now: float) -> Iterator[Action]:
        if push.get("channel") == self.own_channel:
            if "pub" in push:
                yield from self._notice(push["pub"])
            elif "unsubscribe" in push:
                yield from self.listen(now)
        elif "pub" in push:
            if self.subscribed:
                yield from self._publication(push["pub"], "live")
        elif "unsubscribe" in push:
            self.subscribed = False
            code = push["unsubscribe"].get("code", 0)
            if code < RESUBSCRIBE_FROM:
                yield End(f"unsubscribed with {code}")
            else:
                yield from self.subscribe(now)
        elif "disconnect" in push:
            yield Drop(f"disconnect {push['disconnect'].get('code')}")

    def _publication(self, publication: dict[str, Any], how: str) -> Iterator[Action]:
        offset = publication.get("offset", 0)
        if offset and self.position is not None:
            self.position = f.Place(self.position.epoch, offset)
        yield Published(how, publication["data"])

    def _command(self, now: float, what: str, body: dict[str, Any]) -> Send:
        self._next += 1
        self._due[self._next] = (what, now + REPLY_SECONDS)
        name = "subscribe" if what == "own" else what
        return Send(json.dumps({"id": self._next, name: body}, ensure_ascii=False, separators=(",", ":")))


def _subscribe(channel: str, position: f.Place | None) -> dict[str, Any]:
    if position is None:
        return {"channel": channel}
    return {"channel": channel, "recover": True, "epoch": position.epoch, "offset": position.seq}
