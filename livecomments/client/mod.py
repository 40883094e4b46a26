"""``livecomments mod``: moderate a stream: bans, deletes, slow mode, words, pins.

An action is a pure function from its arguments to one request; :func:`_action` makes it a verb, adds the
options that all share, and sends it with a key of idempotency: while its outcome is not known it is asked
for again.
"""

import asyncio
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase

AUDIT_LIMIT = 50
AUDIT_MAX = 10_000
AUDIT_PAGE = 100
WORDS_FILE_BYTES_MAX = 8 * 1024 * 1024
ANSWER_SECONDS = 10.0
WORDS_SECONDS = 60.0
"""For a list of 100,000 to be durable in every partition."""

app = typer.Typer(
    help="Moderate a stream: bans, deletes, slow mode, words, pins.",
    no_args_is_help=True,
    add_completion=False,
)

Stream = Annotated[str, typer.Argument(metavar="STREAM", help="The stream's id.")]
User = Annotated[str, typer.Argument(metavar="USER", help="The user's id, as `tail --json` shows it.")]
Comment = Annotated[str, typer.Argument(metavar="COMMENT", help="The comment's id, the same.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the audit.")]
Seconds = Annotated[int | None, typer.Option("--seconds", metavar="N", min=1, help="Default: for good.")]
As = Annotated[str, typer.Option("--as", metavar="ID", help="The moderator's user id.")]
Role = Annotated[
    Literal["creator", "moderator", "platform"], typer.Option("--role", help="As what they act.")
]


@dataclass(frozen=True, slots=True)
class Who:
    """Who acts, and on which stack."""

    as_user: str
    role: str
    port_base: int | None
    data: Path | None


@dataclass(frozen=True, slots=True)
class Request:
    """One request: ``path`` below ``/v1/<root>/``; ``what`` it does, in words; ``stream``: of its token."""

    method: str
    path: tuple[str, ...]
    body: Mapping[str, Any] | None
    what: str
    query: Mapping[str, Any] | None = None
    root: str = "streams"
    seconds: float = ANSWER_SECONDS

    @property
    def stream(self) -> str | None:
        """The stream that it is about; None: all."""
        return self.path[0] if self.root == "streams" else None


def _action(function: Callable[..., Request]) -> Callable[..., None]:
    """Make a verb of what returns a request."""

    def _shared(
        as_user: As = "operator",
        role: Role = "platform",
        port_base: PortBase = None,
        data: DataDir = None,
        as_json: Json = False,
    ) -> None: ...

    shared = inspect.signature(_shared).parameters

    @functools.wraps(function)
    def verb(**given: Any) -> None:
        options = {name: given.pop(name) for name in shared}
        as_json = options.pop("as_json")
        request = function(**given)
        answer = ask(Who(**options), request)
        stream = request.path[0]
        if as_json:
            done = {"done": request.what.partition(" ")[0], "stream": stream, "id": answer.get("id")}
            typer.echo(json.dumps(done))
        else:
            typer.echo(f"done: {request.what} on {stream}")

    own = inspect.signature(function)
    verb.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[*own.parameters.values(), *shared.values()], return_annotation=None
    )
    return app.command()(verb)


@_action
def ban(
    stream: Stream,
    user: User,
    seconds: Seconds = None,
    reason: Reason = None,
    clear_too: Annotated[
        bool, typer.Option("--clear", help="Also take away what they have written so far.")
    ] = False,
) -> Request:
    """Ban a user: nothing they post from now on is accepted."""
    body = {"kind": "ban", "seconds": seconds, "reason": reason, "clear": clear_too}
    return Request("PUT", (stream, "bans", user), body, f"ban {user}")


@_action
def timeout(
    stream: Stream,
    user: User,
    seconds: Annotated[int, typer.Argument(metavar="SECONDS", min=1)],
    reason: Reason = None,
) -> Request:
    """Ban a user for some seconds; they are told how long."""
    body = {"kind": "timeout", "seconds": seconds, "reason": reason}
    return Request("PUT", (stream, "bans", user), body, f"timeout {user}")


@_action
def shadow(stream: Stream, user: User, seconds: Seconds = None, reason: Reason = None) -> Request:
    """Let a user post for their own eyes only; they are not told."""
    body = {"kind": "shadow", "seconds": seconds, "reason": reason}
    return Request("PUT", (stream, "bans", user), body, f"shadow {user}")


@_action
def unban(stream: Stream, user: User) -> Request:
    """Lift a user's ban, timeout or shadow ban."""
    return Request("DELETE", (stream, "bans", user), None, f"unban {user}")


@_action
def delete(stream: Stream, comment: Comment, reason: Reason = None) -> Request:
    """Take a comment away from every screen and every read, for good."""
    query = {"reason": reason} if reason is not None else None
    return Request("DELETE", (stream, "comments", comment), None, f"delete {comment}", query)


@_action
def clear(stream: Stream, user: User, reason: Reason = None) -> Request:
    """Take away everything a user has written so far; it is no ban."""
    return Request("POST", (stream, "clear"), {"user": user, "reason": reason}, f"clear {user}")


@_action
def slow(
    stream: Stream,
    seconds: Annotated[int, typer.Argument(metavar="SECONDS", min=0, help="0 ends slow mode.")],
) -> Request:
    """Let each viewer comment once in so many seconds."""
    return Request("POST", (stream, "slow"), {"seconds": seconds}, f"slow {seconds}")


@_action
def hold(
    stream: Stream,
    user: Annotated[str | None, typer.Argument(metavar="USER", help="The user's id.")] = None,
    comment: Annotated[
        str | None, typer.Option("--comment", metavar="ID", help="A shown comment, instead of a user.")
    ] = None,
    seconds: Seconds = None,
    reason: Reason = None,
) -> Request:
    """Let what a user writes from now on (until `unban`), or one shown comment, wait for a moderator."""
    if (user is None) == (comment is None):
        raise Failure(Exit.USAGE, "hold: name either a USER or --comment ID")
    body = {"user": user, "comment_id": comment, "seconds": seconds, "reason": reason}
    return Request("POST", (stream, "hold"), body, f"hold {user or comment}")


@_action
def approve(stream: Stream, comment: Comment, reason: Reason = None) -> Request:
    """Let a comment that waits go on; `delete` refuses it."""
    return _on_comment(stream, "approve", comment, reason)


@_action
def pin(stream: Stream, comment: Comment) -> Request:
    """Pin a comment above the others."""
    return _on_comment(stream, "pin", comment, None)


@_action
def unpin(stream: Stream) -> Request:
    """Take the pinned comment down."""
    return Request("POST", (stream, "unpin"), {}, "unpin")


@_action
def end(stream: Stream, reason: Reason = None) -> Request:
    """End the stream: nothing more is accepted, what was said stays readable."""
    return Request("POST", (stream, "end"), {"reason": reason}, "end")


@app.command()
def words(  # noqa: PLR0917 - Typer calls it by name
    stream: Annotated[
        str | None, typer.Argument(metavar="STREAM", help="The stream's id; not with --platform.")
    ] = None,
    listed: Annotated[list[str] | None, typer.Argument(metavar="[WORD]…", help="The whole list.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="One word or phrase a line; # for remarks.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Make the list empty.")] = False,
    platform: Annotated[
        str | None,
        typer.Option("--platform", metavar="NAME", help="Set the list of that name for all streams."),
    ] = None,
    as_user: As = "operator",
    role: Role = "platform",
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Set the list of words that are refused, a stream's or all streams'; without any, show the stream's."""
    who = Who(as_user, role, port_base, data)
    given = [*(listed or []), *(_lines(file) if file is not None else [])]
    if platform is not None and stream is not None:
        given.insert(0, stream)
    if given and none:
        raise Failure(Exit.USAGE, "words: either --none or words, not both")
    if platform is not None:
        if not (given or none):
            raise Failure(Exit.USAGE, "words: --platform needs words, --file or --none")
        what = f"words of {platform}"
        ask(who, Request("PUT", (platform,), {"words": given}, what, root="words", seconds=WORDS_SECONDS))
        told = {"list": platform, "rules": len(given)}
        typer.echo(json.dumps(told) if as_json else f"{platform}: {len(given)} rules for all streams")
        return
    if stream is None:
        raise Failure(Exit.USAGE, "words: name a STREAM, or a list for all with --platform")
    if given or none:
        ask(who, Request("PUT", (stream, "settings"), {"words": given}, "words"))
        now = given
    else:
        found = ask(who, Request("GET", (stream, "settings"), None, "reading the words"))
        now = found.get("settings", {}).get("words") or []
    if as_json:
        typer.echo(json.dumps({"words": now}, ensure_ascii=False))
    else:
        typer.echo("\n".join(now) if now else f"{stream} has no words of its own")


@app.command()
def held(  # noqa: PLR0917 - Typer calls it by name
    stream: Stream,
    as_user: As = "operator",
    role: Role = "platform",
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show the comments that wait for a moderator, the oldest first."""
    from livecomments.client.modtext import held_line  # noqa: PLC0415 - `--help` must be fast

    who = Who(as_user, role, port_base, data)
    for row in ask(who, Request("GET", (stream, "held"), None, "reading what waits"))["held"]:
        typer.echo(json.dumps(row, ensure_ascii=False) if as_json else held_line(row))


@app.command()
def audit(  # noqa: PLR0917 - Typer calls it by name
    stream: Stream,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=AUDIT_MAX, help="The last N.")
    ] = AUDIT_LIMIT,
    as_user: As = "operator",
    role: Role = "platform",
    port_base: PortBase = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show who did what on a stream, and what came of it; the newest last."""
    from livecomments.client.modtext import audit_line  # noqa: PLC0415

    who = Who(as_user, role, port_base, data)
    for row in reversed(_audit(who, stream, limit)):
        typer.echo(json.dumps(row, ensure_ascii=False) if as_json else audit_line(row))


def _audit(who: Who, stream: str, limit: int) -> list[dict[str, Any]]:
    """Return the last entries, the newest first."""
    found: list[dict[str, Any]] = []
    query: dict[str, int] = {}
    while len(found) < limit:
        query |= {"limit": min(limit - len(found), AUDIT_PAGE)}
        page = ask(who, Request("GET", (stream, "audit"), None, "reading the audit", query))
        found += page["entries"]
        if page["next"] is None:
            break
        query = {"before": page["next"]}
    return found


def ask(who: Who, request: Request) -> dict[str, Any]:
    """Send a request; return the answer.

    Raises:
        Failure: it was refused, its outcome is not known, or nobody is there.

    """
    import uuid_utils  # noqa: PLC0415

    from livecomments.client.api import Api, ApiError, failure_of, path_of  # noqa: PLC0415
    from livecomments.client.where import Minter, api_url  # noqa: PLC0415
    from livecomments.stack.addresses import stack_settings  # noqa: PLC0415

    settings = stack_settings(who.port_base, who.data)
    bearer = Minter(settings).mint(who.as_user, request.stream, who.role)
    key = str(uuid_utils.uuid7())
    body = request.body
    if body is not None:
        body = {name: value for name, value in body.items() if value is not None}

    async def settle() -> dict[str, Any]:
        async with Api(api_url(settings), request.seconds) as api:
            path = path_of(request.root, *request.path)
            if request.method == "GET":
                return await api.ask("GET", path, bearer, query=request.query)
            return await api.settle(request.method, path, bearer, body, query=request.query, key=key)

    try:
        return asyncio.run(settle())
    except ApiError as error:
        raise failure_of(error, request.what) from error


def _on_comment(stream: str, action: str, comment: str, reason: str | None) -> Request:
    body = {"comment_id": comment, "reason": reason}
    return Request("POST", (stream, action), body, f"{action} {comment}")


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > WORDS_FILE_BYTES_MAX:
            raise Failure(Exit.BAD_FILE, f"{file} is larger than {WORDS_FILE_BYTES_MAX // 1024} KiB")
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(Exit.BAD_FILE, f"{file} cannot be read: {error}") from error
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
