"""``livecomments replay-log``: plays a chat log into a stream, each author as a user of their own."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase


def replay_log(  # noqa: PLR0917 - Typer calls it by name
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A chat log: .jsonl or .jsonl.gz.")],
    stream: Annotated[str, typer.Option("--stream", metavar="ID", help="The stream to play it into.")],
    speed: Annotated[
        float,
        typer.Option(
            "--speed", metavar="X", min=0, max=10_000, help="1: at its own pace; 0: as fast as acknowledged."
        ),
    ] = 1.0,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="The first N messages only.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Again and again, until Ctrl-C.")] = False,
    at_once: Annotated[
        int, typer.Option("--at-once", metavar="N", min=1, max=1_000, help="Posts on their way.")
    ] = 64,
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Play a chat log into a stream at its own pace; say what became of the messages.

    A log has one message a line: {"t_ms": 0, "user": "…", "text": "…"}, with the time since its beginning
    and, if there is one, a "name". Whole-second times are spread evenly within their second. The stream is
    made if it does not exist.

    Every author posts as a user of their own, and is refused what others would be refused: too much at
    once, listed words. Such refusals are counted, not repeated. A post whose outcome is not known is
    repeated with the same id for 90 s. Exit code 13: some outcomes are still not known.
    """
    from livecomments.client.chatlog import read  # noqa: PLC0415 - `--help` must be fast
    from livecomments.client.pace import Pace, limited, looped  # noqa: PLC0415
    from livecomments.client.player import Player, Progress  # noqa: PLC0415
    from livecomments.client.replay import Counts  # noqa: PLC0415
    from livecomments.stack.addresses import stack_settings  # noqa: PLC0415

    settings = stack_settings(port_base, data)
    total = sum(1 for _ in limited(read(file), limit))  # a bad line is told before anything is sent
    messages = looped(lambda: read(file)) if loop else read(file)
    counts, begun = Counts(), time.monotonic()

    async def play() -> None:
        async with Player(settings, stream, Pace(speed), counts, at_once) as player:
            await player.open_stream(file.name.partition(".")[0])
            with Progress(counts, None if loop else total, shown=not as_json) as progress:
                await progress.along(player.play(limited(messages, limit)))

    try:
        asyncio.run(play())
    finally:
        if counts.read:
            summary = counts.to_json(time.monotonic() - begun)
            typer.echo(json.dumps(summary) if as_json else _words(summary))
    if counts.unknown:
        raise Failure(Exit.UNKNOWN, f"the outcome of {counts.unknown} messages is not known")


def _words(summary: dict[str, object]) -> str:
    refused = summary["refused"]
    each = (
        ", ".join(f"{count} {name}" for name, count in refused.items()) if isinstance(refused, dict) else ""
    )
    return (
        f"{summary['read']} messages: {summary['accepted']} accepted, refused: {each or 'none'}, "
        f"{summary['retried']} repeats; {summary['seconds']} s, {summary['accepted_per_second']} a second"
    )
