"""A Redis for the tests that need a real one."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from tests.servers import redis_server


@pytest.fixture(scope="package")
def redis_url() -> Iterator[str]:
    """Run one for all tests of the edge."""
    with redis_server() as url:
        yield url


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """Return a client of an empty Redis."""
    client: Redis = Redis.from_url(redis_url)
    await client.flushall()
    yield client
    await client.aclose()
