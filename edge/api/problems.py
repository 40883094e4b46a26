"""What went wrong, as RFC 9457 says it: ``application/problem+json``.

``type`` is ``about:blank`` where the status says it all, else ``urn:livecomments:problem:<name>``; a
refusal carries its code (`schemas.refusals`), and ``retry_after`` in seconds where trying again may help.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from edge.errors import Forbidden
from schemas.archive import ArchiveUnavailable
from schemas.refusals import Code, Refusal, words_of

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 1.0
"""After a store that did not answer, or an outcome that is not known."""
ERRORS_MAX: Final = 20
"""Mistakes of one request that are listed."""

STATUS: Final[Mapping[Code, HTTPStatus]] = {
    Code.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.MODERATED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.BANNED: HTTPStatus.FORBIDDEN,
    Code.SLOW_MODE: HTTPStatus.TOO_MANY_REQUESTS,
    Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Code.STREAM_ENDED: HTTPStatus.CONFLICT,
    Code.TIMED_OUT: HTTPStatus.FORBIDDEN,
    Code.TOO_OLD: HTTPStatus.CONFLICT,
    Code.READ_ONLY: HTTPStatus.FORBIDDEN,
    Code.HELD: HTTPStatus.CONFLICT,
    Code.UNKNOWN: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.MEMBERS_ONLY: HTTPStatus.FORBIDDEN,
    Code.EMOTE_ONLY: HTTPStatus.FORBIDDEN,
    Code.STREAM_EXISTS: HTTPStatus.CONFLICT,
    Code.NOT_MODERATOR: HTTPStatus.FORBIDDEN,
    Code.LINKS: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.CAPITALS: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.TOO_LONG: HTTPStatus.UNPROCESSABLE_ENTITY,
    Code.REPEATED: HTTPStatus.CONFLICT,
    Code.REJECTED: HTTPStatus.UNPROCESSABLE_ENTITY,
}

_WORDS: Final = {404: "there is nothing at this path", 405: "the path has no such method"}

log = structlog.get_logger()


class Problem(Exception):  # noqa: N818 - named as the RFC names it
    """An answer that is not what was asked for. ``retry_after``: seconds; ``more``: extension members."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        name: str | None = None,
        title: str | None = None,
        code: int | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.members: dict[str, Any] = {
            "type": f"urn:livecomments:problem:{name}" if name else "about:blank",
            "title": title or status.phrase,
            "status": status.value,
            "detail": detail,
        }
        known = {"code": code, "retry_after": retry_after, **more}
        self.members |= {key: value for key, value in known.items() if value is not None}

    def response(self) -> JSONResponse:
        """Return the answer."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(math.ceil(self.retry_after))
        return JSONResponse(self.members, self.status.value, headers, MEDIA_TYPE)


class Unauthorized(Problem):
    """Nobody, or nobody we know. ``error``: as RFC 6750 names it; None when no token was sent."""

    def __init__(self, detail: str, error: str | None = None) -> None:
        challenge = 'Bearer realm="livecomments"'
        if error is not None:
            challenge += f', error="{error}", error_description="{_quotable(detail)}"'
        super().__init__(HTTPStatus.UNAUTHORIZED, detail, name=error, headers={"WWW-Authenticate": challenge})


class Away(Problem):
    """A store does not answer, or is behind: nothing is shown rather than what may be gone. Retry."""

    def __init__(self, detail: str, retry_after: float = RETRY_SECONDS) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, detail, name="away", retry_after=retry_after)


class Invalid(Problem):
    """The request is understood, and says something that cannot be."""

    def __init__(self, detail: str, **more: Any) -> None:
        super().__init__(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            detail,
            name=Code.INVALID.key,
            title="The request is not valid.",
            code=Code.INVALID.value,
            **more,
        )


class NotFound(Problem):
    """There is no such thing."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, detail)


def of_refusal(refusal: Refusal, **more: Any) -> Problem:
    """Turn a refusal into a problem; ``more`` are extension members."""
    code = refusal.code
    if code is Code.INVALID:
        return Invalid(refusal.detail or refusal.message)
    wait = refusal.wait_seconds
    if wait is None and code is Code.UNKNOWN:
        wait = RETRY_SECONDS
    return Problem(
        STATUS[code],
        refusal.message,
        name=code.key,
        title=words_of(code),
        code=code.value,
        retry_after=wait,
        **more,
    )


@contextmanager
def retry_with(id_: str) -> Iterator[None]:
    """Turn a refusal into a problem that has the id to retry with, where trying again may help."""
    try:
        yield
    except Refusal as refusal:
        raise of_refusal(refusal, id=id_ if refusal.temporary else None) from None


def install(app: FastAPI, methods: Callable[[str], Collection[str]]) -> None:
    """Answer every error of a route as a problem; what is left is `edge.api.guard`'s.

    ``methods``: which methods a path has.
    """

    async def refusal(request: Request, error: Exception) -> JSONResponse:
        problem = _of(error)
        if problem.status is HTTPStatus.METHOD_NOT_ALLOWED:
            problem.headers["Allow"] = ", ".join(sorted(methods(request.url.path)))
        return problem.response()

    for kind in (
        Problem,
        Refusal,
        Forbidden,
        ArchiveUnavailable,
        RequestValidationError,
        HTTPException,
    ):
        app.add_exception_handler(kind, refusal)


def _of(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case Refusal():
            return of_refusal(error)
        case Forbidden():
            return Problem(HTTPStatus.FORBIDDEN, str(error))
        case ArchiveUnavailable():
            log.warning("archive away", error=str(error))
            return Away("the archive does not answer now")
        case RequestValidationError():
            return _of_mistakes(error)
        case HTTPException():
            words = _WORDS.get(error.status_code, str(error.detail))
            return Problem(HTTPStatus(error.status_code), words)
        case _:
            raise error


def _of_mistakes(error: RequestValidationError) -> Problem:
    """List the mistakes by place and rule; what was given is not repeated, it may be anything."""
    found = list(error.errors())
    if any(each["type"] == "json_invalid" for each in found):
        return Problem(HTTPStatus.BAD_REQUEST, "the body is not JSON")
    # A parameter that a route and its dependency both name is told once.
    places = {(".".join(map(str, each["loc"])), str(each["msg"])): None for each in found[:ERRORS_MAX]}
    errors = [{"at": at, "detail": words} for at, words in places]
    return Invalid("; ".join(f"{each['at']}: {each['detail']}" for each in errors), errors=errors)


def _quotable(text: str) -> str:
    """As a quoted string of a header may hold it."""
    return "".join(c for c in text if c.isascii() and c.isprintable() and c not in '"\\')
