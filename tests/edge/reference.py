"""A viewer as the protocol describes one: an SDK's position, and an app that follows the client rule.

The SDK moves to the reply's offset, and to each publication's. The app applies a publication that starts at
its position and trims one that overlaps; one that starts beyond it must never come.
"""

import json
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Any

from edge.audience import Subscriber, lane_of
from edge.protocol.commands import Position
from edge.protocol.json_codec import JsonCodec

CODEC = JsonCodec()


_NUMBERS = count(1)


def no_socket() -> int:
    """Return a descriptor that nobody has: what is sent goes to the outlet's `write`."""
    return -next(_NUMBERS)


def payloads(data: bytes) -> Iterator[bytes]:
    """Take unmasked frames apart."""
    while data:
        size, at = data[1], 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        yield data[at : at + size]
        data = data[at + size :]


class Viewer:
    """One app over one SDK; an `edge.audience.Outlet`. What was sent waits until `read` is called."""

    def __init__(self, user: str, stream: str, lane: int | None = None) -> None:
        self.user = user
        self.lane = lane_of(stream, user) if lane is None else lane
        self.inbox: deque[dict[str, Any]] = deque()
        self.fd = no_socket()
        self.blocked = False
        self.connected = False
        self.wants_to_go_on = False
        # The SDK's.
        self.epoch = ""
        self.offset = 0
        # The app's.
        self.started: int | None = None
        self.position = 0
        self.seen: list[dict[str, Any]] = []
        self.holes: list[tuple[int, int, str]] = []
        self.stale = False
        self.subscriber: Subscriber | None = None

    @property
    def since(self) -> Position | None:
        """Return where the SDK resumes from."""
        return Position(self.epoch, self.offset) if self.epoch else None

    def come(self) -> Subscriber:
        """Connect anew: nothing of the old connection arrives any more."""
        self.inbox.clear()
        self.blocked, self.connected = False, True
        self.fd = no_socket()
        self.subscriber = Subscriber(self, CODEC, self.user, self.lane)
        return self.subscriber

    def go(self) -> None:
        """Lose the connection, and what was on its way."""
        self.inbox.clear()
        self.connected, self.subscriber = False, None

    def write(self, frame: bytes) -> None:
        """Take what the server sends."""
        for payload in payloads(frame):
            for line in payload.split(b"\n"):
                message = json.loads(line)
                reply = message.get("subscribe")
                if reply is None:
                    self.inbox.append(message)
                else:
                    self.inbox.append({"reply": reply})
                    self.inbox += [{"push": {"pub": pub}} for pub in reply["publications"]]

    def expelled(self, channel: str) -> None:
        """Lose the subscription; the SDK hears of it in its own time."""
        self.connected, self.subscriber = False, None

    def go_on(self) -> None:
        """Be told that catching up may go on."""
        self.wants_to_go_on = True

    def read(self, count: int = 10**9) -> None:
        """Let the SDK handle some of what was sent. What belongs together with a failed recovery is one."""
        while self.inbox and count > 0:
            count -= 1
            message = self.inbox.popleft()
            if "reply" in message:
                self._subscribed(message["reply"])
            elif (publication := message["push"].get("pub")) is not None:
                self._published(publication)

    def _subscribed(self, reply: dict[str, Any]) -> None:
        was = self.since
        self.epoch, self.offset = reply["epoch"], reply["offset"]
        if was is None or was.epoch != self.epoch:
            self.started, self.position, self.seen, self.holes = None, self.offset, [], []
        if reply.get("was_recovering") and not reply.get("recovered"):
            while self.inbox and "push" in self.inbox[0]:
                self.read(1)
        elif was is not None and reply.get("recovered"):
            assert self.since == was, "a recovered subscribe must answer with the offset asked for"

    def _published(self, publication: dict[str, Any]) -> None:
        data = publication["data"]
        start, end, events = data["from"], data["to"], data["events"]
        assert data["omitted"] == end - start - len(events)
        assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
        assert all(start < event["seq"] <= end for event in events)
        self.stale = data.get("stale", False)
        if publication["offset"]:
            self.offset = publication["offset"]
        if self.started is None:
            self.started = self.position = min(start, self.position)
        assert start <= self.position, f"({start}, {end}] does not follow {self.position}"
        # An app would trim what overlaps; this edge tells nobody an event twice.
        assert all(event["seq"] > self.position for event in events)
        self.seen += events
        if "hole" in data:
            hole = data["hole"]
            self.holes.append((hole["from"], hole["to"], hole["reason"]))
        self.position = max(self.position, end)
