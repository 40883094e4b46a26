"""Events and segments, as ``comments.fanout`` has them."""

from typing import Any

EPOCH = "test-0"
STREAM = "demo"
AT = 1_795_490_000_000


def event(seq: int, type_: str = "comment", target: str | None = None, **more: Any) -> dict[str, Any]:
    """One event; its ``at`` is `AT` and a second a number."""
    command = {"target": target, "seconds": None, "reason": None, "settings": None}
    return {
        "type": type_,
        "seq": seq,
        "at": AT + seq * 1000,
        "id": id_of(seq),
        "user_id": "ana",
        "user_name": "Ana",
        "role": "viewer",
        "text": f"comment {seq}" if type_ == "comment" else "",
        "sticker": None,
        "command": None if type_ == "comment" else command,
        "mask": -1,
        "copies": 1,
    } | more


def id_of(seq: int) -> str:
    """Return the id of that number's event."""
    return f"00000000-0000-4000-8000-{seq:012d}"


def segment(events: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """One record; by default it covers its events and no more."""
    nowhere = {"offset": 0, "index": 0}
    return {
        "stream_id": STREAM,
        "epoch": EPOCH,
        "from_seq": events[0]["seq"] - 1 if events else 0,
        "to_seq": events[-1]["seq"] if events else 0,
        "origin": nowhere,
        "covered": nowhere,
        "claim": "",
        "token": 0,
        "source_token": 0,
        "viewers": -1,
        "sampled": False,
        "why": None,
        "reactions": None,
        "events": events,
    } | more


def comments(first: int, last: int, **more: Any) -> dict[str, Any]:
    """One record with the comments ``first`` to ``last``."""
    return segment([event(seq) for seq in range(first, last + 1)], **more)
