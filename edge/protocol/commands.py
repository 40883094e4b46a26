"""What a client says and what it is told: frozen values, the same in both encodings."""

from dataclasses import dataclass, field

from edge.protocol.codes import Error
from schemas.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Position:
    """Where a viewer is: the last seq it has, in an epoch."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Connect:
    """``token``: empty for a guest."""

    id: int
    token: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """A fresh token, before the old one expires."""

    id: int
    token: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """``since``: None for a first subscribe. ``strict``: rather error 112 than an unrecovered subscribe.

    ``data``: a JSON document for the channel; an empty object where there is none.
    """

    id: int
    channel: str
    since: Position | None
    strict: bool = False
    data: object = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """End a subscription."""

    id: int
    channel: str


@dataclass(frozen=True, slots=True)
class Publish:
    """``data``: the JSON document as it came."""

    id: int
    channel: str
    data: object


@dataclass(frozen=True, slots=True)
class History:
    """``limit``: 0 asks for the position alone, below 0 for all there is."""

    id: int
    channel: str
    limit: int
    since: Position | None
    reverse: bool


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is there: not served."""

    id: int
    channel: str


@dataclass(frozen=True, slots=True)
class PresenceStats:
    """How many are there."""

    id: int
    channel: str


@dataclass(frozen=True, slots=True)
class Call:
    """A remote procedure call; ``data``: a JSON document."""

    id: int
    method: str
    data: object


@dataclass(frozen=True, slots=True)
class Ping:
    """The client's own ping."""

    id: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The empty command that answers the server's ping."""

    id: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed command that is not served here: send, sub_refresh, or nothing known."""

    id: int
    name: str


Command = (
    Connect
    | Refresh
    | Subscribe
    | Unsubscribe
    | Publish
    | History
    | Presence
    | PresenceStats
    | Call
    | Ping
    | Pong
    | Unknown
)


@dataclass(frozen=True, slots=True)
class Connected:
    """``ttl``: seconds until the token expires; None: it does not. ``at``: server time, ms since 1970."""

    client: str
    ping_seconds: int
    ttl: int | None
    at: int
    user: str


@dataclass(frozen=True, slots=True)
class Refreshed:
    """``ttl``: as in `Connected`."""

    client: str
    ttl: int | None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """``publications``: encoded by the same codec's ``publication``, in order. ``data``: JSON, or nothing."""

    position: Position
    recovering: bool = False
    recovered: bool = False
    publications: tuple[bytes, ...] = ()
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """It is done."""


@dataclass(frozen=True, slots=True)
class Published:
    """The comment is durable."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Answer to `History`."""

    position: Position
    publications: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """Answer to `PresenceStats`."""

    clients: int
    users: int


@dataclass(frozen=True, slots=True)
class Called:
    """Answer to `Call`. ``data``: JSON."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ponged:
    """Answer to `Ping`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An error in place of a result. ``message`` is never empty: an SDK relies on it."""

    code: int
    message: str
    temporary: bool = False

    @classmethod
    def of(cls, error: Error, detail: str = "") -> "Failed":
        """Make one of Centrifuge's errors."""
        return cls(int(error), f"{error.words}: {detail}" if detail else error.words, error.temporary)

    @classmethod
    def refused(cls, refusal: Refusal) -> "Failed":
        """Make one of a refusal, with its own code."""
        return cls(int(refusal.code), refusal.message, refusal.temporary)


Result = (
    Connected
    | Refreshed
    | Subscribed
    | Unsubscribed
    | Published
    | Remembered
    | Counted
    | Called
    | Ponged
    | Failed
)
