"""Which edges serve a stream: those that `edge.registry` finds, else the one that the settings name."""

from collections.abc import Sequence
from typing import Protocol

from schemas.settings import Edge

PATH = "/connection/websocket"
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - recognised here, not bound


class Finder(Protocol):
    """`edge.registry.Finder`, as far as it is used here."""

    async def find(self, stream_id: str, viewers: int) -> Sequence[str]:
        """Return WebSocket URLs, the best first; empty: no edge takes anybody."""


async def edges_of(
    finder: Finder, edge: Edge, stream_id: str, viewers: int, host: str | None
) -> Sequence[str]:
    """Return WebSocket URLs, the best first; never empty. ``host``: by which this API was reached."""
    found = await finder.find(stream_id, viewers)
    if found:
        return found
    if edge.address is not None:
        return [edge.address]
    name = (host or "127.0.0.1") if edge.host in _WILDCARDS else edge.host
    return [f"ws://{f'[{name}]' if ':' in name else name}:{edge.port}{PATH}"]
