"""What ``tail`` prints, and where it reads what the edge no longer has."""

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

from rich.console import Console

from livecomments.client.api import Api, Refused
from livecomments.client.follow import Page
from livecomments.client.items import Item, Missed, Seen, State
from livecomments.client.text import line_of


class Printer:
    """Prints items: data on stdout, how the connection is on stderr.

    ``full`` is called after ``count`` comments; None: never.
    """

    def __init__(self, *, as_json: bool, count: int | None) -> None:
        self._as_json = as_json
        self._left = count
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self.full: Callable[[], None] = lambda: None

    def take(self, item: Item) -> None:
        """Print an item."""
        if self._left == 0:
            return
        if isinstance(item, State):
            self._err.print(line_of(item))
            return
        if self._as_json:
            sys.stdout.write(json.dumps(document(item), ensure_ascii=False) + "\n")
        else:
            self._out.print(line_of(item))
        sys.stdout.flush()
        if self._left is not None and isinstance(item, Seen) and item.event.get("type") == "comment":
            self._left -= 1
            if self._left == 0:
                self.full()


def document(item: Seen | Missed) -> dict[str, Any]:
    """Return an item as a line of ``--json``."""
    match item:
        case Seen(epoch, event):
            return {"seq": event["seq"], "epoch": epoch} | dict(event)
        case Missed(epoch, hole):
            return {
                "seq": hole.to_seq,
                "epoch": epoch,
                "type": "hole",
                "from": hole.from_seq,
                "to": hole.to_seq,
                "reason": hole.reason,
            }


class Archived:
    """A stream's comments over HTTP. ``bearer`` returns a token, "" for a guest."""

    def __init__(self, api: Api, stream: str, bearer: Callable[[], Awaitable[str]]) -> None:
        self._api = api
        self._stream = stream
        self._bearer = bearer

    async def pages(self, epoch: str, from_seq: int) -> AsyncIterator[Page]:
        """Yield pages of comments, ascending; nothing for an epoch that is not known.

        Raises:
            ApiError: it does not answer, or shows nothing now; the SDK asks again later.

        """
        try:
            async for page in self._api.comments(self._stream, await self._bearer(), epoch, from_seq):
                yield Page(page["comments"], page["to_seq"])
        except Refused as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
