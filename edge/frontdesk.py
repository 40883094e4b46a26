"""What a request gets: an upgrade to WebSocket, a page, or a refusal. HTTP without sockets.

The edge serves a handful of small answers on the port it serves WebSocket on: health, metrics, the page,
and, on a developer's machine, tokens for the page.
"""

import ipaddress
import json
import mimetypes
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CONTENT_TYPE_LATEST
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from edge.auth import TokenError, dev_token, is_loopback
from edge.bucket import Bucket
from edge.stats import Metrics, Stats
from schemas.settings import Settings

WEBSOCKET_PATH: Final = "/connection/websocket"
STATIC: Final = Path(__file__).parent / "static"
NOT_BUILT: Final = "The page is not built. Run «npm ci && npm run build» in web/, or «make run».\n"
RETRY_AFTER_SECONDS: Final = 2
LOBBY_MAX: Final = 1_000
"""Sockets beyond the limits that are held until their request is known; any more are cut unheard."""
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".map": "application/json",
}


@dataclass(frozen=True, slots=True)
class Plain:
    """Answer, and close."""

    response: Response


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Go on with the WebSocket handshake. ``echo``: for conformance runs, frames come back as they are."""

    echo: bool
    protobuf: bool
    address: str = ""
    """The viewer's, which counts from now on instead of the peer's."""


Answer = Plain | Upgrade


class FrontDesk:
    """See the module. ``state`` returns what ``/readyz`` says; all its values true means ready.

    ``metrics`` None: they are served elsewhere.
    """

    def __init__(
        self,
        settings: Settings,
        stats: Stats,
        metrics: Metrics | None,
        state: Callable[[], dict[str, bool]],
        *,
        static: Path = STATIC,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._stats = stats
        self._metrics = metrics
        self._state = state
        self._static = static
        self._now = now
        self._sockets = 0
        self._addresses: Counter[str] = Counter()
        rate = settings.edge.handshakes_per_second_max
        self._handshakes = Bucket(rate, rate, now())
        self.accepting = False
        """Whether viewers may come: not before everything is there, and not while draining."""

    def came(self, address: str) -> bool:
        """Count a socket; False: there are too many even to be told so."""
        edge = self._settings.edge
        self._sockets += 1
        self._addresses[address] += 1
        own_max = edge.connections_max if address in edge.proxies else edge.connections_per_address_max
        return (
            self._sockets <= edge.connections_max + LOBBY_MAX
            and self._addresses[address] <= own_max + LOBBY_MAX
        )

    def moved(self, before: str, after: str) -> None:
        """Count a socket for another address: its viewer's, which is not its peer's."""
        self._addresses[after] += 1
        self._leave(before)

    def went(self, address: str) -> None:
        """Count it no more."""
        self._sockets -= 1
        self._leave(address)

    def _leave(self, address: str) -> None:
        self._addresses[address] -= 1
        if self._addresses[address] <= 0:
            del self._addresses[address]

    def answer(self, request: Request, address: str) -> Answer:
        """Say what a request gets; ``address``: the peer's."""
        try:
            url = urlsplit(request.path)
        except ValueError:
            return Plain(text(HTTPStatus.BAD_REQUEST, "That is no path.\n"))
        if url.path == WEBSOCKET_PATH:
            return self._upgrade(request, url.query, address)
        if self._settings.edge.echo_path is not None and url.path == self._settings.edge.echo_path:
            return Upgrade(echo=True, protobuf=False, address=address)
        if request.method not in {"GET", "HEAD"}:
            return Plain(text(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is served here.\n", Allow="GET, HEAD"))
        response = self._page(request, url.path, url.query)
        if request.method == "HEAD":
            response.body = b""  # Content-Length stays what it would be
        return Plain(response)

    def _upgrade(self, request: Request, query: str, address: str) -> Answer:
        edge = self._settings.edge
        viewer = self._viewer_address(request.headers, address)
        refusal: Response | None = None
        if not self._origin_allowed(request.headers):
            refusal = text(HTTPStatus.FORBIDDEN, "This origin may not connect.\n")
        elif not self.accepting or self._sockets > edge.connections_max:
            refusal = _later(HTTPStatus.SERVICE_UNAVAILABLE, "This edge takes no more connections now.\n")
        elif self._addresses[viewer] + (viewer != address) > edge.connections_per_address_max:
            refusal = _later(HTTPStatus.TOO_MANY_REQUESTS, "Too many connections from this address.\n")
        elif not self._handshakes.take(self._now()):
            refusal = _later(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connect at once.\n")
        if refusal is not None:
            self._stats.handshakes_refused += 1
            return Plain(refusal)
        wanted = parse_qs(query)
        protobuf = any(wanted.get(name) == ["protobuf"] for name in ("format", "cf_protocol"))
        return Upgrade(echo=False, protobuf=protobuf, address=viewer)

    def _viewer_address(self, headers: Headers, peer: str) -> str:
        """Return where a viewer comes from: the peer, or what a proxy that we believe says."""
        if peer not in self._settings.edge.proxies:
            return peer
        said = headers.get_all("X-Forwarded-For")
        last = said[-1].rpartition(",")[2].strip() if said else ""
        try:
            return str(ipaddress.ip_address(last))
        except ValueError:
            return peer

    def _page(self, request: Request, path: str, query: str) -> Response:  # noqa: PLR0911 - one a page
        match path:
            case "/healthz":
                return _json(HTTPStatus.OK, {"alive": True})
            case "/readyz":
                return self._ready()
            case "/metrics":
                return self._metrics_page()
            case "/dev/token":
                return self._dev_token(request, query)
            case "/":
                return self._file("index.html")
            case "/replay":
                return self._file("replay/index.html")
            case _ if path.startswith("/static/"):
                return self._file(path.removeprefix("/static/"))
            case _:
                return text(HTTPStatus.NOT_FOUND, "There is no such page.\n")

    def _ready(self) -> Response:
        state = self._state()
        ready = all(state.values())
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(status, {"ready": ready, **state})

    def _metrics_page(self) -> Response:
        if self._metrics is None:
            words = "Several processes share this port: scrape the admin port of each (edge.admin_port).\n"
            return text(HTTPStatus.NOT_FOUND, words)
        return _response(HTTPStatus.OK, CONTENT_TYPE_LATEST, self._metrics.page())

    def _dev_token(self, request: Request, query: str) -> Response:
        # By name of the host too: a page of another site that resolves to this machine gets nothing.
        try:
            host = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
        except (ValueError, LookupError):
            host = ""
        wanted = {name: values[0] for name, values in parse_qs(query).items()}
        stream, user = wanted.get("stream", ""), wanted.get("user", "")
        if not is_loopback(host):
            return _json(HTTPStatus.FORBIDDEN, {"detail": "tokens are given out on loopback only"})
        try:
            token = dev_token(self._settings, self._settings.edge.host, stream, user, wanted.get("name"))
        except TokenError as error:
            return _json(HTTPStatus.BAD_REQUEST, {"detail": str(error)})
        if token is None:
            words = "tokens are given out with the development secret only"
            return _json(HTTPStatus.FORBIDDEN, {"detail": words})
        return _json(HTTPStatus.OK, {"token": token})

    def _file(self, name: str) -> Response:
        if not _FILE.fullmatch(name):
            return text(HTTPStatus.NOT_FOUND, "There is no such page.\n")
        path = self._static / name
        try:
            body = path.read_bytes()
        except OSError:
            built = (self._static / "index.html").is_file()
            status = HTTPStatus.NOT_FOUND if built else HTTPStatus.SERVICE_UNAVAILABLE
            return text(status, "There is no such page.\n" if built else NOT_BUILT)
        type_ = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        if type_.startswith("text/"):
            type_ += "; charset=utf-8"
        return _response(HTTPStatus.OK, type_, body)

    def _origin_allowed(self, headers: Headers) -> bool:
        origins = headers.get_all("Origin")
        if not origins:
            return True  # no browser
        if len(origins) > 1:
            return False
        origin, allowed = origins[0], self._settings.edge.origins
        if allowed:
            return origin in allowed
        try:
            parts = urlsplit(origin)
            return parts.netloc == headers.get("Host") or is_loopback(parts.hostname or "")
        except (ValueError, LookupError):  # no address, or more than one Host
            return False


def _json(status: HTTPStatus, value: dict[str, Any]) -> Response:
    return _response(status, "application/json", json.dumps(value).encode())


def text(status: HTTPStatus, words: str, **headers: str) -> Response:
    """Return a page of plain text; ``_`` in a header's name is written ``-``."""
    return _response(status, "text/plain; charset=utf-8", words.encode(), **headers)


def _later(status: HTTPStatus, words: str) -> Response:
    return text(status, words, Retry_After=str(RETRY_AFTER_SECONDS))


def _response(status: HTTPStatus, type_: str, body: bytes, **headers: str) -> Response:
    found = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Type": type_,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
    )
    for name, value in headers.items():
        found[name.replace("_", "-")] = value
    return Response(status.value, status.phrase, found, body)
