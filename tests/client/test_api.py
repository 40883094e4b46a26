"""The API client: what an answer means."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from livecomments.client import api as client
from livecomments.client.api import Api, ApiError, Refused, Unknown, Unreachable, failure_of, path_of
from livecomments.exits import Exit


@asynccontextmanager
async def served(*answers: tuple[int, Any]) -> AsyncIterator[tuple[Api, list[web.Request]]]:
    """Serve answers one after the other, the last one again and again; None: cut the connection."""
    asked: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        await request.read()
        status, body = answers[min(len(asked), len(answers) - 1)]
        asked.append(request)
        if body is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with Api(f"http://127.0.0.1:{runner.addresses[0][1]}") as api:
            yield api, asked
    finally:
        await runner.cleanup()


def problem(status: int, **more: Any) -> tuple[int, dict[str, Any]]:
    return status, {"type": "about:blank", "status": status} | more


async def test_answer() -> None:
    """A good answer is its object; the token, the key and the quoted path are sent."""
    async with served((201, {"id": "x"})) as (api, asked):
        path = path_of("streams", "a/b", "comments")
        assert await api.ask("POST", path, "token", {"text": "hi"}, key="k") == {"id": "x"}
        assert asked[0].raw_path == "/v1/streams/a%2Fb/comments"
        assert asked[0].headers["Authorization"] == "Bearer token"
        assert asked[0].headers["Idempotency-Key"] == "k"
        await api.ask("GET", "/", "")
        assert "Authorization" not in asked[1].headers


async def test_refused() -> None:
    """A problem below 500 is a refusal with its name, words and wait."""
    wait = problem(429, type="urn:livecomments:problem:slow_mode", detail="Slow.", code=1003, retry_after=12)
    async with served(wait, problem(404, detail="no such stream"), (400, "<html>")) as (api, _):
        with pytest.raises(Refused) as caught:
            await api.ask("GET", "/", "")
        refused = caught.value
        assert (refused.status, refused.name, refused.words, refused.wait) == (429, "slow_mode", "Slow.", 12)
        with pytest.raises(Refused, match="no such stream") as caught:
            await api.ask("GET", "/", "")
        assert caught.value.name == "not_found"
        with pytest.raises(Refused, match="Bad Request"):
            await api.ask("GET", "/", "")


@pytest.mark.parametrize("answer", [problem(503, code=1010), problem(500), (200, None), (502, "gateway")])
async def test_unknown(answer: tuple[int, Any]) -> None:
    """An outcome that nobody can know is unknown: server errors, a cut."""
    async with served(answer) as (api, _):
        with pytest.raises(Unknown):
            await api.ask("POST", "/", "")


async def test_unreachable() -> None:
    """Where nobody listens, nothing was sent."""
    async with Api("http://127.0.0.1:9") as api:
        with pytest.raises(Unreachable, match="is the stack up"):
            await api.ask("POST", "/", "")


async def test_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is asked for again under its key while its outcome is not known, a few times."""
    monkeypatch.setattr(client, "RETRY_SECONDS", 0.001)
    async with served(problem(503), problem(503), (200, {"id": "x"})) as (api, asked):
        assert await api.settle("PUT", "/", "", {}, key="k") == {"id": "x"}
        assert [each.headers["Idempotency-Key"] for each in asked] == ["k"] * 3
    async with served(problem(503)) as (api, asked):
        with pytest.raises(Unknown):
            await api.settle("PUT", "/", "", {}, key="k")
        assert len(asked) == client.ATTEMPTS_MAX


async def test_pages() -> None:
    """Pages are read until there is no next one."""
    pages = [{"comments": [1], "to_seq": 1, "next_seq": 2}, {"comments": [], "to_seq": 4, "next_seq": None}]
    async with served((200, pages[0]), (200, pages[1])) as (api, asked):
        assert [page async for page in api.comments("s", "", "e-0", 1)] == pages
        assert [each.query["from_seq"] for each in asked] == ["1", "2"]
        assert asked[0].query["epoch"] == "e-0"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused(403, "banned", "You are banned."), Exit.REFUSED),
        (Unreachable("nobody"), Exit.NOT_RUNNING),
        (Unknown("silence"), Exit.UNKNOWN),
    ],
)
def test_exit_codes(error: ApiError, code: Exit) -> None:
    """Each kind of error has its exit code."""
    assert failure_of(error, "it").code == code
