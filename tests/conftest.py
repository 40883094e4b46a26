"""What every test gets: a time limit. And for those that ask, a real stack."""

import signal
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager

import hypothesis
import pytest
from redis.asyncio import Redis

from tests.collector import Collector, collecting
from tests.real import RealStack, real_stack
from tests.servers import redis_server

LIMIT_SECONDS = 120
INTEGRATION_LIMIT_SECONDS = 420
AGAIN_SECONDS = 5
"""A first alarm may be swallowed by what it interrupts; the next one comes after this."""

# An example's time says how busy the machine is; what hangs is caught by the limit above.
hypothesis.settings.register_profile(
    "default-here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("default-here")


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Run one collector of traces: the shared stack exports every comment's to it."""
    with collecting() as running:
        yield running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[RealStack]:
    """Run one real stack for all: a test takes streams of its own, and leaves the processes alone."""
    data = tmp_path_factory.mktemp("stack")
    traced = f'[tracing]\nendpoint = "{collector.endpoint}"\none_in = 1\n'
    (data / "livecomments.toml").write_text(traced, encoding="utf-8")
    with real_stack(data) as running:
        yield running


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Run one Redis for all tests that need no more than that."""
    with redis_server() as url:
        yield url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Return a client of that Redis, emptied."""
    client: Redis = Redis.from_url(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@contextmanager
def _limit(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("integration")
    seconds = marker.kwargs.get("seconds", INTEGRATION_LIMIT_SECONDS) if marker else LIMIT_SECONDS

    def late(*_: object) -> None:
        pytest.fail(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Bound the fixtures."""
    with _limit(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Bound the test."""
    with _limit(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Bound the clean-up."""
    with _limit(item):
        return (yield)
