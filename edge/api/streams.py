"""Streams: open one, look at one, list them, and where their viewers connect."""

import asyncio
import time
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from edge.api import models, pulse
from edge.api.access import Anyone, KeyId, Known, Reader, StreamId, one_id
from edge.api.commands import Commander
from edge.api.directory import Directory, StreamState
from edge.api.parts import Made
from edge.api.placement import edges_of
from edge.api.problems import Away, NotFound, Problem, of_refusal
from schemas.refusals import Code, Refusal

PROJECTED_SECONDS = 2.0
"""How long an opened stream is waited for to be seen in Redis."""
POLL_SECONDS = 0.01
PAGE_STREAMS_MAX = 500
SHOWN = frozenset({"slow_mode_seconds", "members_only", "emote_only", "chars_max", "pinned"})
"""Settings that everybody sees."""

router = APIRouter(tags=["streams"])


@router.post("/v1/streams", status_code=HTTPStatus.CREATED)
async def open_stream(
    body: models.NewStream, viewer: Known, key: KeyId, parts: Made, response: Response
) -> models.Stream:
    """Open a stream, with a platform token. Durable when answered, and then it can be read and posted to.

    Opening it again with the same creator changes nothing but its title.
    """
    settings = {"creator": body.creator} | ({"title": body.title} if body.title is not None else {})
    commander = Commander(parts.door, parts.directory, viewer, body.id, one_id(None, key))
    await commander.give("open", settings=settings)
    found = await _projected(parts.directory, body)
    if found is not None and found.creator != body.creator:
        raise of_refusal(Refusal(Code.STREAM_EXISTS))
    response.headers["Location"] = f"/v1/streams/{body.id}"
    return view(found or StreamState(body.id, body.creator, body.title, "open", 0))


@router.get("/v1/streams")
async def list_streams(
    viewer: Anyone,
    parts: Made,
    after: Annotated[str | None, Query(description="The `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_STREAMS_MAX)] = 50,
) -> models.Streams:
    """List streams, the newest first; with a token that is for one stream, that one."""
    if viewer.role != "platform" and viewer.stream_id is not None:
        mine = await parts.directory.stream(viewer.stream_id)
        return models.Streams(streams=[view(mine)] if mine is not None else [], next=None)
    ids = await parts.directory.newest(after, limit + 1)
    if ids is None:
        raise Problem(HTTPStatus.BAD_REQUEST, "after: there is no such stream to go on from")
    found = await parts.directory.streams(ids[:limit])
    return models.Streams(
        streams=[view(each) for each in found if each is not None],
        next=ids[limit - 1] if len(ids) > limit else None,
    )


@router.get("/v1/streams/{stream_id}")
async def get_stream(stream_id: StreamId, viewer: Reader, parts: Made) -> models.Stream:
    """Return a stream."""
    del viewer
    return view(await existing(parts.directory, stream_id))


@router.get("/v1/streams/{stream_id}/stats")
async def get_stats(stream_id: StreamId, viewer: Reader, parts: Made) -> models.Stats:
    """Return what is known of a stream now: its end, viewers, reactions, and how much is going on."""
    del viewer
    state, now = await asyncio.gather(
        existing(parts.directory, stream_id), _pulse(parts.directory, stream_id)
    )
    return models.Stats(state=state.state, **asdict(now))


@router.get("/v1/streams/{stream_id}/edge")
async def get_edge(stream_id: StreamId, viewer: Reader, parts: Made, request: Request) -> models.Edges:
    """Say where the stream's viewers connect (WebSocket, the Centrifuge protocol)."""
    del viewer
    try:
        viewers = pulse.viewers_of(await parts.directory.live(stream_id))
    except Away:  # who wants to connect is told where all the same
        viewers = 0
    first, *rest = await edges_of(parts.finder, parts.settings.edge, stream_id, viewers, request.url.hostname)
    return models.Edges(url=first, fallbacks=rest)


async def existing(directory: Directory, stream_id: str) -> StreamState:
    """Return a stream's state. Raises NotFound."""
    found = await directory.stream(stream_id)
    if found is None:
        raise NotFound(f"there is no stream {stream_id}")
    return found


def view(state: StreamState) -> models.Stream:
    """Return what anybody may see of a stream."""
    return models.Stream(
        id=state.id,
        creator=state.creator,
        title=state.title,
        state=state.state,
        created_at=state.created_at or None,
        **{name: state.settings[name] for name in SHOWN & state.settings.keys()},
    )


async def _pulse(directory: Directory, stream_id: str) -> pulse.Pulse:
    head, live = await asyncio.gather(directory.head(stream_id), directory.live(stream_id))
    last = await directory.last(stream_id, head.epoch, pulse.SEGMENTS) if head is not None else []
    return pulse.pulse(head, last, live, time.time_ns() // 1_000_000)


async def _projected(directory: Directory, wanted: models.NewStream) -> StreamState | None:
    """Wait until the log's answer shows in Redis; None: it does not in time, but it is durable."""
    try:
        async with asyncio.timeout(PROJECTED_SECONDS):
            while True:
                found = await directory.stream(wanted.id)
                if found is not None and _is_answered(found, wanted):
                    return found
                await asyncio.sleep(POLL_SECONDS)
    except (TimeoutError, Away):
        return None


def _is_answered(found: StreamState, wanted: models.NewStream) -> bool:
    """Whether what Redis shows is later than the command: refused, or applied."""
    if found.creator != wanted.creator:
        return bool(found.creator)
    return wanted.title in {None, found.title}
