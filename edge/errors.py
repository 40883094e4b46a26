"""Errors of the edge and the API: whose fault it is, and whether to retry."""

import traceback


class EdgeError(Exception):
    """Anything that goes wrong in this package."""


class Forbidden(EdgeError):  # noqa: N818 - named as HTTP names it
    """The viewer's fault: not allowed to do this here. Retrying with the same token cannot help."""


class FeedAwayError(EdgeError):
    """Kafka's fault: what viewers are to be shown cannot be read now. Retry."""


class StartError(EdgeError):
    """The operator's fault: the edge cannot run as it is set up. Retrying cannot help."""


def fault(error: BaseException) -> dict[str, str]:
    """Return what the log may say of an unforeseen error: its kind and its place.

    Not its message, which may hold a viewer's text or token.
    """
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    at = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return {"error": type(error).__name__, "at": at}
