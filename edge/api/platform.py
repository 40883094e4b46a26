"""Commands to the whole platform: bans from every stream, and word lists for all. With a platform token."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from edge.api import models
from edge.api.access import KeyId, Known, one_id
from edge.api.moderation import PAGE_BANS_MAX, ban_view
from edge.api.parts import Made
from edge.api.problems import Invalid, NotFound, of_refusal, retry_with
from edge.auth import Viewer
from schemas.filtering import parse_list
from schemas.policies import EVERYWHERE, LIST_NAME, RULES_MAX
from schemas.refusals import Code, Refusal

router = APIRouter(tags=["platform"])
_User = Annotated[models.UserId, Path(description="The user's id.")]
_List = Annotated[str, Path(pattern=f"^{LIST_NAME.pattern}$", description="The list's name.")]


async def operator(viewer: Known) -> Viewer:
    """Return who may command the platform. Raises Problem (NOT_MODERATOR)."""
    if viewer.role != "platform":
        raise of_refusal(Refusal(Code.NOT_MODERATOR, "a platform token is needed"))
    return viewer


Operator = Annotated[Viewer, Depends(operator)]


@router.get("/v1/bans")
async def list_platform_bans(
    viewer: Operator,
    parts: Made,
    cursor: Annotated[str | None, Query(pattern="^[0-9]{1,20}$", description="The `next` before.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_BANS_MAX, description="About so many.")] = 100,
) -> models.Bans:
    """List who is banned from every stream, in no order."""
    del viewer
    following, found = await parts.directory.bans(EVERYWHERE, int(cursor or 0), limit)
    return models.Bans(bans=[ban_view(each) for each in found], next=str(following) if following else None)


@router.get("/v1/bans/{user:path}")
async def get_platform_ban(user: _User, viewer: Operator, parts: Made) -> models.Ban:
    """Return a user's ban from every stream."""
    del viewer
    found = await parts.directory.ban(EVERYWHERE, user)
    if found is None:
        raise NotFound("the user is not banned from the platform")
    return ban_view(found)


@router.put("/v1/bans/{user:path}")
async def put_platform_ban(
    user: _User, viewer: Known, key: KeyId, parts: Made, body: models.PlatformBan | None = None
) -> models.Accepted:
    """Ban a user from every stream."""
    id_, body = one_id(None, key), body or models.PlatformBan()
    with retry_with(id_):
        await parts.policy.ban(viewer, id_, user, body.seconds, body.reason)
    return models.Accepted(id=id_)


@router.delete("/v1/bans/{user:path}")
async def delete_platform_ban(user: _User, viewer: Known, key: KeyId, parts: Made) -> models.Accepted:
    """Lift a user's ban from every stream; bans from single streams stay."""
    id_ = one_id(None, key)
    with retry_with(id_):
        await parts.policy.unban(viewer, id_, user)
    return models.Accepted(id=id_)


@router.put("/v1/words/{name}")
async def put_platform_words(
    name: _List, body: models.WordList, viewer: Known, key: KeyId, parts: Made
) -> models.Accepted:
    """Put a list of words in the place of the one of that name, for all streams; an empty one ends it."""
    if len(body.words) > RULES_MAX:
        raise Invalid(f"at most {RULES_MAX} rules, not {len(body.words)}")
    parsed = await asyncio.to_thread(parse_list, tuple(body.words))
    if parsed.faults:
        errors = [{"at": f"body.words.{fault.number - 1}", "detail": fault.reason} for fault in parsed.faults]
        raise Invalid(
            "; ".join(f"rule {fault.number}: {fault.reason}" for fault in parsed.faults[:5]), errors=errors
        )
    id_ = one_id(None, key)
    with retry_with(id_):
        await parts.policy.words(viewer, id_, name, parsed.rules)
    return models.Accepted(id=id_)
