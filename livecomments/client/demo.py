"""``livecomments demo``: everything at once, to look at. What ``make run`` runs.

It starts a stack unless one runs in the data directory, plays a crowd into a stream for ever, and says where
to look. What it started it stops; a stack that was there stays.
"""

import asyncio
import contextlib
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from livecomments.client.chatlog import Message
    from schemas.settings import Settings

REAL_LOG = Path(__file__).parents[3] / "shared" / "data" / "logs" / "yt-premiere-20200829.jsonl.gz"
"""A developer's checkout has real chat logs beside it; others have none, and get the made-up crowd."""


@dataclass(frozen=True, slots=True)
class Show:
    """What is played."""

    what: str
    title: str
    creator: str
    messages: "Callable[[], Iterable[Message]]"


def demo(  # noqa: PLR0917 - Typer calls it by name
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="A chat log to play. Default: a made-up crowd."),
    ] = None,
    stream: Annotated[
        str, typer.Option("--stream", metavar="ID", help="The stream to play it into.")
    ] = "demo",
    speed: Annotated[
        float, typer.Option("--speed", metavar="X", min=0.01, max=1_000, help="1: at its own pace.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the made-up crowd.")] = 7,
    crowd: Annotated[
        bool, typer.Option("--crowd", help="The made-up crowd, even where real logs are at hand.")
    ] = False,
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Start everything, play a crowd into a stream, say where to look; Ctrl-C stops what it started.

    The page shows the comments as every viewer sees them, and a button that loses the network and comes
    back. Meanwhile, in another terminal: `livecomments tail demo`, `livecomments send demo hello`,
    `livecomments mod slow demo 10`.

    With --json it prints one line, with the page's address, once all is ready.
    """
    from livecomments.stack.addresses import data_directory  # noqa: PLC0415 - `--help` must be fast
    from livecomments.web import ensure_page  # noqa: PLC0415
    from schemas.settings import load  # noqa: PLC0415

    show = _show(log, seed, crowd=crowd)
    directory = data_directory(load(), port_base, data)
    with _signals_interrupt(), contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
        ensure_page()
        with _stack(port_base, data, directory):
            asyncio.run(_play(show, stream, speed, port_base, data, as_json=as_json))


def _show(log: Path | None, seed: int, *, crowd: bool) -> Show:
    from livecomments.client.chatlog import read  # noqa: PLC0415
    from livecomments.client.crowd import CREATOR_ID, Shape  # noqa: PLC0415
    from livecomments.client.crowd import crowd as made_up  # noqa: PLC0415
    from livecomments.client.pace import looped  # noqa: PLC0415
    from livecomments.client.phrases import load as phrases  # noqa: PLC0415

    if log is None and not crowd and REAL_LOG.is_file():
        log = REAL_LOG
    if log is not None:
        path = log
        if next(read(path), None) is None:
            raise Failure(Exit.BAD_FILE, f"{path} has no messages")
        return Show(
            f"the log {path.name}", path.name.partition(".")[0], "studio", lambda: looped(lambda: read(path))
        )
    title = f"{phrases().artist}: live"
    return Show("a made-up crowd", title, CREATOR_ID, lambda: made_up(Shape(seed)))


@contextlib.contextmanager
def _stack(port_base: int | None, data: Path | None, directory: Path) -> Iterator[None]:
    """Run a stack, unless one runs there."""
    from livecomments.stack import launch, state  # noqa: PLC0415
    from livecomments.stack.commands import start  # noqa: PLC0415
    from livecomments.stack.plan import Shape  # noqa: PLC0415

    running = state.running(directory)
    if running is not None:
        if not running.up:
            raise Failure(
                Exit.NOT_READY, f"the stack in {directory} is still starting: try again in a moment"
            )
        yield
        return
    try:
        start(port_base, data, Shape(), detach=True, hint="Ctrl-C")
        yield
    finally:
        with _signals_ignored():  # nothing is left behind, however often somebody presses Ctrl-C
            typer.echo("stopping …", err=True)
            launch.stop(directory)
            typer.echo("stopped", err=True)


async def _play(
    show: Show, stream: str, speed: float, port_base: int | None, data: Path | None, *, as_json: bool
) -> None:
    from livecomments.client.pace import Pace  # noqa: PLC0415
    from livecomments.client.player import Player, Progress  # noqa: PLC0415
    from livecomments.client.replay import Counts  # noqa: PLC0415
    from livecomments.client.where import page_url  # noqa: PLC0415
    from livecomments.stack.addresses import stack_settings  # noqa: PLC0415

    settings = stack_settings(port_base, data)
    counts = Counts()
    async with Player(settings, stream, Pace(speed), counts) as player:
        await player.open_stream(show.title, show.creator)
        page = page_url(settings, stream)
        if as_json:
            typer.echo(json.dumps({"page": page, "stream": stream, "playing": show.what}))
        else:
            _say(settings, show, stream, page)
        with Progress(counts, None, shown=not as_json) as progress:
            await progress.along(player.play(show.messages()))


def _say(settings: "Settings", show: Show, stream: str, page: str) -> None:
    from rich.console import Console  # noqa: PLC0415

    from livecomments.client.where import api_url  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"\n  [bold]{show.what}[/] plays into the stream [bold]{stream}[/]. Look here:\n")
    console.print(f"    [bold underline]{page}[/]\n")
    console.print(f"  The API is at {api_url(settings)}/v1/streams/{stream}; Ctrl-C stops everything.\n")


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (the terminal is closed) do what Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _signals_ignored() -> Iterator[None]:
    """Let nothing interrupt."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
