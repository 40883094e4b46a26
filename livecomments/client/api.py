"""The HTTP API as a client sees it: requests out, JSON or one of three errors back."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from livecomments.exits import Exit, Failure

CONNECT_SECONDS = 3.0
REQUEST_SECONDS = 10.0
ATTEMPTS_MAX = 4
RETRY_SECONDS = 0.5
PAGE_COMMENTS = 500
UNKNOWN_CODE = 1010
"""`schemas.refusals.Code.UNKNOWN`: it may have been carried out."""


class ApiError(Exception):
    """Anything but a good answer."""


@dataclass(eq=False)
class Refused(ApiError):  # noqa: N818 - an outcome
    """The request's fault; it was not carried out. ``name``: the problem's; ``wait``: seconds, if known."""

    status: int
    name: str
    words: str
    wait: float | None = None

    def __str__(self) -> str:
        """Say why."""
        return self.words


class Unknown(ApiError):  # noqa: N818 - the same
    """Nobody's fault that can be known: it may have been carried out. Repeat it with the same id."""


class Unreachable(ApiError):  # noqa: N818 - the same
    """The API does not run, or cannot be reached: nothing was sent."""


class Api:
    """One API; to be used as an async context manager. ``seconds``: for one answer."""

    def __init__(self, url: str, seconds: float = REQUEST_SECONDS) -> None:
        self._url = url
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open; nothing is connected yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # whoever asks bounds how much they ask at once
            timeout=aiohttp.ClientTimeout(total=self._seconds, connect=CONNECT_SECONDS),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        token: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Return the answer's object; {} for an empty one. ``token`` "": as a guest; ``key``: of idempotency.

        Raises:
            Refused, Unknown, Unreachable.

        """
        if self._session is None:
            raise RuntimeError("the API client is not open")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Idempotency-Key": key} if key is not None else {}
        try:
            async with self._session.request(
                method, self._url + path, json=body, params=query, headers=headers
            ) as answer:
                return _read(answer.status, await answer.read())
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"the API at {self._url} does not answer: is the stack up?") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unknown(f"the API at {self._url} gave no answer ({type(error).__name__})") from error

    async def settle(
        self,
        method: str,
        path: str,
        token: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        key: str,
    ) -> dict[str, Any]:
        """Ask for a change under a key of idempotency, again while its outcome is not known, a few times.

        Raises:
            Refused, Unknown, Unreachable.

        """
        for attempt in range(1, ATTEMPTS_MAX):
            try:
                return await self.ask(method, path, token, body, query=query, key=key)
            except Unknown:
                await asyncio.sleep(attempt * RETRY_SECONDS)
        return await self.ask(method, path, token, body, query=query, key=key)

    async def comments(
        self, stream: str, token: str, epoch: str | None, from_seq: int
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield a stream's pages (`GET …/comments`) from ``from_seq`` to its end now.

        Raises:
            Refused, Unknown, Unreachable.

        """
        query: dict[str, Any] = {"from_seq": from_seq, "limit": PAGE_COMMENTS}
        query |= {"epoch": epoch} if epoch is not None else {}
        while True:
            page = await self.ask("GET", path_of("streams", stream, "comments"), token, query=query)
            yield page
            if page["next_seq"] is None:
                return
            query["from_seq"] = page["next_seq"]


def path_of(*parts: str) -> str:
    """Return a path of the API, each part quoted: ``path_of("streams", "a b")`` → ``/v1/streams/a%20b``."""
    return "/".join(["/v1", *(quote(part, safe="") for part in parts)])


def failure_of(error: ApiError, what: str) -> Failure:
    """Turn an error into the outcome of a verb."""
    match error:
        case Refused():
            return Failure(Exit.REFUSED, f"{what} was refused: {error.words}")
        case Unreachable():
            return Failure(Exit.NOT_RUNNING, f"{what}: {error}")
        case _:
            return Failure(Exit.UNKNOWN, f"{what}: {error}; it is not known whether it was carried out")


def _read(status: int, content: bytes) -> dict[str, Any]:
    document = _object(content)
    if status < HTTPStatus.BAD_REQUEST:
        return document
    words = str(document.get("detail") or document.get("title") or HTTPStatus(status).phrase)
    if document.get("code") == UNKNOWN_CODE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unknown(words)
    wait = document.get("retry_after")
    name = str(document.get("type", "")).rpartition(":")[2]
    raise Refused(
        status,
        name if name not in ("", "blank") else HTTPStatus(status).phrase.lower().replace(" ", "_"),
        words,
        float(wait) if isinstance(wait, int | float) else None,
    )


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content) if content else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
