"""When is a service that ended started again? Pure.

At once the first time, for a stage that was killed must not be missed; then later and later, so that one
that cannot start does not take the machine.
"""

DELAY_FIRST_SECONDS = 0.2
DELAY_MAX_SECONDS = 5.0
STEADY_SECONDS = 10.0
"""After this long up, the next end counts as the first again."""
EARLY_ENDS_MAX = 3
"""Ends before it was ever ready, after which the start of the stack has failed."""


def delay_seconds(previous: float | None, uptime_seconds: float) -> float:
    """Return how long to wait before the next start.

    ``previous`` is what was waited before this life (None: it was the first), ``uptime_seconds`` how long
    this life was.
    """
    if previous is None or uptime_seconds >= STEADY_SECONDS:
        return 0.0
    return min(max(previous * 2, DELAY_FIRST_SECONDS), DELAY_MAX_SECONDS)
