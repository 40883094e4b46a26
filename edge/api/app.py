"""One builder: parts in, app out."""

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from edge.api import (
    analytics,
    comments,
    console,
    docs,
    liveboard,
    moderation,
    operations,
    platform,
    problems,
    registry,
    replays,
    streams,
)
from edge.api.guard import Guard
from edge.api.models import ProblemView, RegistryProblem
from edge.api.parts import Parts

LOOPBACK_ORIGIN: Final = r"https?://(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?"
PREFLIGHT_SECONDS: Final = 600
_PROBLEM: Final = {"description": "A problem (RFC 9457)", "model": ProblemView}
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {422: _PROBLEM, "default": _PROBLEM}
_REGISTRY: Final[dict[int | str, dict[str, Any]]] = {
    422: _PROBLEM,
    "default": {"description": "An error of the registry", "model": RegistryProblem},
}
_OPEN: Final = frozenset({"streams", "comments"})
"""Tags whose reads need no token, where guests are let in."""
_DESCRIPTION: Final = "Comments behind live video. Errors are problems as RFC 9457 has them."


class _App(FastAPI):
    """Documents problems under the media type that they have, and what needs no token."""

    def openapi(self) -> dict[str, Any]:
        """Return the document of ``/openapi.json``."""
        if self.openapi_schema is None:
            document = super().openapi()
            for path in document["paths"].values():
                for method, operation in path.items():
                    _document(method, operation)
            self.openapi_schema = document
        return self.openapi_schema


def _document(method: str, operation: dict[str, Any]) -> None:
    of_registry = "schema registry" in operation["tags"]
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if status == "422" or (status == "default" and not of_registry):
            answer["content"] = {problems.MEDIA_TYPE: next(iter(content.values()))}
    if method == "get" and _OPEN & set(operation["tags"]):
        operation["security"].append({})


def build_app(parts: Parts) -> FastAPI:
    """Make the app. Nothing is connected or started here."""
    app = _App(title="livecomments", version="1", description=_DESCRIPTION, docs_url=None, redoc_url=None)
    app.state.parts = parts
    for module in (streams, comments, replays, analytics, moderation, platform, liveboard):
        app.include_router(module.router, responses=_PROBLEMS)
    app.include_router(registry.router, responses=_REGISTRY)
    app.include_router(operations.router)
    app.include_router(docs.router)
    app.include_router(console.router)
    problems.install(app, _methods)
    app.add_exception_handler(registry.RegistryError, _registry_error)
    api = parts.settings.api
    large = {("PUT", "/v1/words/"): max(api.list_bytes_max, api.request_bytes_max)}
    app.add_middleware(Guard, metrics=parts.metrics, request_bytes_max=api.request_bytes_max, large=large)
    # The outermost, so that problems can be read by pages too.
    origins = parts.settings.edge.origins
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_origin_regex=None if origins else LOOPBACK_ORIGIN,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
        expose_headers=["Retry-After", "Location"],
        max_age=PREFLIGHT_SECONDS,
    )
    return app


def _methods(path: str) -> set[str]:
    """Return the methods that some route has for a path."""
    found: set[str] = set()
    for module in (streams, comments, replays, analytics, moderation, platform, registry, operations):
        for route in module.router.routes:
            if isinstance(route, APIRoute) and route.path_regex.match(path):
                found |= route.methods or set()
    return found


async def _registry_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, registry.RegistryError):
        raise error
    return error.response()
