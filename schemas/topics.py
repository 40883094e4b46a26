"""Every topic: name, key, record, retention. Names are written here and nowhere else.

All topics have the same partition count, and a stream has the same partition in all of them.
`livecomments topics apply` creates them; Faust never does.
"""

from dataclasses import dataclass, field
from typing import Literal

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
RECORD_BYTES_MAX = 1024 * 1024
"""Largest record a stage writes; a broker refuses a little above."""
SUBMITTED_BYTES_MAX = 512 * 1024
"""A larger record in ``comments.submitted`` goes to the dead letters unread."""

Key = Literal["none", "stream", "user", "edge"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    ``key`` says what the Kafka key is: ``none`` means an explicit partition and many streams a
    record. ``record`` names the schema (``schemas/<record>.avsc``).
    """

    name: str
    key: Key
    record: str
    retention_ms: int | None
    compacted: bool = False
    settings: dict[str, str] = field(default_factory=dict)

    def config(self) -> dict[str, str]:
        """Return the topic's settings as Kafka names them."""
        config = {"max.message.bytes": str(RECORD_BYTES_MAX + 64 * 1024), **self.settings}
        if self.compacted:
            # Short segments and a short lag keep recovery short: what is not compacted is read.
            config |= {
                "cleanup.policy": "compact",
                "segment.ms": str(2 * MINUTE_MS),
                "min.compaction.lag.ms": str(2 * MINUTE_MS),
                "min.cleanable.dirty.ratio": "0.1",
            }
        else:
            config |= {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        return config


# Log-append time is the one clock of the system: the duplicate window and archive timestamps use it.
_BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}

SUBMITTED = Topic("comments.submitted", "none", "submitted", 6 * HOUR_MS, settings=_BROKER_TIME)
INGESTED = Topic("comments.ingested", "none", "ingested", 6 * HOUR_MS, settings=_BROKER_TIME)
MODERATED = Topic("comments.moderated", "none", "moderated", 6 * HOUR_MS, settings=_BROKER_TIME)
SEQUENCED = Topic("comments.sequenced", "stream", "sequenced", 7 * DAY_MS, settings=_BROKER_TIME)
FANOUT = Topic("comments.fanout", "stream", "fanout", HOUR_MS, settings=_BROKER_TIME)
NOTICES = Topic("comments.notices", "user", "notice", HOUR_MS, settings=_BROKER_TIME)
DLQ = Topic("comments.dlq", "none", "dead", 7 * DAY_MS)
FLAT = Topic("comments.flat", "stream", "flat", 7 * DAY_MS)
HEALTH = Topic("stream.health", "stream", "health", HOUR_MS, settings=_BROKER_TIME)
REACTIONS = Topic("stream.reactions", "stream", "reaction", HOUR_MS, settings=_BROKER_TIME)
ANALYTICS = Topic("stream.analytics", "stream", "analytics", 7 * DAY_MS, settings=_BROKER_TIME)
POLICY = Topic("moderation.policy", "none", "policy", None, compacted=True)
AUDIT = Topic("moderation.audit", "stream", "audit", 365 * DAY_MS)

POSITIONS_CHANGELOG = Topic("sequence-positions-changelog", "stream", "position", None, compacted=True)
FANOUT_POSITIONS_CHANGELOG = Topic(
    "sample-fanout-positions-changelog", "stream", "position", None, compacted=True
)
ANALYTICS_CHANGELOG = Topic("analyse-streams-changelog", "stream", "position", None, compacted=True)
RULES_CHANGELOG = Topic("moderate-rules-changelog", "stream", "rules", None, compacted=True)

META = Topic("livecomments.meta", "none", "", None, compacted=True)
"""One JSON entry, key ``incarnation``, in partition 0: who made these topics, and their count."""


def durability(replication: int) -> dict[str, str]:
    """Return the settings that go with so many replicas, of every topic."""
    return {"min.insync.replicas": "2"} if replication > 2 else {}


ALL: tuple[Topic, ...] = (
    SUBMITTED,
    INGESTED,
    MODERATED,
    SEQUENCED,
    FANOUT,
    NOTICES,
    DLQ,
    FLAT,
    HEALTH,
    REACTIONS,
    ANALYTICS,
    POLICY,
    AUDIT,
    POSITIONS_CHANGELOG,
    FANOUT_POSITIONS_CHANGELOG,
    RULES_CHANGELOG,
    ANALYTICS_CHANGELOG,
    META,
)

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in ALL}
