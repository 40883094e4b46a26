"""``/console``: the moderators' page, built from ``web/src/console``; it asks this API and the edge."""

import mimetypes
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, PlainTextResponse, Response

STATIC: Final = Path(__file__).parents[1] / "static" / "console"
NOT_BUILT: Final = "The console is not built. Run «npm ci && npm run build» in web/, or «make run».\n"
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".txt": "text/plain"}

router = APIRouter(include_in_schema=False)


@router.get("/console")
async def page() -> Response:
    """Return the page; the moderator signs in there."""
    return file_of(STATIC, "index.html")


@router.get("/console/{name}")
async def part(name: str) -> Response:
    """Return what the page is made of."""
    return file_of(STATIC, name)


def file_of(folder: Path, name: str) -> Response:
    """Return a page's file, or say that the page is not built."""
    path = folder / name
    # One folder, no way out of it: a name has no slash, and no other name means another folder.
    if name != Path(name).name or not path.is_file():
        built = (folder / "index.html").is_file()
        return PlainTextResponse("There is no such page.\n" if built else NOT_BUILT, 404 if built else 503)
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return FileResponse(path, media_type=kind, headers=HEADERS)
