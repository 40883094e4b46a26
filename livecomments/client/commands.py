"""The verbs of authors and viewers: ``token``, ``send``, ``tail``."""

import asyncio
import json
from typing import Annotated, Literal

import typer

from livecomments.client.position import Position
from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase

Stream = Annotated[str, typer.Argument(metavar="STREAM", help="The stream's id.")]
Role = Literal["viewer", "creator", "moderator", "platform"]


def token(  # noqa: PLR0917 - Typer calls it by name
    user: Annotated[str, typer.Option("--user", metavar="ID", help="Whom it is for.")],
    stream: Annotated[
        str | None,
        typer.Option("--stream", metavar="ID", help="The one stream it is good for. Default: any."),
    ] = None,
    role: Annotated[Role, typer.Option("--role", help="What they may do.")] = "viewer",
    ttl: Annotated[
        int, typer.Option("--ttl", metavar="SECONDS", min=1, max=31_536_000, help="How long it is good for.")
    ] = 3_600,
    name: Annotated[str | None, typer.Option("--name", help="The name others see. Default: the id.")] = None,
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Print a token for the edge and the API, alone, so that a script can take it as it is.

    It is signed with the stack's own secret (LIVECOMMENTS_AUTH__SECRET). Where tokens are checked against
    public keys, whoever holds the private key makes them, and this verb says so.
    """
    from livecomments.client.where import Minter  # noqa: PLC0415 - `--help` must be fast
    from livecomments.stack.addresses import stack_settings  # noqa: PLC0415

    made = Minter(stack_settings(port_base, data)).mint(user, stream, role, ttl, name)
    typer.echo(json.dumps({"token": made}) if as_json else made)


def send(  # noqa: PLR0917 - the same
    stream: Stream,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")],
    user: Annotated[str, typer.Option("--user", metavar="ID", help="Who says it.")] = "cli",
    name: Annotated[str | None, typer.Option("--name", help="The name others see. Default: the id.")] = None,
    role: Annotated[Role, typer.Option("--role", help="As what.")] = "viewer",
    id_: Annotated[
        str | None, typer.Option("--id", metavar="UUID", help="The comment's id. Default: a fresh one.")
    ] = None,
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Post a comment; print its id when it is durable.

    A refusal (banned, slow mode, a listed word …) exits with 12. When it is not known whether the comment
    arrived, it is tried again with the same id, a few times; then the exit code is 13, and sending it again
    with --id is safe: it will be there once.
    """
    import uuid_utils  # noqa: PLC0415

    from livecomments.client.api import Api, ApiError, Unknown, failure_of, path_of  # noqa: PLC0415
    from livecomments.client.where import Minter, api_url  # noqa: PLC0415
    from livecomments.stack.addresses import stack_settings  # noqa: PLC0415

    settings = stack_settings(port_base, data)
    bearer = Minter(settings).mint(user, stream, role, name=name)
    comment_id = id_ or str(uuid_utils.uuid7())

    async def post() -> None:
        async with Api(api_url(settings)) as api:
            body = {"id": comment_id, "text": text}
            await api.settle("POST", path_of("streams", stream, "comments"), bearer, body, key=comment_id)

    try:
        asyncio.run(post())
    except Unknown as error:
        words = f"it is not known whether the comment arrived ({error}): send it again with --id {comment_id}"
        raise Failure(Exit.UNKNOWN, words) from error
    except ApiError as error:
        raise failure_of(error, "the comment") from error
    typer.echo(json.dumps({"id": comment_id}) if as_json else comment_id)


def tail(  # noqa: PLR0917 - the same
    stream: Stream,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the stream's first comment.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="EPOCH:SEQ", help="Begin behind this position; as --json shows it."),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", min=1, help="End after N comments.")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Watch as this user. Default: as a guest.")
    ] = None,
    protobuf: Annotated[
        bool, typer.Option("--protobuf", help="Speak the protocol's binary encoding instead of JSON.")
    ] = False,
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show a stream's comments as they come; Ctrl-C ends it.

    It begins with the last 50 comments, or where --from-start or --since say. When the connection is lost
    it comes back and goes on where it was; what the edge no longer has is read from the archive, and what
    nobody has is announced.

    With --json every line of stdout is an event with its seq, epoch and type: comment, or what a moderator
    did (delete, ban, pin …), or hole for a range (from, to] that is not shown. How the connection is stands
    on stderr.
    """
    from livecomments.client.api import Api  # noqa: PLC0415
    from livecomments.client.follow import Beginning  # noqa: PLC0415
    from livecomments.client.tailing import Archived, Printer  # noqa: PLC0415
    from livecomments.client.watch import Watcher  # noqa: PLC0415
    from livecomments.client.where import Minter, api_url, edge_url  # noqa: PLC0415
    from livecomments.stack.addresses import stack_settings  # noqa: PLC0415

    beginning = Beginning(_position(since), from_start)
    settings = stack_settings(port_base, data)
    minter = Minter(settings) if user is not None else None

    async def bearer() -> str:
        return minter.mint(user, stream, "viewer") if minter is not None and user is not None else ""

    async def watch() -> None:
        async with Api(api_url(settings)) as api:
            printer = Printer(as_json=as_json, count=count)
            watcher = Watcher(
                edge_url(settings),
                stream,
                printer.take,
                Archived(api, stream, bearer),
                get_token=bearer if user is not None else None,
                protobuf=protobuf,
            )
            printer.full = watcher.stop
            await watcher.run(beginning)

    asyncio.run(watch())


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    epoch, _, seq = text.rpartition(":")
    if not epoch or not seq.isdecimal():
        raise Failure(Exit.USAGE, f"--since {text}: write EPOCH:SEQ, as in --since 5f2c01aa-0:880")
    return Position(epoch, int(seq))
