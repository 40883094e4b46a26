"""Items for tests: comments and commands as a gateway would submit them."""

import json
from typing import Any
from uuid import UUID

from schemas.records import Command, Item


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
) -> Item:
    command = Command(
        target=target,
        seconds=seconds,
        reason=None,
        settings=None if settings is None else json.dumps(settings),
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
