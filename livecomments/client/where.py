"""Addresses of a stack's doors, and tokens for them."""

from livecomments.exits import Exit, Failure
from livecomments.stack.addresses import LOOPBACK
from livecomments.stack.plan import WILDCARDS
from schemas.settings import Settings

TOKEN_SECONDS = 3_600


def edge_url(settings: Settings) -> str:
    """Return the WebSocket address of the edge."""
    return f"ws://{_reachable(settings.edge.host)}:{settings.edge.port}/connection/websocket"


def page_url(settings: Settings, stream: str) -> str:
    """Return where a browser sees a stream."""
    return f"http://{_reachable(settings.edge.host)}:{settings.edge.port}/?stream={stream}"


def api_url(settings: Settings) -> str:
    """Return the address of the API, without a path."""
    return f"http://{_reachable(settings.api.host)}:{settings.api.port}"


class Minter:
    """Signs tokens with the stack's secret. Imports PyJWT; make it where it is needed.

    Raises:
        Failure: only public keys are known here, or a claim is not valid.

    """

    def __init__(self, settings: Settings) -> None:
        from edge.auth import Authenticator, TokenError  # noqa: PLC0415 - `--help` must be fast

        self._authenticator = Authenticator(settings.auth)
        self._error = TokenError

    def mint(
        self, user: str, stream: str | None, role: str, ttl: int = TOKEN_SECONDS, name: str | None = None
    ) -> str:
        """Sign a token that is good for ``ttl`` seconds."""
        try:
            return self._authenticator.mint(user, stream, role, ttl, name)
        except self._error as error:
            raise Failure(Exit.USAGE, f"no token for {user!r}: {error}") from error


def _reachable(host: str) -> str:
    """Return where to ask a process that listens at ``host``."""
    host = LOOPBACK if host in WILDCARDS else host
    return f"[{host}]" if ":" in host else host
