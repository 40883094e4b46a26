"""What a viewer asks of a replay: the data of its subscribe, or of the call ``replay``. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.api.histogram import BUCKETS_MAX

POSITION_MS_MAX: Final = 31 * 86_400_000
"""Of a video: a month."""
SPEED_MIN: Final = 0.25
SPEED_MAX: Final = 16.0
TIME_MS_MAX: Final = 2**53 - 1
EPOCH_CHARS_MAX: Final = 100
BUCKETS: Final = 100


class AskedWrongError(ValueError):
    """The client's fault: a member that does not exist, or has a bad value. Not to be retried as it is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """None: as it is. ``position_ms``: of the video; ``speed``: 1 is the video's own.

    When subscribing alone: ``starts_at``, when the video began (ms since 1970; None: with the stream's first
    event), and ``epoch`` (None: the newest).
    """

    position_ms: float | None = None
    speed: float | None = None
    paused: bool | None = None
    starts_at: int | None = None
    epoch: str | None = None


def on_subscribe(data: object) -> Asked:
    """Read the data of a subscribe. Raises AskedWrongError."""
    body = _members(data, {"position_ms", "speed", "paused", "starts_at", "epoch"})
    starts_at = _number(body, "starts_at", 0, TIME_MS_MAX)
    epoch = body.get("epoch")
    if epoch is not None and (not isinstance(epoch, str) or not 0 < len(epoch) <= EPOCH_CHARS_MAX):
        raise AskedWrongError(f"epoch is not a string of 1 to {EPOCH_CHARS_MAX} characters")
    return _asked(body, None if starts_at is None else int(starts_at), epoch)


def on_call(data: object) -> tuple[str, Asked]:
    """Read the data of a call: which channel's replay, and what of it. Raises AskedWrongError."""
    body = _members(data, {"channel", "position_ms", "speed", "paused"})
    return _channel(body), _asked(body)


def on_survey(data: object) -> tuple[str, int]:
    """Read the data of a call for a histogram: of which channel's replay, and how many bars of it."""
    body = _members(data, {"channel", "buckets"})
    channel = _channel(body)
    buckets = _number(body, "buckets", 1, BUCKETS_MAX)
    return channel, BUCKETS if buckets is None else int(buckets)


def _channel(body: Mapping[str, Any]) -> str:
    channel = body.get("channel")
    if not isinstance(channel, str):
        raise AskedWrongError("channel is not a string: the replay that is meant, as it was subscribed to")
    return channel


def _asked(body: Mapping[str, Any], starts_at: int | None = None, epoch: str | None = None) -> Asked:
    paused = body.get("paused")
    if paused is not None and not isinstance(paused, bool):
        raise AskedWrongError("paused is neither true nor false")
    position = _number(body, "position_ms", 0, POSITION_MS_MAX)
    return Asked(position, _number(body, "speed", SPEED_MIN, SPEED_MAX), paused, starts_at, epoch)


def _members(data: object, names: set[str]) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise AskedWrongError("the data is not a JSON object")
    if unknown := data.keys() - names:
        allowed = ", ".join(sorted(names))
        raise AskedWrongError(f"there is no {min(unknown)[:32]!r}: what can be asked is {allowed}")
    return data


def _number(body: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AskedWrongError(f"{name} is not a number")
    if not least <= value <= most:  # which NaN is not, either
        raise AskedWrongError(f"{name} is not {least:g} to {most:.0f}")
    return value
