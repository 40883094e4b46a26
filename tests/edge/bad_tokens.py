"""Two hundred tokens that must not be accepted, by kind of attack. Built by hand: a library would refuse."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from schemas.settings import DEVELOPMENT_SECRET

NOW = int(time.time())
"""The tokens are for today: an edge has a clock of its own."""
SECRET = "a-secret-of-the-tests-that-is-long-enough"
GOOD = {"sub": "u", "role": "viewer", "exp": NOW + 86_400, "iss": "livecomments", "aud": "livecomments"}
ABSENT = object()
Case = tuple[str, str]


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """Return the key that is known to be ours."""
    return rsa.generate_private_key(65537, 2048)


@cache
def other_rsa_key() -> rsa.RSAPrivateKey:
    """Return an attacker's key."""
    return rsa.generate_private_key(65537, 2048)


@cache
def curve_key() -> ec.EllipticCurvePrivateKey:
    """Return the key that is known to be ours."""
    return ec.generate_private_key(ec.SECP256R1())


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: Any) -> str:
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


def hs(header: Any, claims: Any, secret: bytes = SECRET.encode(), digest: str = "sha256") -> str:
    """Sign with HMAC, whatever the header says."""
    said = f"{part(header)}.{part(claims)}"
    return f"{said}.{b64(hmac.new(secret, said.encode(), digest).digest())}"


def rs(header: Any, claims: Any, key: rsa.RSAPrivateKey, kind: Any = None, digest: Any = None) -> str:
    """Sign with RSA, whatever the header says."""
    said = f"{part(header)}.{part(claims)}"
    signature = key.sign(said.encode(), kind or padding.PKCS1v15(), digest or hashes.SHA256())
    return f"{said}.{b64(signature)}"


def es(
    header: Any, claims: Any, key: ec.EllipticCurvePrivateKey, size: int = 32, *, der: bool = False
) -> str:
    """Sign with ECDSA, whatever the header says."""
    said = f"{part(header)}.{part(claims)}"
    signature = key.sign(said.encode(), ec.ECDSA(hashes.SHA256()))
    if not der:
        r, s = decode_dss_signature(signature)
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return f"{said}.{b64(signature)}"


def with_claims(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not ABSENT}


HEADER = {"alg": "HS256", "typ": "JWT"}


def forms() -> Iterator[Case]:
    """Yield what is no token at all."""
    good = hs(HEADER, GOOD)
    head, body, signature = good.split(".")
    yield from {
        "nothing": "", "space": " ", "dots": "..", "one part": head, "two parts": f"{head}.{body}",
        "no signature": f"{head}.{body}.", "four parts": f"{good}.{signature}", "five parts": f"{good}.a.b",
        "leading space": f" {good}", "trailing newline": f"{good}\n", "bearer": f"Bearer {good}",
        "padded": f"{head}.{body}=.{signature}", "standard alphabet": good.replace("-", "+") + "+/",
        "null byte": f"{good}\0", "not ascii": f"{good}é", "inner space": good.replace(".", " .", 1),
        "very long": "a" * 100_000, "long header": f"{'a' * 9_000}.{body}.{signature}",
        "swapped": f"{body}.{head}.{signature}", "upper case": good.upper(),
        "JSON": json.dumps({"payload": body, "protected": head, "signature": signature}),
        "header is no JSON": f"{part(b'{')}.{body}.{signature}", "header is a list": hs([], GOOD),
        "header is null": hs(None, GOOD), "header is a string": hs("HS256", GOOD),
        "header is empty": hs({}, GOOD),
        "claims are no JSON": hs(HEADER, b"{"), "claims are a list": hs(HEADER, [GOOD]),
        "claims are null": hs(HEADER, None), "claims are a number": hs(HEADER, 7),
        "claims are a string": hs(HEADER, "sub"), "claims are empty": hs(HEADER, {}),
        "claims are not UTF-8": hs(HEADER, b'{"sub":"\xff"}'), "claims are deep": hs(HEADER, b"[" * 5_000),
        "detached": f"{head}..{signature}",
        "unencoded payload": hs({**HEADER, "b64": False, "crit": ["b64"]}, GOOD),
    }.items()  # fmt: skip


def algorithms() -> Iterator[Case]:
    """Yield tokens that choose their algorithm themselves."""
    unsigned = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(GOOD)}."
    yield "none", unsigned
    yield "none with a signature", f"{unsigned}{b64(b'x' * 32)}"
    for name in (
        "None",
        "NONE",
        "nOnE",
        "none ",
        "",
        "null",
        "hs256",
        "HS256 ",
        "Hs256",
        "HMAC",
        "sha256",
        "*",
    ):
        yield f"alg {name!r}", hs({"alg": name}, GOOD)
        yield f"alg {name!r}, unsigned", f"{part({'alg': name})}.{part(GOOD)}."
    for value in (None, 0, 1, True, [], ["HS256"], {}, {"HS256": 1}):
        yield f"alg {value!r}", hs({"alg": value}, GOOD)
    yield "no alg", hs({"typ": "JWT"}, GOOD)
    for digest in ("sha384", "sha512"):
        yield f"HMAC {digest} as itself", hs({"alg": f"HS{digest[3:]}"}, GOOD, digest=digest)
        yield f"HMAC {digest} as HS256", hs(HEADER, GOOD, digest=digest)
    for name in ("RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA", "RSA-OAEP", "dir", "A128KW"):
        yield f"HMAC as {name}", hs({"alg": name}, GOOD)


def headers() -> Iterator[Case]:
    """Yield tokens that bring their key, or something that must be understood."""
    own = b"attacker's own secret, long enough for anything"
    jwk = {"kty": "oct", "k": b64(own), "alg": "HS256"}
    for name, value in {
        "jwk": jwk, "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/x5.pem",
        "x5c": [b64(own)], "kid": "../../../../dev/null", "kid ": "/proc/self/environ",
        "x5t#S256": b64(hashlib.sha256(own).digest()), "cty": "JWT", "url": "http://127.0.0.1/",
    }.items():  # fmt: skip
        yield f"signed by the key in {name}", hs({**HEADER, name.strip(): value}, GOOD, own)
    for kid in ("' UNION SELECT 'x", "a\0b", "a" * 4_000, "|whoami", "$(id)", "", "0"):
        yield f"kid {kid[:20]!r} and an empty secret", hs({**HEADER, "kid": kid}, GOOD, b"")
    for critical in (["exp"], ["unheard-of"], "exp", {}, [1]):
        yield f"crit {critical!r}", hs({**HEADER, "crit": critical, "unheard-of": 1}, GOOD)
    yield "a nested token", hs({**HEADER, "cty": "JWT"}, hs(HEADER, GOOD).encode())


def signatures() -> Iterator[Case]:
    """Yield tokens whose signature is not ours, not whole, or of another token."""
    good = hs(HEADER, GOOD)
    said, _, signature = good.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=")
    for bit in range(0, len(raw) * 8, 16):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit} flipped", f"{said}.{b64(bytes(flipped))}"
    for size in (0, 1, 16, 31):
        yield f"{size} bytes of it", f"{said}.{b64(raw[:size])}"
    yield "a byte more", f"{said}.{b64(raw + bytes(1))}"
    yield "twice", f"{said}.{b64(raw + raw)}"
    yield "zeros", f"{said}.{b64(bytes(32))}"
    other = hs(HEADER, with_claims(sub="v"))
    yield "of another token", f"{said}.{other.rpartition('.')[2]}"
    for guess in (
        "",
        "secret",
        "changeme",
        DEVELOPMENT_SECRET,
        SECRET.upper(),
        SECRET[:-1],
        SECRET + "\n",
        "HS256",
    ):
        yield f"signed with {guess[:12]!r}", hs(HEADER, GOOD, guess.encode())


def claims() -> Iterator[Case]:
    """Yield tokens that are well signed, and not for here, not for now, or for nobody."""
    bad: dict[str, list[Any]] = {
        "aud": [ABSENT, None, "", "other", "livecomment", "LIVECOMMENTS", 7, [], ["other"], {}, True],
        "iss": [ABSENT, None, "", "other", "livecomments ", 7, ["livecomments", 5], {}],
        "sub": [ABSENT, None, "", 7, [], {}, "u" * 129, "a\nb", "a\0", "\x7f", "\ud800", True],
        "role": [ABSENT, None, "", "guest", "root", "Platform", "platform ", 7, [], ["platform"], {}],
        "exp": [ABSENT, None, "", "soon", str(NOW + 86_400), [], {}, True, float("nan"), float("inf")],
        "nbf": [NOW + 86_400, "later", float("nan"), float("inf"), True, []],
        "iat": [NOW + 86_400, "now", float("nan"), [], {}],
        "stream": ["", "a/b", "a b", "s" * 129, 7, [], {}, True, "ä", "s\n"],
        "name": ["n" * 101, 7, [], {"a": 1}, "a\nb", True],
        "jti": [7, "", [], {}, "j" * 256, "a\0b", True],
    }  # fmt: skip
    for name, values in bad.items():
        for value in values:
            shown = "absent" if value is ABSENT else repr(value)[:20]
            yield f"{name} {shown}", hs(HEADER, with_claims(**{name: value}))


def expired() -> Iterator[Case]:
    """Yield tokens that were good once."""
    for ago in (10, 11, 3_600, NOW, NOW + 1, 10**15):
        yield f"expired {ago} s ago", hs(HEADER, with_claims(exp=NOW - ago))


def public() -> Iterator[Case]:
    """Yield tokens for a verifier of RS256, whose public key everybody has."""
    key = rsa_key()
    numbers = key.public_key().public_numbers()
    forms_of_key = [
        key.public_key().public_bytes(encoding, form)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
        for form in (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1)
    ]
    secrets = [
        *forms_of_key,
        forms_of_key[0].strip(),
        numbers.n.to_bytes(256, "big"),
        str(numbers.n).encode(),
        b"",
    ]
    for number, secret in enumerate(secrets):
        yield f"HS256 over the public key, form {number}", hs({"alg": "HS256", "kid": "a"}, GOOD, secret)
        yield f"HMAC as RS256, form {number}", hs({"alg": "RS256", "kid": "a"}, GOOD, secret)
    yield "another key", rs({"alg": "RS256", "kid": "a"}, GOOD, other_rsa_key())
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(other_rsa_key().public_key()))
    yield "another key, in its header", rs({"alg": "RS256", "kid": "a", "jwk": jwk}, GOOD, other_rsa_key())
    yield "another key, at its URL", rs({"alg": "RS256", "jku": "http://127.0.0.1:1/"}, GOOD, other_rsa_key())
    for kid in ("b", "A", "e", "", None, 0, [], "../a", "a\0"):
        yield f"our key as kid {kid!r}", rs({"alg": "RS256", "kid": kid}, GOOD, other_rsa_key())
    yield "RS512 by our key", rs({"alg": "RS512", "kid": "a"}, GOOD, key, digest=hashes.SHA512())
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    yield "PS256 by our key", rs({"alg": "PS256", "kid": "a"}, GOOD, key, pss)
    yield "ES256 by our other key", es({"alg": "ES256", "kid": "e"}, GOOD, curve_key())
    yield "ES256 as RS256", es({"alg": "RS256", "kid": "a"}, GOOD, curve_key())
    yield "unsigned", f"{part({'alg': 'none', 'kid': 'a'})}.{part(GOOD)}."
    yield "no signature", f"{part({'alg': 'RS256', 'kid': 'a'})}.{part(GOOD)}."
    yield "expired", rs({"alg": "RS256", "kid": "a"}, with_claims(exp=NOW - 60), key)
    yield "another audience", rs({"alg": "RS256", "kid": "a"}, with_claims(aud="x"), key)


def curves() -> Iterator[Case]:
    """Yield tokens for a verifier of ES256."""
    said = f"{part({'alg': 'ES256', 'kid': 'e'})}.{part(GOOD)}"
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for r, s in ((0, 0), (0, 1), (1, 0), (order, order), (order, 1), (1, 1)):
        yield f"r = {r % 97}, s = {s % 97}", f"{said}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    yield "nothing", f"{said}."
    yield "in DER", es({"alg": "ES256", "kid": "e"}, GOOD, curve_key(), der=True)
    larger = ec.generate_private_key(ec.SECP384R1())
    yield "a larger curve", es({"alg": "ES256", "kid": "e"}, GOOD, larger, 48)
    yield "another key", es({"alg": "ES256", "kid": "e"}, GOOD, ec.generate_private_key(ec.SECP256R1()))
    yield "our key as ES384", es({"alg": "ES384", "kid": "e"}, GOOD, curve_key())
    pem = (
        curve_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    yield "HS256 over the public key", hs({"alg": "HS256", "kid": "e"}, GOOD, pem)
    yield "RS256 by our other key", rs({"alg": "RS256", "kid": "a"}, GOOD, rsa_key())
    yield "RS256 as ES256", rs({"alg": "ES256", "kid": "e"}, GOOD, rsa_key())


def secret_cases() -> list[Case]:
    """Return all that a verifier of HS256 must refuse."""
    found = [*forms(), *algorithms(), *headers(), *signatures(), *claims(), *expired()]
    return [*found, *((f"{name} (RSA)", token) for name, token in public())]
