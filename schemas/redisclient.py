"""The one way to Redis: a client with the settings' time-outs, for every process."""

from typing import Any

from redis.asyncio import Redis

from schemas.settings import Redis as Settings


def redis_client(redis: Settings, *, timeout_ms: int | None = None, **options: Any) -> Redis:
    """Make a client; nothing is connected yet. ``timeout_ms``: of one request, in place of the setting's."""
    seconds = (redis.timeout_ms if timeout_ms is None else timeout_ms) / 1000
    client: Redis = Redis.from_url(
        redis.url, socket_timeout=seconds, socket_connect_timeout=seconds, **options
    )
    return client
