"""The records as Python sees them: plain dicts as fastavro gives them, with these shapes.

Fields are documented in the ``.avsc`` files, which are the contract. A test holds the two together.
"""

from typing import NamedTuple, NotRequired, TypedDict

INDEX_END = 2**31 - 1
"""Index of an origin that covers its whole record."""


class Origin(NamedTuple):
    """A place in ``comments.submitted``; ordered as the log is. (offset, item index)."""

    offset: int
    item: int

    def to_wire(self) -> "OriginDict":
        """As the records hold it."""
        return {"offset": self.offset, "index": self.item}

    @classmethod
    def from_wire(cls, value: "OriginDict") -> "Origin":
        """From a record."""
        return cls(value["offset"], value["index"])


NOTHING = Origin(-1, INDEX_END)
"""Covers nothing: before the first record."""


class OriginDict(TypedDict):
    offset: int
    index: int


class Quoted(TypedDict):
    """A comment as it stood when a moderator acted on it."""

    seq: int
    at: int
    id: str
    user_id: str
    user_name: str
    role: str
    text: str
    sticker: str | None


class Command(TypedDict):
    target: str | None
    seconds: int | None
    reason: str | None
    settings: str | None
    comment: NotRequired[Quoted | None]


class Item(TypedDict):
    """A comment or command as submitted."""

    type: str
    stream_id: str
    id: str
    user_id: str
    user_name: str
    role: str
    text: str
    sticker: str | None
    command: Command | None


class IngestedItem(Item):
    offset: int
    index: int
    at: int


class ModeratedItem(IngestedItem):
    verdict: str
    refusal: str | None


class Submitted(TypedDict):
    gateway: str
    items: list[Item]


class Head(TypedDict):
    """What every stage's output record begins with."""

    claim: str
    token: int
    covered: OriginDict


class Ingested(Head):
    after: OriginDict
    items: list[IngestedItem]


class Moderated(Head):
    after: OriginDict
    source_token: int
    items: list[ModeratedItem]


class Event(TypedDict):
    type: str
    seq: int
    at: int
    id: str
    user_id: str
    user_name: str
    role: str
    text: str
    sticker: str | None
    command: Command | None
    mask: int


class FanoutEvent(Event):
    copies: NotRequired[int]


class Segment(Head):
    stream_id: str
    epoch: str
    from_seq: int
    to_seq: int
    origin: OriginDict
    source_token: int


class Refused(TypedDict):
    id: str
    user_id: str
    at: int


class Sequenced(Segment):
    events: list[Event]
    refused: list[Refused]


class Fanout(Segment):
    viewers: int
    users: NotRequired[int]
    sampled: bool
    why: str | None
    rate: NotRequired[float]
    window: NotRequired[int]
    reactions: dict[str, int] | None
    reacted: NotRequired[int]
    events: list[FanoutEvent]


class Term(TypedDict):
    term: str
    comments: int


class Analytics(Segment):
    at: int
    comments: int
    actions: int
    authors: bytes
    terms: list[Term]


class Health(TypedDict):
    """What an edge says of a stream.

    ``queue_ms``: the median of the last second (`edge.backlog`); the released schema has words of the least,
    which change with its next version.
    """

    edge: str
    boot: str
    stream_id: str
    at: int
    viewers: int
    p50_ms: float
    p99_ms: float
    queue_ms: float
    sketch: bytes


class Reaction(TypedDict):
    """What an edge's viewers tapped within half a second."""

    edge: str
    boot: str
    window: int
    stream_id: str
    counts: dict[str, int]


class Notice(TypedDict):
    stream_id: str
    user_id: str
    id: str
    code: int
    reason: str
    at: int
    origin: OriginDict
    epoch: NotRequired[str]
    comment: NotRequired[Quoted | None]


class Dead(TypedDict):
    stage: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    at: int
    size: int
    value: bytes


class Flat(TypedDict):
    stream_id: str
    epoch: str
    seq: int
    type: str
    at: int
    id: str
    user_id: str
    user_name: str
    role: str
    text: str
    sticker: str | None
    command: Command | None


class Position(TypedDict):
    epoch: str
    seq: int
    origin: OriginDict
    segment_offset: int
    at: int
    source_token: int
    more: NotRequired[str | None]


class Rules(TypedDict):
    origin: OriginDict
    segment_offset: int
    at: int
    state: str
    source_token: int
