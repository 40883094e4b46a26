"""Whether an own comment, which sampling left out, may be shown to its author: what this edge knows of it."""

from collections.abc import Callable

from edge.stream import Stream
from schemas.records import Quoted


def known_shown(find: Callable[[str], Stream | None]) -> Callable[[str, str, Quoted], bool]:
    """Return what says of a comment (of a stream and epoch) that it was not taken away.

    True only where the stream is here and its ring reaches back so far: a delete would be in it.
    """

    def shows(stream_id: str, epoch: str, comment: Quoted) -> bool:
        stream = find(stream_id)
        if stream is None or stream.stale or stream.ring.epoch != epoch:
            return False
        if comment["seq"] <= stream.ring.start:
            return False
        return not stream.ring.overlay.hides_comment(comment["id"], comment["user_id"], comment["seq"])

    return shows
