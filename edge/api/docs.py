"""``/docs``: the OpenAPI document as one page for people, made here: no script, nothing from elsewhere.

Beside it ``/asyncapi.json``: the topics, for machines.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from edge.api.parts import Made
from schemas.asyncapi import document as topics_document

SECURITY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code{font:0.9em ui-monospace,monospace}
summary{padding:.35rem 0;cursor:pointer}summary b{display:inline-block;min-width:4.5em}
details{border-bottom:1px solid #8884}details>div{padding:0 0 1rem 1rem}
td{padding:.15rem 1.2rem .15rem 0;vertical-align:top}td:nth-child(2){opacity:.7}
"""
Document = Mapping[str, Any]

router = APIRouter(include_in_schema=False)


@router.get("/docs", response_class=HTMLResponse)
async def docs(request: Request) -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(render(request.app.openapi()), headers=SECURITY)


@router.get("/asyncapi.json")
async def asyncapi(parts: Made) -> dict[str, Any]:
    """Return the topics as an AsyncAPI document; where the brokers are is nobody's here."""
    return topics_document(parts.settings.kafka.partitions)


def render(document: Document) -> str:
    """Return an OpenAPI document as HTML."""
    title = escape(document["info"]["title"])
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}: HTTP API</title>",
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>",
        f"<h1>{title}: HTTP API</h1><p>{escape(document['info'].get('description', ''))}",
        "The machine's copy: <a href=openapi.json>openapi.json</a>; of the Kafka topics: ",
        "<a href=asyncapi.json>asyncapi.json</a>.</p>",
    ]
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).extend(_operation(document, method, path, operation))
    for tag, found in groups.items():
        parts += [f"<h2>{escape(tag.capitalize())}</h2>", *found]
    return "\n".join(parts)


def _operation(document: Document, method: str, path: str, operation: Document) -> Iterator[str]:
    words = operation.get("description", "").strip().replace("``", "")
    first, _, rest = words.partition("\n")
    head = f"<b>{method.upper()}</b> <code>{escape(path)}</code> {escape(first)}"
    yield f"<details><summary>{head}</summary><div>"
    if rest.strip():
        yield f"<p>{escape(rest.strip())}</p>"
    rows = [
        (each["name"], each["in"], each.get("description", "")) for each in operation.get("parameters", ())
    ]
    rows += [(name, "body", kind) for name, kind in _members(document, operation.get("requestBody", {}))]
    yield from _table("Takes", rows)
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            rows = [(name, kind, "") for name, kind in _members(document, answer)]
            yield from _table(f"Answers {status}", rows)
    yield "</div></details>"


def _table(title: str, rows: list[tuple[str, str, str]]) -> Iterator[str]:
    if rows:
        yield f"<p>{title}</p><table>"
        for row in rows:
            name, *others = map(escape, row)
            yield f"<tr><td><code>{name}</code>" + "".join(f"<td>{each}" for each in others)
        yield "</table>"


def _members(document: Document, holder: Document) -> Iterator[tuple[str, str]]:
    """Yield the members of the object that a body or an answer is."""
    content: Document = next(iter(holder.get("content", {}).values()), {})
    schema = content.get("schema", {})
    for option in schema.get("anyOf", [schema]):
        found = _resolved(document, option)
        required = set(found.get("required", ()))
        for name, member in found.get("properties", {}).items():
            yield name, _kind(document, member) + ("" if name in required else ", optional")


def _kind(document: Document, schema: Document) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(document, each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    kind = str(schema.get("type", "any"))
    return f"{kind} of {_kind(document, schema['items'])}" if "items" in schema else kind


def _resolved(document: Document, schema: Document) -> Document:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: Document = document["components"]["schemas"][name] if name else schema
    return found
