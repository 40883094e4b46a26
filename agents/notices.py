"""What stages write to ``comments.notices``: to one author, what became of one comment."""

from agents.stage import Side
from schemas.codec import codec
from schemas.records import Notice, Origin
from schemas.refusals import Code, words_of
from schemas.routing import partition_of
from schemas.topics import NOTICES


def noticed(
    stream_id: str, user_id: str, id_: str, code: Code, *, at: int, origin: Origin, partitions: int
) -> Side:
    """Return the record. ``at``, ``origin``: of what it follows from, a comment or a command."""
    notice = Notice(
        stream_id=stream_id,
        user_id=user_id,
        id=id_,
        code=int(code),
        reason=words_of(code),
        at=at,
        origin=origin.to_wire(),
    )
    value = codec(NOTICES.record).encode(notice)
    return Side(NOTICES, partition_of(user_id, partitions), (user_id.encode(), value))
