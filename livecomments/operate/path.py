"""One comment's path through the log: where it is, since when, and what was decided. Pure.

Ids and numbers only: neither a text nor a user's name is kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.continuity import Fence
from schemas.refusals import Code, words_of
from schemas.topics import DLQ, FANOUT, INGESTED, MODERATED, NOTICES, SEQUENCED, SUBMITTED

LANES = 64
NEXT = {
    SUBMITTED.name: "ingest",
    INGESTED.name: "moderate",
    MODERATED.name: "sequence",
    SEQUENCED.name: "sample",
}
"""Topic → the stage that reads it."""


@dataclass(frozen=True, slots=True)
class Hop:
    """The comment in one place. ``at_ms``: when the log (or, of a store, nothing: -1) took it."""

    name: str
    place: str
    at_ms: int
    what: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for in a partition. ``partition`` is the same in every topic."""

    id: str
    stream: str
    user: str
    partition: int
    at_ms: int
    epoch: str = ""
    seq: int = -1


@dataclass(slots=True)
class Path:
    """What was found, in the order of the dataflow. ``retries``: how often it was submitted again."""

    wanted: Wanted
    hops: list[Hop] = field(default_factory=list)
    retries: int = 0

    def hop(self, name: str) -> Hop | None:
        """Return the hop of a topic or store."""
        return next((hop for hop in self.hops if hop.name == name), None)

    @property
    def outcome(self) -> str:
        """One line: what became of it."""
        for hop in reversed(self.hops):
            match hop.name, hop.facts.get("verdict"):
                case (NOTICES.name, _):
                    return f"refused: {hop.what}"
                case (DLQ.name, _):
                    return f"unreadable: {hop.what}"
                case (FANOUT.name, _):
                    return hop.what
                case (MODERATED.name, "hold"):
                    return "held for a moderator"
                case (name, _) if name in NEXT:
                    return f"in {name}, and no further: look at `{NEXT[name]}`"
        return "unknown"

    def to_json(self) -> dict[str, Any]:
        """Return what ``trace --json`` prints."""
        wanted = self.wanted
        return {
            "id": wanted.id,
            "stream": wanted.stream,
            "user": wanted.user,
            "partition": wanted.partition,
            "epoch": wanted.epoch or None,
            "seq": wanted.seq if wanted.seq >= 0 else None,
            "retries": self.retries,
            "outcome": self.outcome,
            "hops": [
                {"name": hop.name, "place": hop.place, "at": hop.at_ms if hop.at_ms >= 0 else None}
                | {"ms": hop.at_ms - wanted.at_ms if hop.at_ms >= 0 else None, "what": hop.what}
                | dict(hop.facts)
                for hop in self.hops
            ],
        }


Match = Callable[[Wanted, Mapping[str, Any]], tuple[str, Mapping[str, Any]] | None]
"""Says what a record says of the comment; None: nothing."""


def submitted(comment_id: str, stream: str | None, record: Mapping[str, Any]) -> tuple[int, Any] | None:
    """Find the comment in a record of ``comments.submitted``: its index and itself."""
    for index, item in enumerate(record["items"]):
        if item["id"] == comment_id and item["type"] == "comment" and stream in (None, item["stream_id"]):
            return index, item
    return None


def ingested(wanted: Wanted, record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Find it in ``comments.ingested``."""
    item = _item(wanted, record)
    return ("valid", {"origin": f"{item['offset']}.{item['index']}"}) if item else None


def moderated(wanted: Wanted, record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Find it in ``comments.moderated``: the verdict, and why."""
    item = _item(wanted, record)
    if item is None:
        return None
    why = f" ({item['refusal']})" if item["refusal"] else ""
    return f"verdict {item['verdict']}{why}", {"verdict": item["verdict"], "refusal": item["refusal"]}


def sequenced(wanted: Wanted, record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Find it in ``comments.sequenced``: its place in the order."""
    if record["stream_id"] != wanted.stream:
        return None
    for event in record["events"]:
        if event["id"] == wanted.id and event["type"] == "comment" and event["user_id"] == wanted.user:
            return (
                f"seq {event['seq']} in epoch {record['epoch']}",
                {"epoch": record["epoch"], "seq": event["seq"]},
            )
    return None


def fanned_out(wanted: Wanted, record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Find its number in ``comments.fanout``: who gets it."""
    if record["stream_id"] != wanted.stream or record["epoch"] != wanted.epoch:
        return None
    if not record["from_seq"] < wanted.seq <= record["to_seq"]:
        return None
    mask = next((event["mask"] for event in record["events"] if event["seq"] == wanted.seq), None)
    if mask is None:
        return "left out: sampling chose others", {"lanes": 0, "mask": None, "sampled": record["sampled"]}
    lanes = (mask & (1 << LANES) - 1).bit_count()
    who = {0: "shown to its author alone", LANES: "shown to everybody"}
    words = who.get(lanes, f"shown to {lanes} of {LANES} lanes")
    return words, {"lanes": lanes, "mask": f"{mask & (1 << LANES) - 1:016x}", "sampled": record["sampled"]}


def notice(wanted: Wanted, record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Find what its author was told in ``comments.notices``."""
    if (record["id"], record["stream_id"], record["user_id"]) != (wanted.id, wanted.stream, wanted.user):
        return None
    try:
        words = words_of(Code(record["code"]))
    except ValueError:
        words = "a reason that this version does not know"
    return f"{words} (code {record['code']})", {"code": record["code"]}


def flat(wanted: Wanted, record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Find it in ``comments.flat``."""
    place = (record["stream_id"], record["epoch"], record["seq"])
    return ("for analysts", {}) if place == (wanted.stream, wanted.epoch, wanted.seq) else None


def dead(offsets: Mapping[str, int]) -> Match:
    """Make the match for ``comments.dlq``: topic → offset of the record that has the comment."""

    def match(wanted: Wanted, record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
        if record["partition"] != wanted.partition or offsets.get(record["topic"]) != record["offset"]:
            return None
        words = f"{record['stage']} could not read {record['topic']} at {record['offset']}"
        return f"{words}: {record['reason']}", {"reason": record["reason"]}

    return match


FENCED = frozenset({INGESTED.name, MODERATED.name, SEQUENCED.name, FANOUT.name})
STEPS = ((INGESTED, ingested), (MODERATED, moderated), (SEQUENCED, sequenced))
"""Of a comment that is shown, before its number is known."""


def fence_of(topic: str) -> Fence | None:
    """Return what tells a replaced writer's records, for topics that need it."""
    return Fence() if topic in FENCED else None


def _item(wanted: Wanted, record: Mapping[str, Any]) -> Any | None:
    key = (wanted.id, wanted.stream, wanted.user)
    return next(
        (
            each
            for each in record["items"]
            if (each["id"], each["stream_id"], each["user_id"]) == key and each["type"] == "comment"
        ),
        None,
    )
