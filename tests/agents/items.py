"""Items for tests: comments and commands as a gateway would submit them."""

import json
from typing import Any
from uuid import UUID

from agents.testing import START_MS
from schemas.records import Command, Item, Quoted


def uuid(number: int) -> str:
    return str(UUID(int=number))


def comment(
    stream: str, number: int, *, user: str = "ann", text: str = "hello", role: str = "viewer"
) -> Item:
    return Item(
        type="comment",
        stream_id=stream,
        id=uuid(number),
        user_id=user,
        user_name=user.title(),
        role=role,
        text=text,
        sticker=None,
        command=None,
    )


def order(
    stream: str,
    number: int,
    type_: str,
    *,
    user: str = "root",
    role: str = "platform",
    target: str | None = None,
    seconds: int | None = None,
    settings: dict[str, Any] | None = None,
    about: Item | None = None,
) -> Item:
    """Return a command; ``about``: a comment that is shown, which it quotes."""
    command = Command(
        target=target,
        seconds=seconds,
        reason=None,
        settings=None if settings is None else json.dumps(settings),
    )
    if about is not None:
        command["target"] = about["id"]
        command["comment"] = Quoted(
            seq=1,
            at=START_MS,
            id=about["id"],
            user_id=about["user_id"],
            user_name=about["user_name"],
            role=about["role"],
            text=about["text"],
            sticker=about["sticker"],
        )
    return Item(
        type=type_,
        stream_id=stream,
        id=uuid(number),
        user_id=user,
        user_name=user.title(),
        role=role,
        text="",
        sticker=None,
        command=command,
    )
