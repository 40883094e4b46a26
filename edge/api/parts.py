"""What the API is made of, put together by `edge.api.server` or by a test."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import cast

from fastapi import Request

from edge.api.metrics import Metrics

READY_SECONDS = 1.0
"""Below the two seconds that whoever asks waits."""


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

    readiness: Readiness
    metrics: Metrics


def parts_of(request: Request) -> Parts:
    """Return what the app of this request is made of."""
    return cast("Parts", request.app.state.parts)
