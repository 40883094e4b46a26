"""Messages into a stream over the API: the rim of ``replay``, with a bar that shows how it goes."""

import asyncio
import time
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Self

import uuid_utils
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from livecomments.client.api import Api, ApiError, Refused, failure_of, path_of
from livecomments.client.chatlog import Message
from livecomments.client.pace import Pace
from livecomments.client.replay import AT_ONCE, Counts, Replay
from livecomments.client.where import Minter, api_url
from schemas.settings import Settings

SHOWN_SECONDS = 0.2
OPERATOR = "operator"


class Player:
    """Plays into one stream; to be used as an async context manager."""

    def __init__(
        self, settings: Settings, stream: str, pace: Pace, counts: Counts, at_once: int = AT_ONCE
    ) -> None:
        self._minter = Minter(settings)
        self._stream = stream
        self._path = path_of("streams", stream, "comments")
        self._api = Api(api_url(settings))
        self._replay = Replay(
            self._post, pace, counts,
            new_id=lambda: str(uuid_utils.uuid7()), now=time.monotonic, at_once=at_once,
        )  # fmt: skip

    async def __aenter__(self) -> Self:
        """Open."""
        await self._api.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self._api.__aexit__(kind, error, trace)

    async def open_stream(self, title: str, creator: str = OPERATOR) -> None:
        """Make the stream; one that exists stays whose it is.

        Raises:
            Failure: it could not be made.

        """
        token = self._minter.mint(OPERATOR, self._stream, "platform")
        body = {"id": self._stream, "creator": creator, "title": title}
        try:
            await self._api.settle("POST", "/v1/streams", token, body, key=str(uuid_utils.uuid7()))
        except Refused as refused:
            if refused.name != "stream_exists":
                raise failure_of(refused, f"making the stream {self._stream}") from refused
        except ApiError as error:
            raise failure_of(error, f"making the stream {self._stream}") from error

    async def play(self, messages: Iterable[Message]) -> None:
        """Play them all.

        Raises:
            Failure: nobody is there.

        """
        try:
            await self._replay.run(messages)
        except ApiError as error:
            raise failure_of(error, "the replay") from error

    async def _post(self, message: Message, id_: str) -> None:
        token = self._minter.mint(message.user, self._stream, message.role, name=message.name)
        await self._api.ask("POST", self._path, token, {"id": id_, "text": message.text})


class Progress:
    """A bar on a terminal, on stderr; elsewhere nothing. ``total`` None: there is no end."""

    def __init__(self, counts: Counts, total: int | None, *, shown: bool) -> None:
        console = Console(stderr=True)
        self._counts = counts
        self._begun = time.monotonic()
        self._bars = Bars(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not (shown and console.is_terminal),
        )
        self._task = self._bars.add_task("", total=total, words="")

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._bars.stop()

    async def along(self, work: Coroutine[Any, Any, None]) -> None:
        """Draw while ``work`` is done."""
        drawing = asyncio.create_task(self._draw())
        try:
            await work
        finally:
            drawing.cancel()

    async def _draw(self) -> None:
        while not self._bars.disable:
            counts, seconds = self._counts, time.monotonic() - self._begun
            words = f"{counts.accepted} accepted, {counts.refused.total()} refused, {counts.retried} repeats"
            words += f", {counts.accepted / seconds:.0f}/s" if seconds > 1 else ""
            done = counts.accepted + counts.refused.total() + counts.unknown
            self._bars.update(self._task, completed=done, words=words)
            await asyncio.sleep(SHOWN_SECONDS)
