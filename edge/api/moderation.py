"""Moderation: each route is a command in the stream's log, and is answered when that is durable.

What a command does, viewers see at its place in the stream's order. Whether the asker may give it, the
gateway says from what it knows, and the log with authority.
"""
# The path's stream_id is the argument of `commander`, which every command has.
# ruff: noqa: FAST003

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from edge.api import models, wordtrial
from edge.api.access import Moderator, StreamId, moderator
from edge.api.commands import Commander, Commands
from edge.api.directory import BanState
from edge.api.parts import Made, Parts
from edge.api.problems import Invalid, NotFound, Problem
from edge.api.quoting import quoted
from edge.api.streams import existing
from edge.errors import Forbidden
from schemas.records import Quoted
from schemas.refusals import Code
from schemas.views import event_view

PAGE_BANS_MAX = 500
PAGE_AUDIT_MAX = 200

router = APIRouter(tags=["moderation"])
# A user id may have slashes, hence «:path» in the routes.
_User = Annotated[models.UserId, Path(description="The user's id.")]


@router.get("/v1/streams/{stream_id}/settings")
async def get_settings(stream_id: StreamId, viewer: Moderator, parts: Made) -> models.Settings:
    """Return a stream's settings, the word list among them; for its moderators."""
    del viewer
    found = await existing(parts.directory, stream_id)
    return models.Settings(
        title=found.title, moderators=sorted(found.moderators), settings=dict(found.settings)
    )


@router.put("/v1/streams/{stream_id}/settings")
async def put_settings(body: models.StreamSettings, commands: Commands) -> models.Accepted:
    """Change a stream's settings; those that are not named stay as they are."""
    settings = body.model_dump(exclude_none=True)
    if not settings:
        raise Invalid(f"name at least one of {', '.join(models.StreamSettings.model_fields)}")
    return await commands.give("settings", settings=settings)


@router.post("/v1/streams/{stream_id}/words/try")
async def try_words(
    stream_id: StreamId, body: models.WordList, viewer: Moderator, parts: Made
) -> models.Trial:
    """Hold a list of words against the last comments: it would have caught these. Changes nothing."""
    del viewer
    head = await parts.directory.head(stream_id)
    end = head.seq if head is not None else 0
    comments = await wordtrial.last_comments(parts.history, stream_id, end, wordtrial.COMMENTS_MAX)
    found = await wordtrial.trial(body.words, comments)
    return models.Trial(
        looked_at=found.looked_at,
        count=found.count,
        caught=[
            models.Caught(
                comment=models.Comment(**event_view(each.event)),
                rule=each.rule,
                disguises=list(each.disguises),
            )
            for each in found.caught
        ],
        faults=[models.Mistake(at=f"body.words.{at - 1}", detail=reason) for at, reason in found.faults],
    )


@router.get("/v1/streams/{stream_id}/bans")
async def list_bans(
    stream_id: StreamId,
    viewer: Moderator,
    parts: Made,
    cursor: Annotated[str | None, Query(pattern="^[0-9]{1,20}$", description="The `next` before.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_BANS_MAX, description="About so many.")] = 100,
) -> models.Bans:
    """List who is banned, timed out or shadow-banned, in no order; for the stream's moderators."""
    del viewer
    following, found = await parts.directory.bans(stream_id, int(cursor or 0), limit)
    return models.Bans(bans=[ban_view(each) for each in found], next=str(following) if following else None)


@router.get("/v1/streams/{stream_id}/bans/{user:path}")
async def get_ban(stream_id: StreamId, user: _User, viewer: Moderator, parts: Made) -> models.Ban:
    """Return a user's ban; for the stream's moderators."""
    del viewer
    found = await parts.directory.ban(stream_id, user)
    if found is None:
        raise NotFound("the user is not banned from this stream")
    return ban_view(found)


@router.put("/v1/streams/{stream_id}/bans/{user:path}")
async def put_ban(user: _User, commands: Commands, body: models.NewBan | None = None) -> models.Accepted:
    """Ban, time out or shadow-ban a user from what comes after; with ``clear``, take the rest away too."""
    body = body or models.NewBan()
    if body.kind == "timeout" and body.seconds is None:
        raise Invalid("a timeout needs seconds")
    accepted = await commands.give(body.kind, target=user, seconds=body.seconds, reason=body.reason)
    if body.clear:
        # After the ban, so that nothing slips in between; under an id that a retry makes again.
        second = commands.under(str(uuid.uuid5(uuid.UUID(commands.id), "clear")))
        await second.give("clear", target=user, reason=body.reason)
    return accepted


@router.delete("/v1/streams/{stream_id}/bans/{user:path}")
async def delete_ban(user: _User, commands: Commands) -> models.Accepted:
    """Lift a user's ban, timeout or shadow ban."""
    return await commands.give("unban", target=user)


@router.post("/v1/streams/{stream_id}/clear")
async def clear(body: models.Clear, commands: Commands) -> models.Accepted:
    """Take away what a user has written so far; what they write next is shown."""
    return await commands.give("clear", target=body.user, reason=body.reason)


@router.post("/v1/streams/{stream_id}/pin")
async def pin(body: models.OnComment, commands: Commands, parts: Made) -> models.Accepted:
    """Pin a comment that is shown; it takes the place of one that is pinned."""
    id_ = body.comment_id.lower()
    comment = await _quoted(commands, parts, id_, body.seq)
    return await commands.give("pin", target=id_, reason=body.reason, comment=comment)


@router.post("/v1/streams/{stream_id}/unpin")
async def unpin(commands: Commands, body: models.Why | None = None) -> models.Accepted:
    """Unpin what is pinned."""
    return await commands.give("unpin", reason=body.reason if body else None)


@router.post("/v1/streams/{stream_id}/slow")
async def slow(body: models.Slow, commands: Commands) -> models.Accepted:
    """Slow mode."""
    return await commands.give("slow", seconds=body.seconds)


@router.post("/v1/streams/{stream_id}/hold")
async def hold(body: models.Hold, commands: Commands, parts: Made) -> models.Accepted:
    """Let what a user writes from now on wait for a moderator; `DELETE …/bans/{user}` ends it.

    Or take down one comment that is shown: it is deleted for everybody, and waits. Approved, it comes back as
    a new comment, at the place of the approval and with the approval's id.
    """
    if (body.user is None) == (body.comment_id is None):
        raise Invalid("name either a user or a comment_id")
    if body.comment_id is None:
        return await commands.give("hold", target=body.user, seconds=body.seconds, reason=body.reason)
    id_ = body.comment_id.lower()
    if any(each["id"] == id_ for each in await parts.directory.held(commands.stream_id)):
        return models.Accepted(id=commands.id)  # a retry, or a colleague was faster
    comment = await _quoted(commands, parts, id_, body.seq)
    return await commands.give("hold", target=id_, reason=body.reason, comment=comment)


@router.get("/v1/streams/{stream_id}/held")
async def list_held(stream_id: StreamId, viewer: Moderator, parts: Made) -> models.HeldQueue:
    """List the comments that wait, the oldest first; for the stream's moderators."""
    del viewer
    found = await parts.directory.held(stream_id)
    return models.HeldQueue(held=[_held(each) for each in found])


@router.post("/v1/streams/{stream_id}/approve")
async def approve(body: models.OnComment, commands: Commands) -> models.Accepted:
    """Let a comment that is held go on; `DELETE …/comments/{id}` refuses it."""
    return await commands.give("approve", target=body.comment_id.lower(), reason=body.reason)


@router.post("/v1/streams/{stream_id}/end")
async def end(commands: Commands, body: models.Why | None = None) -> models.Accepted:
    """End the stream: later comments are refused; what was written stays readable."""
    return await commands.give("end", reason=body.reason if body else None)


@router.get("/v1/streams/{stream_id}/audit")
async def get_audit(
    stream_id: StreamId,
    viewer: Moderator,
    parts: Made,
    before: Annotated[
        int | None, Query(ge=0, le=models.SEQ_MAX, description="The `next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_AUDIT_MAX)] = 50,
) -> models.Audit:
    """Say who did what, when and why, and what came of it: the newest first; for the stream's moderators.

    A page may have few entries, or none, and a `next`: the rest of the log is looked through with that.
    """
    del viewer
    page = await parts.audit.read(stream_id, before, limit)
    return models.Audit(entries=[_entry(each) for each in page.records], next=page.next)


async def _quoted(commands: Commander, parts: Parts, comment_id: str, seq: int | None) -> Quoted | None:
    """Look a comment up for who may moderate; None: who may not. The gateway refuses that, and notes it."""
    try:
        await moderator(commands.viewer, commands.stream_id, parts)
    except Forbidden:
        return None
    except Problem as problem:
        if problem.members.get("code") != Code.NOT_MODERATOR:
            raise
        return None
    return await quoted(parts.directory, parts.history, commands.stream_id, comment_id, seq)


def _held(row: Mapping[str, Any]) -> models.Held:
    user = models.User(id=row["user_id"], name=row["user_name"], role=row["role"])
    return models.Held(
        id=row["id"], user=user, text=row["text"], sticker=row["sticker"], at=row["at"], why=row["why"]
    )


def ban_view(found: BanState) -> models.Ban:
    """Return a ban as it is shown."""
    return models.Ban(user=found.user, kind=found.kind, until=found.until, reason=found.reason)


def _entry(record: Mapping[str, Any]) -> models.AuditEntry:
    command = record["command"] or {}
    names = ("target", "seconds", "reason", "settings")
    return models.AuditEntry(
        at=record["at"],
        actor=record["actor_id"],
        role=record["actor_role"],
        action=record["action"],
        id=record["id"],
        outcome=record["outcome"],
        refusal=record["refusal"],
        **{name: command.get(name) for name in names},
    )
