"""Tokens that must not be accepted: none is, at any door, and none of them is written anywhere."""

import io
import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from edge.auth import Authenticator, TokenError
from edge.protocol import codes
from schemas.settings import Auth
from tests.edge.bad_tokens import (
    GOOD,
    HEADER,
    NOW,
    SECRET,
    Case,
    curve_key,
    curves,
    expired,
    hs,
    public,
    rs,
    rsa_key,
    secret_cases,
)
from tests.edge.fakes import Stage, stage
from tests.edge.test_auth import _jwks


def verifier(**auth: Any) -> Authenticator:
    return Authenticator(Auth(secret=SECRET, **auth), now=lambda: NOW)


def test_the_table_is_what_it_says() -> None:
    """Two hundred different ones; and the good one they are made from is good."""
    tokens = {token for _, token in secret_cases()}
    assert len(tokens) >= 200
    assert verifier().verify(hs(HEADER, GOOD)).user_id == "u"


def table(cases: Iterable[Case]) -> Any:
    """Parametrize by name: a token makes no good one."""
    found = list(cases)
    return pytest.mark.parametrize("token", [each for _, each in found], ids=[name for name, _ in found])


@table(secret_cases())
def test_refused_where_a_secret_signs(token: str) -> None:
    """With HS256, as bad and not as expired, but for those that only are."""
    only_old = token in {each for _, each in expired()}
    with pytest.raises(TokenError) as caught:
        verifier().verify(token)
    assert caught.value.expired is only_old
    assert token not in str(caught.value) or not token.strip()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _jwks(tmp_path_factory.mktemp("keys") / "jwks.json", a=rsa_key(), e=curve_key())


@table(public())
def test_refused_where_rsa_signs(token: str, key_file: Path) -> None:
    """With RS256: confusion of algorithms and keys."""
    with pytest.raises(TokenError):
        verifier(algorithm="RS256", jwks_file=key_file).verify(token)
    good = rs({"alg": "RS256", "kid": "a"}, GOOD, rsa_key())
    assert verifier(algorithm="RS256", jwks_file=key_file).verify(good).user_id == "u"


@table(curves())
def test_refused_where_a_curve_signs(token: str, key_file: Path) -> None:
    """With ES256: signatures of zeros, other forms, other curves."""
    with pytest.raises(TokenError):
        verifier(algorithm="ES256", jwks_file=key_file).verify(token)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Return everything that is logged meanwhile."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(lambda record: record.name != "websockets.client")  # the test's own side
    root, before = logging.getLogger(), structlog.get_config()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(out),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        cache_logger_on_first_use=False,
    )
    yield out
    structlog.configure(**before)
    root.setLevel(level)
    root.removeHandler(handler)


async def outcome(on: Stage, token: str, *, refresh: bool) -> Any:
    """Return the error or close code that a token leads to; None: it was accepted."""
    good = Authenticator(on.settings.auth).mint("u", None, "viewer", 600)
    async with connect(on.url, proxy=None) as socket:
        try:
            if refresh:
                await socket.send(json.dumps({"id": 1, "connect": {"token": good}}))
                await socket.recv()
                await socket.send(json.dumps({"id": 2, "refresh": {"token": token}}))
            else:
                await socket.send(json.dumps({"id": 1, "connect": {"token": token}}))
            reply = json.loads(await socket.recv())
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else "gone"
        return reply.get("error", {}).get("code")


@pytest.mark.parametrize("refresh", [False, True], ids=["connect", "refresh"])
async def test_no_door_opens_and_nothing_is_written(*, refresh: bool, logged: io.StringIO) -> None:
    """Over the wire: closed for good, or expired where it only is; no token and no secret in any log."""
    allowed = {codes.INVALID_TOKEN.code, 109, codes.BAD_REQUEST.code, 1009}
    async with stage(auth={"secret": SECRET, "guests": False}, handshakes_per_second_max=10_000) as on:
        accepted = []
        for name, token in secret_cases():
            code = await outcome(on, token, refresh=refresh)
            if code not in allowed | ({codes.TOKEN_NEEDED.code} if not token else set()):
                accepted.append((name, code))
        assert accepted == []
        assert on.server.stats.connects == (len(secret_cases()) if refresh else 0)
    text = logged.getvalue()
    assert SECRET not in text
    parts = {part for _, token in secret_cases() for part in token.split(".") if len(part) > 20}
    assert not [part for part in parts if part in text]
