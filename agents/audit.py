"""What `moderate` writes to ``moderation.audit``: every command, and what came of it."""

from agents.core.verdicts import Verdict
from agents.stage import Side
from schemas.codec import codec
from schemas.records import IngestedItem, Origin
from schemas.topics import AUDIT


def audited(partition: int, item: IngestedItem, verdict: Verdict) -> Side:
    """Return a command's record; a refusal has its key, and the reason behind a colon."""
    refusal = verdict.refusal.key if verdict.refusal else None
    if refusal is not None and verdict.detail:
        refusal = f"{refusal}: {verdict.detail}"
    record = {
        "stream_id": item["stream_id"],
        "origin": Origin(item["offset"], item["index"]).to_wire(),
        "at": item["at"],
        "actor_id": item["user_id"],
        "actor_role": item["role"],
        "action": item["type"],
        "id": item["id"],
        "command": item["command"],  # without what it quotes: the schema has no place for it
        "outcome": "refused" if verdict.refusal else "applied",
        "refusal": refusal,
    }
    return Side(AUDIT, partition, (item["stream_id"].encode(), codec(AUDIT.record).encode(record)))
