"""Who is asking, and whether they may: arguments that routes declare.

A gateway decides on comments and commands; what is decided here is who may read.
"""

import uuid
from typing import Annotated, Final

import uuid_utils
from fastapi import Depends, Header, Path, Request, Security
from fastapi.security import HTTPBearer

from edge.api.parts import Made
from edge.api.problems import Invalid, Unauthorized, of_refusal
from edge.auth import TokenError, Viewer
from edge.errors import Forbidden
from schemas.items import STREAM_ID, STREAM_ID_WORDS
from schemas.refusals import Code, Refusal

KEY_CHARS_MAX = 255
_KEYS: Final = uuid.UUID("5c1e6c5e-6d2f-4d0e-9f43-5b2a3f6f0d11")
"""Namespace of ids made from keys that are no UUIDs."""
_BEARER = HTTPBearer(auto_error=False, description="A JWT that names its user, role and stream.")

StreamId = Annotated[str, Path(pattern=f"^{STREAM_ID.pattern}$", description=f"{STREAM_ID_WORDS}.")]


async def anyone(request: Request, parts: Made, _: Annotated[object, Security(_BEARER)]) -> Viewer:
    """Return whom the token names; without one a guest, where guests are let in. Raises Unauthorized."""
    header = request.headers.get("authorization")
    if header is None:
        if not parts.settings.auth.guests:
            raise Unauthorized("a token is needed: Authorization: Bearer …")
        return parts.auth.guest()
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("only bearer tokens are known here: Authorization: Bearer …", "invalid_request")
    try:
        return parts.auth.verify(token.strip())
    except TokenError as error:
        raise Unauthorized(str(error), "invalid_token") from None


Anyone = Annotated[Viewer, Depends(anyone)]


async def known(viewer: Anyone) -> Viewer:
    """Return whom the token names; guests are asked for one. Raises Unauthorized."""
    if viewer.role == "guest":
        raise Unauthorized("a token is needed: Authorization: Bearer …")
    return viewer


Known = Annotated[Viewer, Depends(known)]


async def reader(viewer: Anyone, stream_id: StreamId) -> Viewer:
    """Return who may read this stream. Raises Forbidden."""
    if not viewer.may_read(stream_id):
        raise Forbidden(f"the token is for another stream than {stream_id}")
    return viewer


Reader = Annotated[Viewer, Depends(reader)]


async def moderator(viewer: Known, stream_id: StreamId, parts: Made) -> Viewer:
    """Return who may moderate this stream, by the token or because its creator appointed them.

    Raises Problem (NOT_MODERATOR), Forbidden, Away.
    """
    await reader(viewer, stream_id)
    if not viewer.may_moderate(stream_id):
        found = await parts.directory.stream(stream_id)
        if found is None or viewer.user_id not in {found.creator, *found.moderators}:
            raise of_refusal(Refusal(Code.NOT_MODERATOR))
    return viewer


Moderator = Annotated[Viewer, Depends(moderator)]


async def key_id(
    viewer: Known,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=KEY_CHARS_MAX,
            description="The same again in a retry. A UUID is the id; of anything else one is made.",
        ),
    ] = None,
) -> str | None:
    """Return the id that the header stands for; None: there is no header.

    A UUID, with or without quotes, is the id itself. Anything else, together with the user it came from,
    always gives the same one.
    """
    if key is None:
        return None
    key = key.strip('"')
    try:
        return str(uuid.UUID(key))
    except ValueError:
        return str(uuid.uuid5(_KEYS, f"{viewer.user_id}\0{key}"))


KeyId = Annotated[str | None, Depends(key_id)]


def one_id(given: str | None, of_key: str | None) -> str:
    """Return the id of a request: the body's, the header's, or a fresh UUIDv7. Raises Invalid."""
    if given is not None and of_key is not None and given.lower() != of_key:
        raise Invalid("the id and the Idempotency-Key differ")
    return given or of_key or str(uuid_utils.uuid7())
