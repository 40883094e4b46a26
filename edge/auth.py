"""Who is asking, and what they may do: signed tokens in, viewers out.

One algorithm a key: the settings name it, and a token that names another is refused before its
signature is looked at. Keys come from the settings alone; a token's ``jku``, ``jwk`` or ``x5u`` is
never followed.
"""

import ipaddress
import json
import math
import re
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt

from edge.errors import EdgeError
from schemas.items import ID_CHARS_MAX, NAME_CHARS_MAX, ROLES, is_stream_id
from schemas.settings import DEVELOPMENT_SECRET, Auth, Settings, SettingsError

TOKEN_CHARS_MAX = 8_192
TOKEN_ID_CHARS_MAX = 255
DEV_TOKEN_SECONDS = 12 * 3600
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_REQUIRED = ["sub", "role", "exp", "iss", "aud"]


class TokenError(EdgeError):
    """The token's fault. ``expired``: it was good once; get a new one. Otherwise it never will be."""

    def __init__(self, detail: str, *, expired: bool = False) -> None:
        super().__init__(detail)
        self.expired = expired


class InsecureSecretError(EdgeError):
    """The operator's fault: others could mint tokens. Set a secret, or bind to loopback."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is asking. ``stream_id``: the one stream the token is for; None: any.

    ``role`` is guest | viewer | creator | moderator | platform; times in seconds since 1970.
    """

    user_id: str
    name: str
    role: str
    stream_id: str | None = None
    expires_at: int | None = None
    token_id: str | None = None
    issued_at: float | None = None

    def may_read(self, stream_id: str) -> bool:
        """Whether they may see this stream."""
        return self.role == "platform" or self.stream_id in {None, stream_id}

    def may_write(self, stream_id: str) -> bool:
        """Whether they may comment on this stream."""
        return self.role != "guest" and self.may_read(stream_id)

    def may_moderate(self, stream_id: str) -> bool:
        """Whether the token alone makes them a moderator of this stream.

        A creator or moderator is one on the stream that the token names, and nowhere else.
        """
        if self.role == "platform":
            return True
        return self.role in {"creator", "moderator"} and self.stream_id == stream_id

    def role_on(self, stream_id: str) -> str:
        """Return the role that records about this stream may carry."""
        return self.role if self.may_moderate(stream_id) else "viewer"


class Authenticator:
    """Verifies and mints tokens. ``now``: seconds since 1970; ``revoked``: whether a good one was revoked.

    Raises:
        SettingsError: RS256 or ES256 without a readable ``jwks_file``.

    """

    def __init__(
        self,
        auth: Auth,
        now: Callable[[], float] = time.time,
        revoked: Callable[[Viewer], bool] | None = None,
    ) -> None:
        self._auth = auth
        self._now = now
        self._revoked = revoked
        self._keys = _public_keys(auth) if auth.algorithm != "HS256" else {}

    def verify(self, token: str) -> Viewer:
        """Return whom a token names; raises TokenError."""
        if not token or len(token) > TOKEN_CHARS_MAX:
            raise TokenError(f"the token is empty or longer than {TOKEN_CHARS_MAX} characters")
        try:
            claims = jwt.decode(
                token,
                self._key(token),
                algorithms=[self._auth.algorithm],
                audience=self._auth.audience,
                issuer=self._auth.issuer,
                # Times are held against the clock that was given, below.
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenError(f"the token is not valid: {type(error).__name__}") from None
        self._check_times(claims)
        viewer = _viewer(claims)
        if self._revoked is not None and self._revoked(viewer):
            raise TokenError("the token was revoked")
        return viewer

    def mint(
        self, user: str, stream: str | None, role: str, ttl_seconds: int, name: str | None = None
    ) -> str:
        """Sign a token. Raises TokenError where only public keys are known, or the claims are not valid."""
        if self._auth.algorithm != "HS256":
            raise TokenError(
                f"tokens with {self._auth.algorithm} are minted by whoever holds the private key"
            )
        now = int(self._now())
        claims = {
            "sub": user,
            "name": user if name is None else name,
            "role": role,
            "stream": stream,
            "iat": now,
            "exp": now + ttl_seconds,
            "iss": self._auth.issuer,
            "aud": self._auth.audience,
            "jti": uuid.uuid4().hex,
        }
        _viewer(claims)
        return jwt.encode(claims, self._auth.secret, algorithm="HS256")

    def guest(self) -> Viewer:
        """Return somebody new who may read."""
        return Viewer(f"guest-{secrets.token_hex(8)}", "guest", "guest")

    def _key(self, token: str) -> Any:
        if self._auth.algorithm == "HS256":
            return self._auth.secret
        kid = jwt.get_unverified_header(token).get("kid")
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if kid not in self._keys:
            raise TokenError("the token is signed with a key that is not known here")
        return self._keys[kid]

    def _check_times(self, claims: dict[str, Any]) -> None:
        now, leeway = self._now(), self._auth.leeway_seconds
        for name in ("exp", "nbf", "iat"):
            if name in claims and not _is_number(claims[name]):
                raise TokenError(f"the token's {name} is not a number")
        if claims["exp"] + leeway <= now:
            raise TokenError("the token has expired", expired=True)
        if max(claims.get("nbf", 0), claims.get("iat", 0)) > now + leeway:
            raise TokenError("the token is not valid yet")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_secret(settings: Settings, host: str) -> None:
    """Refuse to serve others with the secret that everybody knows; raises InsecureSecretError."""
    if _development(settings) and not is_loopback(host):
        raise InsecureSecretError(
            f"the development secret may be used on loopback only, and this binds to {host}: "
            "set LIVECOMMENTS_AUTH__SECRET to at least 32 random characters, or bind to 127.0.0.1"
        )


def dev_token(settings: Settings, host: str, stream: str, user: str, name: str | None = None) -> str | None:
    """Mint a viewer's token for the development page; None unless on loopback with the development secret.

    Raises TokenError when stream, user or name are not valid.
    """
    if not _development(settings) or not is_loopback(host):
        return None
    return Authenticator(settings.auth).mint(user, stream, "viewer", DEV_TOKEN_SECONDS, name)


def _development(settings: Settings) -> bool:
    return settings.auth.algorithm == "HS256" and settings.auth.secret == DEVELOPMENT_SECRET


def _public_keys(auth: Auth) -> dict[str | None, Any]:
    if auth.jwks_file is None:
        raise SettingsError(f"auth.jwks_file: {auth.algorithm} needs a file with the public keys (JWKS)")
    try:
        document = json.loads(auth.jwks_file.read_text(encoding="utf-8"))
        rows = [row for row in document["keys"] if row.get("alg", auth.algorithm) == auth.algorithm]
        keys = {row.get("kid"): jwt.PyJWK(row, algorithm=auth.algorithm).key for row in rows}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise SettingsError(f"auth.jwks_file: {auth.jwks_file} has no keys: {error!r}") from error
    if not keys:
        raise SettingsError(f"auth.jwks_file: {auth.jwks_file} has no key for {auth.algorithm}")
    return keys


def _viewer(claims: dict[str, Any]) -> Viewer:
    user, role, stream = claims["sub"], claims["role"], claims.get("stream")
    name = claims.get("name")
    if name is None or name == "":
        name = user[:NAME_CHARS_MAX] if isinstance(user, str) else user
    if not _is_text(user, ID_CHARS_MAX) or not _is_text(name, NAME_CHARS_MAX):
        raise TokenError(f"the token's sub or name is not 1 to {ID_CHARS_MAX} or {NAME_CHARS_MAX} characters")
    if not isinstance(role, str) or role not in ROLES:
        raise TokenError(f"the token's role is none of {', '.join(sorted(ROLES))}")
    if stream is not None and not is_stream_id(stream):
        raise TokenError("the token's stream is no stream id")
    jti = claims.get("jti")
    if jti is not None and not _is_text(jti, TOKEN_ID_CHARS_MAX):
        raise TokenError(f"the token's jti is not 1 to {TOKEN_ID_CHARS_MAX} characters")
    return Viewer(user, name, role, stream, int(claims["exp"]), jti, claims.get("iat"))


def _is_number(value: object) -> bool:
    # JSON as Python reads it has NaN and Infinity, which would never expire.
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: object, chars_max: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= chars_max and not _UNPRINTABLE.search(value)
