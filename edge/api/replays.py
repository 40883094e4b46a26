"""What a replay's time-line shows: how many comments were said when."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from edge.api.access import Reader, StreamId
from edge.api.histogram import BUCKETS_MAX
from edge.api.parts import Made
from edge.api.problems import NotFound
from edge.api.streams import existing

router = APIRouter(tags=["comments"])


class HistogramQuery(BaseModel):
    """Into how many equal parts of its time a stream is cut; ``epoch``: the newest, if it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    buckets: Annotated[int, Field(ge=1, le=BUCKETS_MAX)] = 100
    epoch: Annotated[str, Field(max_length=100)] | None = None


class HistogramView(BaseModel):
    """Comments that may be seen, part by part: the n-th begins at ``starts_at`` + n × ``bucket_ms``.

    Times: ms since 1970, of the first and the last event. ``exact`` false: of a long stream they are
    estimated from a part of each. Nothing is archived yet: ``epoch`` is null, and all counts are 0.
    """

    model_config = ConfigDict(frozen=True)

    epoch: str | None
    starts_at: int
    ends_at: int
    bucket_ms: int
    counts: list[int]
    exact: bool


@router.get("/v1/streams/{stream_id}/histogram")
async def get_histogram(
    stream_id: StreamId, viewer: Reader, parts: Made, query: Annotated[HistogramQuery, Query()]
) -> HistogramView:
    """Count a stream's comments over its time, out of the archive, deletions applied; at most 10 s old."""
    del viewer
    found = await parts.history.histogram(stream_id, query.buckets, query.epoch)
    if found is not None:
        return HistogramView(**found.view)
    if query.epoch is not None:
        raise NotFound(f"the stream {stream_id} has no epoch {query.epoch}, or there is no such stream")
    begun = (await existing(parts.directory, stream_id)).created_at
    nothing = [0] * query.buckets
    return HistogramView(epoch=None, starts_at=begun, ends_at=begun, bucket_ms=1, counts=nothing, exact=True)
