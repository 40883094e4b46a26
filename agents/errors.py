"""What can go wrong in a stage. All of it ends the process; the supervisor starts a clean one."""


class StageError(Exception):
    """Root of the stages' errors."""


class LostHistoryError(StageError):
    """A stretch of the log that a stage's state stands on is gone, or was never covered.

    Nobody's retry helps: an operator decides, and raises the epoch (``livecomments topics
    raise-epoch``) to go on without it.
    """


class FencedError(StageError):
    """Another worker claimed this partition. This one must stop; starting again is right."""


class RecoveryError(StageError):
    """A recovery did not reach the end of what it had to read. Starting again is right."""


class LogUnavailableError(StageError):
    """Kafka did not take or give a record within its limits. Starting again is right."""
