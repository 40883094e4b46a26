"""What every request meets: bounds on bodies, JSON alone, problems for all errors, counts, origins."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from schemas.refusals import Code, Refusal
from tests.api.fakes import Client, World, world

POST = ("POST", "/v1/streams/demo/comments")
JSON = {"content-type": "application/json"}


async def test_oversized_by_its_own_word(here: World) -> None:
    """It is not read at all."""
    headers = JSON | {"content-length": str(10**9)}
    answer = await here.client()(*POST, chunks=[], headers=headers)
    assert answer.problem["status"] == 413
    assert answer.headers["connection"] == "close"


async def test_oversized_while_it_comes(tmp_path: Path) -> None:
    """A body without a length is cut at the limit, not read to its end."""
    async with world(tmp_path, api={"request_bytes_max": 2048}) as small:
        chunks = [b"x" * 1024] * 100
        answer = await small.client()(*POST, chunks=chunks, headers=JSON)
        assert (answer.problem["status"], answer.problem["limit"]) == (413, 2048)
        fits = b'{"text": "' + b"x" * 100 + b'"}'
        answer = await small.client()(*POST, chunks=[fits[:20], fits[20:]], headers=JSON)
        assert answer.status == 201


async def test_a_whole_list_may_be_larger(tmp_path: Path) -> None:
    """On its route alone, up to a limit of its own, and few at once."""
    body = json.dumps({"words": [f"word{number}" for number in range(500)]}).encode()
    async with world(tmp_path, api={"request_bytes_max": 2048, "list_bytes_max": 16_384}) as small:
        client = small.client("platform")
        assert (await client("PUT", "/v1/words/en", chunks=[body], headers=JSON)).status == 200
        long = JSON | {"content-length": str(len(body))}
        answer = await client("PUT", "/v1/streams/demo/settings", chunks=[body], headers=long)
        assert (answer.status, answer.problem["limit"]) == (413, 2048)
        answer = await client("PUT", "/v1/words/en", chunks=[body] * 9, headers=JSON)
        assert (answer.status, answer.problem["limit"]) == (413, 16_384)
        waits = [asyncio.ensure_future(never_ending(small.app, "/v1/words/en")) for _ in range(2)]
        await asyncio.sleep(0)
        assert (await client("PUT", "/v1/words/en", chunks=[body], headers=JSON)).status == 503
        assert (await client("PUT", "/v1/words/en", {"words": []})).status == 200  # a small one is
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert (await client("PUT", "/v1/words/en", chunks=[body], headers=JSON)).status == 200


async def never_ending(app: Any, path: str) -> None:
    """Send a request whose body does not come."""
    scope = {
        "type": "http", "method": "PUT", "path": path, "raw_path": b"", "query_string": b"",
        "headers": [(b"transfer-encoding", b"chunked")], "root_path": "", "scheme": "http",
        "server": ("x", 80), "client": ("x", 1), "http_version": "1.1",
    }  # fmt: skip

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        del message

    await app(scope, receive, send)


async def test_a_body_that_does_not_come(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for, but not for ever."""
    monkeypatch.setattr("edge.api.guard.BODY_SECONDS", 0.01)
    answers: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http", "method": "POST", "path": POST[1], "raw_path": b"", "query_string": b"",
        "headers": [(b"transfer-encoding", b"chunked")], "root_path": "", "scheme": "http",
        "server": ("x", 80), "client": ("x", 1), "http_version": "1.1",
    }  # fmt: skip
    await here.app(scope, receive, send)
    assert answers[0]["status"] == 408


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b"\xff", JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b'{"text": "\\ud800"}', JSON, 422),
        (b"[]", JSON, 422),
        (b"text=hi", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b'{"text": "hi"}', {}, 415),
        (b'{"text": "hi"}', {"content-type": "Application/JSON; charset=utf-8"}, 201),
    ],
)
async def test_bodies(here: World, body: bytes, headers: dict[str, str], status: int) -> None:
    """JSON that says so, or the reason why not."""
    answer = await here.client()(*POST, chunks=[body], headers=headers)
    assert answer.status == status
    assert status == 201 or answer.problem


async def test_mistakes_do_not_repeat_what_was_sent(here: World) -> None:
    """A text that is refused is not for logs and error trackers."""
    answer = await here.client()(*POST, {"text": "s3cret", "more": "s3cret"})
    assert answer.status == 422
    assert b"s3cret" not in answer.body


async def test_what_is_not_there(here: World) -> None:
    """404 and 405 are problems too; 405 names every method that is there."""
    assert (await here.client()("GET", "/nope")).problem["status"] == 404
    answer = await here.client()("PATCH", "/v1/streams/demo/comments")
    assert answer.problem["status"] == 405
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Bearer nonsense", "invalid_token"),
        ("Bearer ", "invalid_token"),
        ("Basic YTpi", "invalid_request"),
        ("Bearer", "invalid_token"),
    ],
)
async def test_bad_tokens(here: World, header: str, error: str) -> None:
    """401 with a challenge, also where a guest would be let in: who sends a token means it."""
    answer = await here.client(None)("GET", "/v1/streams", headers={"authorization": header})
    assert answer.problem["status"] == 401
    assert f'error="{error}"' in answer.headers["www-authenticate"]


async def test_an_expired_token(here: World) -> None:
    """It says so."""
    token = here.auth.mint("ana", None, "viewer", -100)
    answer = await Client(here.app, token)("GET", "/v1/streams")
    assert answer.status == 401
    assert "expired" in answer.headers["www-authenticate"]


async def test_a_fault_of_ours_is_a_problem(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """500, without the error's words, and with the headers that let a page read it."""

    async def fail(*_: object) -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(here.directory, "newest", fail)
    headers = {"origin": "http://localhost:3000"}
    with capture_logs() as logged:
        answer = await here.client("platform", stream=None)("GET", "/v1/streams", headers=headers)
    assert [each["event"] for each in logged] == ["request failed"]
    assert answer.problem["status"] == 500
    assert b"s3cret" not in answer.body
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"


async def test_counts_have_bounded_labels(here: World) -> None:
    """Templates of routes; neither ids nor whatever a client makes up."""
    await here.client(None)("GET", "/v1/streams/secretstream/comments")
    await here.client(None)("BREW", "/v1/streams/secretstream/comments")
    await here.client(None)("GET", "/secretpath")
    page = (await here.client(None)("GET", "/metrics")).body.decode()
    assert 'route="/v1/streams/{stream_id}/comments"' in page
    assert 'method="other",route="/v1/streams/{stream_id}/comments",status="405"' in page
    assert 'method="GET",route="other",status="404"' in page
    assert "secret" not in page
    assert "BREW" not in page


@pytest.mark.parametrize(
    ("configured", "origin", "allowed"),
    [
        ((), "http://localhost:5173", True),
        ((), "http://127.0.0.1", True),
        ((), "http://[::1]:8000", True),
        ((), "https://localhost.evil.example", False),
        ((), "https://evil.example", False),
        (("https://app.example",), "https://app.example", True),
        (("https://app.example",), "http://localhost:5173", False),
    ],
)
async def test_origins(tmp_path: Path, configured: tuple[str, ...], origin: str, allowed: bool) -> None:
    """Pages of the allowed origins may call; loopback alone where none is named."""
    async with world(tmp_path, edge={"origins": configured}) as made:
        asked = {
            "origin": origin,
            "access-control-request-method": "PUT",
            "access-control-request-headers": "authorization,content-type,idempotency-key",
        }
        answer = await made.client(None)("OPTIONS", "/v1/streams/demo/settings", headers=asked)
        assert (answer.status == 200) is allowed
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
        assert "access-control-allow-credentials" not in answer.headers


async def test_readiness_means_it(here: World) -> None:
    """Each thing that is needed, by name; a process that is to end is not ready."""
    client = here.client(None)
    assert (await client("GET", "/healthz")).json == {"alive": True}
    assert (await client("GET", "/readyz")).json == {
        "ready": True, "producer": True, "redis": True, "accepting": True,
    }  # fmt: skip
    here.directory.away = True
    answer = await client("GET", "/readyz")
    assert (answer.status, answer.json["ready"], answer.json["redis"]) == (503, False, False)
    here.directory.away = False
    here.readiness.accepting = False
    assert (await client("GET", "/readyz")).status == 503


async def test_the_document(here: World) -> None:
    """Every route is described, and problems under their own media type."""
    document = (await here.client(None)("GET", "/openapi.json")).json
    paths = document["paths"]
    assert set(paths["/v1/streams/{stream_id}/comments"]) == {"get", "post"}
    answers = paths["/v1/streams/{stream_id}/comments"]["post"]["responses"]
    assert set(answers["default"]["content"]) == {"application/problem+json"}
    assert set(answers["422"]["content"]) == {"application/problem+json"}
    assert document["components"]["securitySchemes"]
    assert {} in paths["/v1/streams/{stream_id}/comments"]["get"]["security"]
    assert {} not in paths["/v1/streams/{stream_id}/comments"]["post"]["security"]
    schema = paths["/schemas/ids/{schema_id}"]["get"]["responses"]
    assert set(schema["200"]["content"]) == {"application/vnd.schemaregistry.v1+json"}
    assert "/v1/streams/{stream_id}/bans/{user}" in paths


async def test_the_document_for_people(here: World) -> None:
    """Every path is on it, and nothing on it comes from elsewhere."""
    answer = await here.client(None)("GET", "/docs")
    page = answer.body.decode()
    for path in (await here.client(None)("GET", "/openapi.json")).json["paths"]:
        assert f"<code>{path}</code>" in page
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


async def test_the_topics_document(here: World) -> None:
    """It is served beside the other, and says nothing of where the brokers are."""
    found = (await here.client(None)("GET", "/asyncapi.json")).json
    assert "comments.flat" in found["channels"]
    assert "servers" not in found


def test_refusals_of_every_code_have_a_status() -> None:
    """A code that is added needs one."""
    from edge.api.problems import STATUS, of_refusal

    for code in Code:
        assert code in STATUS
        assert of_refusal(Refusal(code)).status == STATUS[code]
