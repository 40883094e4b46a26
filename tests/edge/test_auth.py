"""Tokens: who may do what, and what is refused."""

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from edge.auth import (
    Authenticator,
    InsecureSecretError,
    TokenError,
    Viewer,
    check_secret,
    dev_token,
    is_loopback,
)
from schemas.settings import Auth, Settings, SettingsError

NOW = 1_800_000_000
SECRET = "a-secret-of-the-tests-that-is-long-enough"


def authenticator(**changes: Any) -> Authenticator:
    return Authenticator(Auth(secret=SECRET, **changes), now=lambda: NOW)


def claims(**changes: Any) -> dict[str, Any]:
    base = {"sub": "u", "role": "viewer", "exp": NOW + 60, "iss": "livecomments", "aud": "livecomments"}
    return {**base, **changes}


def signed(
    key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any
) -> str:
    kept = {name: value for name, value in claims(**changes).items() if value is not ...}
    return jwt.encode(kept, key, algorithm=algorithm, headers=headers)


def test_minted_token_names_its_viewer() -> None:
    """What is minted is what is verified."""
    viewer = authenticator().verify(authenticator().mint("u1", "s1", "creator", 60, "Ünal"))
    assert (viewer.user_id, viewer.name, viewer.role, viewer.stream_id) == ("u1", "Ünal", "creator", "s1")
    assert viewer.expires_at == NOW + 60
    assert viewer.token_id


def test_expired_token_says_so() -> None:
    """An expired token is told from a bad one; the leeway counts."""
    with pytest.raises(TokenError) as caught:
        authenticator().verify(signed(exp=NOW - 10))
    assert caught.value.expired
    assert authenticator().verify(signed(exp=NOW - 9)).user_id == "u"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"},
        {"iss": "other"},
        {"sub": ...},
        {"sub": ""},
        {"sub": "u" * 129},
        {"sub": "a\nb"},
        {"role": ...},
        {"role": "guest"},
        {"role": "root"},
        {"role": ["platform"]},
        {"exp": ...},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": NOW + 60},
        {"iat": NOW + 60},
        {"stream": "a/b"},
        {"stream": 7},
        {"name": "n" * 101},
        {"name": {"a": 1}},
    ],
)
def test_bad_claims_are_refused(changes: dict[str, Any]) -> None:
    """A signed token whose claims are missing, foreign or malformed is refused, as not expired."""
    with pytest.raises(TokenError) as caught:
        authenticator().verify(signed(**changes))
    assert not caught.value.expired


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "x" * 9_000, "é.é.é", signed("another-secret-that-is-long-enough-too!")]
)
def test_garbage_is_refused(token: str) -> None:
    """What is no token of ours is refused."""
    with pytest.raises(TokenError):
        authenticator().verify(token)


def test_unsigned_and_other_algorithms_are_refused() -> None:
    """The settings name the algorithm, never the token."""
    for token in (signed("", algorithm="none"), signed(algorithm="HS512", key=SECRET * 2)):
        with pytest.raises(TokenError):
            authenticator().verify(token)


def _jwks(path: Path, **keys: Any) -> Path:
    rows = []
    for kid, key in keys.items():
        if isinstance(key, ec.EllipticCurvePrivateKey):
            row = {"alg": "ES256", **json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))}
        else:
            row = {"alg": "RS256", **json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))}
        rows.append({**row, "kid": kid})
    path.write_text(json.dumps({"keys": rows}), encoding="utf-8")
    return path


def test_public_keys_come_from_the_file_alone(tmp_path: Path) -> None:
    """A known kid verifies; an unknown one, a key in the header, HS256 over the public key do not."""
    mine, other, curve = (
        rsa.generate_private_key(65537, 2048),
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
    )
    path = _jwks(tmp_path / "jwks.json", a=mine, e=curve)
    verifier = authenticator(algorithm="RS256", jwks_file=path)
    assert verifier.verify(signed(mine, "RS256", {"kid": "a"})).user_id == "u"
    assert verifier.verify(signed(mine, "RS256")).user_id == "u"
    curves = authenticator(algorithm="ES256", jwks_file=path)
    assert curves.verify(signed(curve, "ES256", {"kid": "e"})).user_id == "u"
    pem = mine.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "a"}).encode()).rstrip(b"=").decode()
    confused = f"{header}.{signed().split('.')[1]}.{base64.urlsafe_b64encode(pem[:32]).decode()}"
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(other.public_key()))
    for token in (
        signed(mine, "RS256", {"kid": "b"}),
        signed(other, "RS256", {"kid": "a"}),
        signed(other, "RS256", {"kid": "a", "jwk": jwk}),
        signed(other, "RS256", {"kid": "../../dev/null"}),
        signed(curve, "ES256", {"kid": "e"}),
        confused,
    ):
        with pytest.raises(TokenError):
            verifier.verify(token)
    with pytest.raises(TokenError):
        verifier.mint("u", "s", "viewer", 60)


@pytest.mark.parametrize("text", [None, "", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AA"}]}'])
def test_unusable_key_file_stops_the_start(tmp_path: Path, text: str | None) -> None:
    """A key file that is missing or has no key is the operator's fault, and named."""
    path = tmp_path / "jwks.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="jwks_file"):
        authenticator(algorithm="RS256", jwks_file=path)
    with pytest.raises(SettingsError, match="jwks_file"):
        authenticator(algorithm="RS256")


def test_rights() -> None:
    """A token's stream binds it; a moderator is one on that stream only; platform everywhere."""
    creator = Viewer("c", "c", "creator", "s")
    roaming = Viewer("c", "c", "creator", None)
    assert creator.may_moderate("s")
    assert not creator.may_read("t")
    assert roaming.may_write("t")
    assert not roaming.may_moderate("t")
    assert roaming.role_on("t") == "viewer"
    assert Viewer("p", "p", "platform", "s").may_moderate("t")
    guest = authenticator().guest()
    assert guest.may_read("s")
    assert not guest.may_write("s")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_development_secret_on_loopback_only(host: str, *, loopback: bool) -> None:
    """The secret that everybody knows is refused, and mints nothing, where others can connect."""
    settings = Settings()
    assert is_loopback(host) == loopback
    assert (dev_token(settings, host, "demo", "u", "U") is not None) == loopback
    if loopback:
        check_secret(settings, host)
    else:
        with pytest.raises(InsecureSecretError, match="AUTH__SECRET"):
            check_secret(settings, host)
    own = Settings(auth=Auth(secret=SECRET))
    check_secret(own, host)
    assert dev_token(own, host, "demo", "u") is None
