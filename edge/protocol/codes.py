"""Error codes of replies and close codes of connections, as the official SDKs read them.

Replies: 100–112 are Centrifuge's; 1000–1099 are refusals (`schemas.refusals`). Closes: on 4000–4499 an
SDK connects again and resumes; on 4500–4999 it gives up. What breaks RFC 6455 is closed with 1002–1009.
"""

from enum import IntEnum
from typing import NamedTuple


class Error(IntEnum):
    """Error of a reply. Numbers: Centrifuge."""

    INTERNAL = 100
    UNKNOWN_CHANNEL = 102
    PERMISSION_DENIED = 103
    METHOD_NOT_FOUND = 104
    ALREADY_SUBSCRIBED = 105
    LIMIT_EXCEEDED = 106
    BAD_REQUEST = 107
    NOT_AVAILABLE = 108
    TOKEN_EXPIRED = 109
    TOO_MANY_REQUESTS = 111
    UNRECOVERABLE = 112

    @property
    def temporary(self) -> bool:
        """Whether the same command may succeed later."""
        return self in {Error.INTERNAL, Error.TOO_MANY_REQUESTS}

    @property
    def words(self) -> str:
        """What Centrifuge calls it."""
        return self.name.lower().replace("_", " ")


class Close(NamedTuple):
    """A close frame's content."""

    code: int
    reason: str

    @property
    def reconnect(self) -> bool:
        """Whether an SDK connects again."""
        return not (3500 <= self.code < 4000 or 4500 <= self.code < 5000)


SHUTDOWN = Close(4000, "shutdown")
SLOW = Close(4001, "slow")
NO_PONG = Close(4002, "no pong")
EXPIRED = Close(4003, "connection expired")
STALE = Close(4004, "no connect command in time")
"""Comes back: an edge that a storm keeps busy may be what was late."""

INVALID_TOKEN = Close(4500, "invalid token")
BAD_REQUEST = Close(4501, "bad request")
TOO_MANY_REQUESTS = Close(4502, "too many requests")
CONNECTION_LIMIT = Close(4504, "connection limit")
TOKEN_NEEDED = Close(4505, "token needed")
REVOKED = Close(4506, "token revoked")

NOT_UTF8 = Close(1007, "not UTF-8")

UNSUBSCRIBED_INSUFFICIENT_STATE = 2500
"""In an unsubscribe push: the SDK subscribes again, with its position."""
