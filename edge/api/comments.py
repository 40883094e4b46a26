"""Comments: post one, read a range back, take one away."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from edge.api import history, models
from edge.api.access import KeyId, Known, Reader, StreamId, one_id
from edge.api.commands import Commands
from edge.api.parts import Made
from edge.api.problems import Invalid, NotFound, retry_with
from edge.api.streams import existing
from schemas.views import event_view

router = APIRouter(tags=["comments"])


@router.post("/v1/streams/{stream_id}/comments", status_code=HTTPStatus.CREATED)
async def post_comment(
    stream_id: StreamId, body: models.NewComment, viewer: Known, key: KeyId, parts: Made
) -> models.Accepted:
    """Post a comment; answered when it is durable, with its id.

    503 with code 1010 says that this is not known: post it again with the same ``id``, which is in the
    problem, and it will be there once.
    """
    id_ = one_id(body.id, key)
    with retry_with(id_):
        accepted = await parts.door.comment(viewer, stream_id, id=id_, text=body.text, sticker=body.sticker)
    return models.Accepted(id=accepted.id)


@router.get("/v1/streams/{stream_id}/comments", response_model=models.Comments)
async def get_comments(
    stream_id: StreamId, viewer: Reader, parts: Made, query: Annotated[models.CommentsQuery, Query()]
) -> JSONResponse:
    """Read comments in their order, a page at a time.

    503 says that a deletion might be missed now: try again.
    """
    del viewer
    wanted = _range(query)
    found = await parts.history.read(stream_id, wanted)
    if found is None:
        if query.epoch is not None:
            raise NotFound(f"the stream {stream_id} has no epoch {query.epoch}, or there is no such stream")
        await existing(parts.directory, stream_id)
        found = history.Comments(None, wanted.from_seq, wanted.from_seq - 1, (), None, 0)
    return JSONResponse(
        {
            "epoch": found.epoch,
            "from_seq": found.from_seq,
            "to_seq": found.to_seq,
            "comments": [event_view(event) for event in found.events],
            "next_seq": found.next_seq,
            "omitted": found.omitted,
        }
    )


@router.delete("/v1/streams/{stream_id}/comments/{comment_id}")  # noqa: FAST003 - `commander` takes it
async def delete_comment(
    comment_id: models.CommentId,
    commands: Commands,
    reason: Annotated[models.Reason | None, Query(description="Why, for the audit.")] = None,
) -> models.Accepted:
    """Take a comment away from every screen and every read, for good; one that comes later too."""
    return await commands.give("delete", target=comment_id.lower(), reason=reason)


def _range(query: models.CommentsQuery) -> history.Range:
    if query.at is not None and query.from_seq is not None:
        raise Invalid("from_seq and at: give one of them")
    first = max(1, query.from_seq if query.from_seq is not None else 1)
    last = query.to_seq if query.to_seq is not None else models.SEQ_MAX
    if first > last:
        raise Invalid(f"the range is reversed: from_seq {first} is above to_seq {last}")
    return history.Range(first, last, query.limit, query.epoch, query.at)
