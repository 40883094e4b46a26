"""One builder: parts in, app out."""

from fastapi import FastAPI

from edge.api import operations
from edge.api.parts import Parts


def build_app(parts: Parts) -> FastAPI:
    """Make the app. Nothing is connected or started here."""
    app = FastAPI(title="livecomments", version="1", docs_url=None, redoc_url=None)
    app.state.parts = parts
    app.include_router(operations.router)
    return app
