"""``/live``: which streams are watched now, and how; the page's sources are in ``web/src/board``.

What it shows is what `sample` says of each stream, a second old at most (`schemas.stores`, ``live:``).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from edge.api import console, models
from edge.api.parts import Made
from edge.api.platform import Operator

STATIC: Final = Path(__file__).parents[1] / "static" / "board"
STREAMS_MAX: Final = 200

router = APIRouter()


@router.get("/v1/live", tags=["platform"])
async def list_live(
    viewer: Operator,
    parts: Made,
    limit: Annotated[int, Query(ge=1, le=STREAMS_MAX, description="So many at most.")] = 50,
) -> models.LiveStreams:
    """List the streams that are watched now, those with the most viewers first. With a platform token."""
    del viewer
    rows = await parts.directory.watched(limit)
    return models.LiveStreams(streams=[live_view(stream_id, row) for stream_id, row in rows])


def live_view(stream_id: str, row: Mapping[str, str]) -> models.LiveStream:
    """Return one stream as the API shows it; numbers that are not known are None."""
    return models.LiveStream(
        id=stream_id,
        viewers=int(row.get("viewers", 0)),
        users=_known(row, "users"),
        edges=int(row.get("edges", 0)),
        p50_ms=_known(row, "p50_ms"),
        p99_ms=_known(row, "p99_ms"),
        queue_ms=_known(row, "queue_ms"),
        sampled=row.get("sampled") == "1",
        why=row.get("why") or None,
        rate=float(row.get("rate", 0)),
        arrivals_per_s=float(row.get("arrivals_per_s", 0)),
        shown_per_s=float(row.get("shown_per_s", 0)),
        lanes=json.loads(row.get("lanes", "[]")),
        reactions=json.loads(row.get("reactions", "{}")),
    )


@router.get("/live", include_in_schema=False)
async def page() -> Response:
    """Return the page; an operator gives it a platform token there."""
    return console.file_of(STATIC, "index.html")


@router.get("/live/{name}", include_in_schema=False)
async def part(name: str) -> Response:
    """Return what the page is made of."""
    return console.file_of(STATIC, name)


def _known(row: Mapping[str, str], name: str) -> float | None:
    value = float(row.get(name, -1))
    return None if value < 0 else value
