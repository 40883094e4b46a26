"""A command about one stream, from a request to the log: who gives it, and under which id."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from fastapi import Depends

from edge.api import models
from edge.api.access import KeyId, Known, StreamId, one_id
from edge.api.directory import Directory
from edge.api.parts import Door, Made
from edge.api.problems import Away, retry_with
from edge.auth import Viewer

TAKING: Final = frozenset({"delete", "clear"})
"""Commands that hide what is there: reads know of them at once."""


@dataclass(frozen=True, slots=True)
class Commander:
    """Gives commands on behalf of a request. ``id``: of its first command; a retry has it again."""

    door: Door
    directory: Directory
    viewer: Viewer
    stream_id: str
    id: str

    async def give(self, type_: str, **arguments: Any) -> models.Accepted:
        """Return when the command is durable.

        Raises Problem; where its outcome is not known, with the id to retry with.
        """
        with retry_with(self.id):
            accepted = await self.door.command(self.viewer, self.stream_id, type_, id=self.id, **arguments)
        if arguments.get("comment") is not None and type_ == "hold":
            type_ = "delete"  # is what viewers are told
        if type_ in TAKING:
            with suppress(Away):  # reads are refused too, then
                await self.directory.take_away(self.stream_id, type_, arguments["target"])
        return models.Accepted(id=accepted.id)

    def under(self, id_: str) -> "Commander":
        """Return one that gives its command under another id."""
        return replace(self, id=id_)


async def commander(stream_id: StreamId, viewer: Known, key: KeyId, parts: Made) -> Commander:
    """Return what a route gives its command with."""
    return Commander(parts.door, parts.directory, viewer, stream_id, one_id(None, key))


Commands = Annotated[Commander, Depends(commander)]
"""A route's argument."""
