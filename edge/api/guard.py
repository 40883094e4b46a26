"""Around every request: a bounded body, JSON alone, a count, and a problem for what nobody caught.

A body is read whole before its route sees it, up to the limit and within a time, whatever its
``Content-Length`` says. Routes for whole lists have a larger limit, and few of these bodies are held at once.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.api.metrics import Metrics
from edge.api.problems import Away, Problem

BODY_SECONDS = 10.0
"""For a body to arrive."""
LARGE_AT_ONCE_MAX = 2
"""Bodies beyond the usual limit."""
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

log = structlog.get_logger()


class Guard:
    """ASGI middleware, see the module. ``large``: method and path's beginning → the limit there, in bytes."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        request_bytes_max: int,
        large: Mapping[tuple[str, str], int] | None = None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._bytes_max = request_bytes_max
        self._large = large or {}
        self._held = 0
        """Large bodies that are being read or served."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            with self._room(scope) as limit:
                body = await self._body(Headers(scope=scope), receive, limit)
                await self._app(scope, _Replay(body, receive), send_counted)
        except ClientDisconnect:
            status = status or 499
        except Problem as refused:
            await refused.response()(scope, receive, send_counted)
        except Exception as error:
            log.exception("request failed", method=scope["method"], route=_route(scope))
            if status:
                raise  # the head is out: all that is left is to cut the connection
            words = "the request failed by a fault of the server; its outcome is not known"
            problem = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, words, error=type(error).__name__)
            await problem.response()(scope, receive, send_counted)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.answered(_route(scope), scope["method"], status, seconds)

    @contextmanager
    def _room(self, scope: Scope) -> Iterator[int]:
        """Give the limit of a request's body; one that may be large takes a place while it lasts."""
        found = (
            limit
            for (method, path), limit in self._large.items()
            if scope["method"] == method and scope["path"].startswith(path)
        )
        limit = next(found, self._bytes_max)
        if limit <= self._bytes_max or not _may_exceed(Headers(scope=scope), self._bytes_max):
            yield limit
            return
        if self._held >= LARGE_AT_ONCE_MAX:
            raise Away("too many large requests at once")
        self._held += 1
        try:
            yield limit
        finally:
            self._held -= 1

    async def _body(self, headers: Headers, receive: Receive, limit: int) -> bytes:
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            raise _too_large(limit)
        if announced == "0" and "transfer-encoding" not in headers:
            return b""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._read(receive, limit)
        except TimeoutError:
            words = f"the body did not arrive within {BODY_SECONDS:.0f} s"
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, words, headers={"Connection": "close"}) from None
        if body and not _is_json(headers.get("content-type", "")):
            words = "send JSON, and say so: Content-Type: application/json"
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
        return body

    async def _read(self, receive: Receive, limit: int) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)


class _Replay:
    """Gives the body that was read, then what comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _too_large(limit: int) -> Problem:
    words = f"the body is larger than {limit} bytes"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words, headers={"Connection": "close"}, limit=limit)


def _may_exceed(headers: Headers, size: int) -> bool:
    """Whether a body is, or may turn out to be, larger than ``size``."""
    announced = headers.get("content-length", "0")
    return "transfer-encoding" in headers or not announced.isdecimal() or int(announced) > size


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _route(scope: Scope) -> str | None:
    """Return the route's template; None: no route matched."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else None
