"""What was counted of a stream: comments and people a minute, words that rise; as numbers and as a picture.

A projection of what the stage `analyse` knows (`schemas.stores`, ``analytics:``), two or three seconds old;
where that stage does not run there is nothing. For those who moderate the stream alone: a word may come from
a comment that was taken away since.
"""

import json
from collections.abc import Sequence
from html import escape
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from edge.api.access import Moderator, StreamId
from edge.api.parts import Made
from edge.api.streams import existing

WIDTH: Final = 720
HEIGHT: Final = 260
PLOT_TOP: Final = 34
PLOT_HEIGHT: Final = 160
LEFT: Final = 44
RISING_SHOWN: Final = 8
MINUTE_MS: Final = 60_000

router = APIRouter(tags=["moderation"])


class CountedMinute(BaseModel):
    """``at``: its beginning, ms since 1970; ``actions``: of moderators; ``authors``: estimated."""

    model_config = ConfigDict(frozen=True)

    at: int
    comments: int
    actions: int
    authors: int


class RisingWord(BaseModel):
    """A word, the comments of late that had it, and how far that is above its own past (1: as ever)."""

    model_config = ConfigDict(frozen=True)

    term: str
    comments: int
    lift: float


class StreamAnalytics(BaseModel):
    """The minutes of the last hour in which anything was said; words that rise, the loudest first."""

    model_config = ConfigDict(frozen=True)

    minutes: list[CountedMinute]
    rising: list[RisingWord]


@router.get("/v1/streams/{stream_id}/analytics")
async def get_analytics(stream_id: StreamId, viewer: Moderator, parts: Made) -> StreamAnalytics:
    """Read what was counted in the last hour: comments and people a minute, and words that rise.

    Empty where nothing was said, or where the stage `analyse` does not run.
    """
    del viewer
    text = await parts.directory.analytics(stream_id)
    if text is None:
        await existing(parts.directory, stream_id)
        return StreamAnalytics(minutes=[], rising=[])
    return StreamAnalytics(**json.loads(text))


@router.get(
    "/v1/streams/{stream_id}/analytics.svg",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}}}},
)
async def get_picture(stream_id: StreamId, viewer: Moderator, parts: Made) -> Response:
    """Draw the same: bars are comments a minute, the line is people."""
    found = await get_analytics(stream_id, viewer, parts)
    return Response(picture(stream_id, found), media_type="image/svg+xml")


def picture(stream_id: str, found: StreamAnalytics) -> str:
    """Return the picture; a minute in which nothing was said is a gap."""
    head = f"{stream_id}: {sum(each.comments for each in found.minutes)} comments in the last hour"
    words = "   ".join(f"{each.term} ×{each.lift:g}" for each in found.rising[:RISING_SHOWN])
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(head)}</text>',
        *_bars(found),
        f'<text x="{LEFT}" y="{HEIGHT - 14}" fill="#555">rising: {escape(words) or "–"}</text>',
        "</svg>",
    ]
    return "\n".join(parts)


def _bars(found: StreamAnalytics) -> Sequence[str]:
    if not found.minutes:
        return ()
    first, last = found.minutes[0].at, found.minutes[-1].at
    most = max(1, *(max(each.comments, each.authors) for each in found.minutes))
    step = (WIDTH - LEFT - 16) / ((last - first) // MINUTE_MS + 1)
    bottom = PLOT_TOP + PLOT_HEIGHT

    def at(ms: int) -> float:
        return LEFT + (ms - first) // MINUTE_MS * step

    def up(count: int) -> float:
        return PLOT_HEIGHT * count / most

    bars = [
        f'<rect x="{at(each.at):.1f}" y="{bottom - up(each.comments):.1f}" width="{max(1.0, step - 1):.1f}" '
        f'height="{up(each.comments):.1f}" fill="#7aa2f7"/>'
        for each in found.minutes
    ]
    key = f"bars: comments a minute; line: people; {(last - first) // MINUTE_MS + 1} minutes"
    line = " ".join(f"{at(each.at) + step / 2:.1f},{bottom - up(each.authors):.1f}" for each in found.minutes)
    return [
        *bars,
        f'<polyline points="{line}" fill="none" stroke="#c2410c" stroke-width="2"/>',
        f'<text x="4" y="{PLOT_TOP + 10}" fill="#555">{most}</text>',
        f'<text x="4" y="{bottom}" fill="#555">0</text>',
        f'<text x="{LEFT}" y="{bottom + 16}" fill="#555">{key}</text>',
    ]
