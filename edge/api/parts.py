"""What the API is made of, put together by `edge.api.server` or by a test."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from edge.api.auditlog import AuditPage
from edge.api.directory import Directory
from edge.api.history import History
from edge.api.metrics import Metrics
from edge.api.placement import Finder
from edge.auth import Authenticator, Viewer
from edge.gateway import Accepted
from schemas.records import Quoted
from schemas.settings import Settings

READY_SECONDS = 1.0
"""Below the two seconds that whoever asks waits."""


class Door(Protocol):
    """`edge.gateway.Gateway`, as far as the API uses it."""

    async def comment(
        self,
        viewer: Viewer,
        stream_id: str,
        *,
        id: str | None,  # noqa: A002
        text: str,
        sticker: str | None = None,
    ) -> Accepted:
        """Return when a comment is durable; raises Refusal, Forbidden."""

    async def command(
        self,
        viewer: Viewer,
        stream_id: str,
        type: str,  # noqa: A002
        *,
        id: str | None = None,  # noqa: A002
        target: str | None = None,
        seconds: int | None = None,
        reason: str | None = None,
        settings: Mapping[str, Any] | None = None,
        comment: Quoted | None = None,
    ) -> Accepted:
        """Return when a command is durable; raises Refusal, Forbidden."""


class Policy(Protocol):
    """`edge.policy.PolicyDesk`, as far as the API uses it. Every method raises Refusal."""

    async def ban(self, viewer: Viewer, id_: str, user: str, seconds: int | None, reason: str | None) -> None:
        """Ban a user from every stream."""

    async def unban(self, viewer: Viewer, id_: str, user: str) -> None:
        """Lift such a ban."""

    async def words(self, viewer: Viewer, id_: str, name: str, rules: Sequence[str]) -> None:
        """Put a list in the place of the one of that name."""


class Audit(Protocol):
    """`edge.api.audit.AuditLog`, as far as the API uses it."""

    async def read(self, stream_id: str, before: int | None, limit: int) -> AuditPage:
        """Return up to ``limit`` records of a stream below the offset ``before``. Raises Away."""


class Readiness:
    """Whether requests can be served. ``checks``: name → a question; false, an error or silence is no."""

    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[bool]]]) -> None:
        self._checks = checks
        self.accepting = True
        """Whether the process means to go on."""

    async def ask(self) -> dict[str, bool]:
        """Ask all at once; takes `READY_SECONDS` at most."""
        answers = await asyncio.gather(*(self._ask(check) for check in self._checks.values()))
        return dict(zip(self._checks, answers, strict=True)) | {"accepting": self.accepting}

    @staticmethod
    async def _ask(check: Callable[[], Awaitable[bool]]) -> bool:
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await check()
        except Exception:  # noqa: BLE001 - whatever it is, the answer is no
            return False


@dataclass(frozen=True, slots=True)
class Parts:
    """See the module."""

    settings: Settings
    door: Door
    directory: Directory
    history: History
    audit: Audit
    policy: Policy
    finder: Finder
    auth: Authenticator
    readiness: Readiness
    metrics: Metrics


async def parts_of(request: Request) -> Parts:
    """Return what the app of this request is made of."""
    parts: Parts = request.app.state.parts
    return parts


Made = Annotated[Parts, Depends(parts_of)]
"""A route's argument: the parts."""
