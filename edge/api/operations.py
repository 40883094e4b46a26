"""``/healthz``, ``/readyz``, ``/metrics``: for those who run the API."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from edge.api.parts import Made

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> dict[str, bool]:
    """Say that the process answers; nothing else is asked."""
    return {"alive": True}


@router.get("/readyz", responses={503: {"description": "Something that is needed does not answer."}})
async def readyz(parts: Made) -> JSONResponse:
    """Ask the producer, Redis and the archive; 503 unless all of them answer."""
    state = await parts.readiness.ask()
    ready = all(state.values())
    return JSONResponse({"ready": ready, **state}, status_code=200 if ready else 503)


@router.get("/metrics", response_class=Response)
async def metrics(parts: Made) -> Response:
    """Return the counters as Prometheus reads them."""
    return Response(parts.metrics.page(), media_type=CONTENT_TYPE_LATEST)
