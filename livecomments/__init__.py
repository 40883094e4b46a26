"""The command line, the local stack, the load test and the checker of livecomments; and a Python client.

``livecomments.connect`` is the client's beginning; see :mod:`livecomments.client.connect`.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from livecomments.client.connect import connect as connect
    from livecomments.client.happenings import Comment as Comment
    from livecomments.client.happenings import CommentRefused as CommentRefused
    from livecomments.client.happenings import Hole as Hole
    from livecomments.client.happenings import LiveCommentsError as LiveCommentsError
    from livecomments.client.happenings import Moderation as Moderation
    from livecomments.client.happenings import NotConnected as NotConnected
    from livecomments.client.happenings import OutcomeUnknown as OutcomeUnknown
    from livecomments.client.happenings import StreamClosed as StreamClosed
    from livecomments.client.happenings import User as User
    from livecomments.client.items import State as State
    from livecomments.client.notices import LeftOut as LeftOut
    from livecomments.client.notices import Notice as Notice
    from livecomments.client.position import Position as Position

_CLIENT = {
    "connect": "connect",
    "LeftOut": "notices",
    "Notice": "notices",
    "Position": "position",
    "State": "items",
    **dict.fromkeys(
        ("Comment", "CommentRefused", "Hole", "LiveCommentsError", "Moderation", "NotConnected"), "happenings"
    ),
    **dict.fromkeys(("OutcomeUnknown", "StreamClosed", "User"), "happenings"),
}


def __getattr__(name: str) -> Any:
    """Import the client when it is used: ``livecomments --help`` must not wait for it."""
    if name not in _CLIENT:
        raise AttributeError(f"module 'livecomments' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"livecomments.client.{_CLIENT[name]}"), name)
