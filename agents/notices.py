"""What stages write to ``comments.notices``: to one author, what became of one comment."""

from agents.stage import Side
from schemas.codec import codec
from schemas.records import Event, Notice, Origin, Quoted
from schemas.refusals import LEFT_OUT, Code, words_of
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
    return _side(notice, partitions)


def left_out(stream_id: str, epoch: str, event: Event, *, origin: Origin, partitions: int) -> Side:
    """Return the record that gives a comment back to its author, who alone sees it: sampling left it out."""
    notice = Notice(
        stream_id=stream_id,
        user_id=event["user_id"],
        id=event["id"],
        code=LEFT_OUT,
        reason="",
        at=event["at"],
        origin=origin.to_wire(),
        epoch=epoch,
        comment=Quoted(
            seq=event["seq"],
            at=event["at"],
            id=event["id"],
            user_id=event["user_id"],
            user_name=event["user_name"],
            role=event["role"],
            text=event["text"],
            sticker=event["sticker"],
        ),
    )
    return _side(notice, partitions)


def _side(notice: Notice, partitions: int) -> Side:
    user_id = notice["user_id"]
    value = codec(NOTICES.record).encode(notice)
    return Side(NOTICES, partition_of(user_id, partitions), (user_id.encode(), value))
