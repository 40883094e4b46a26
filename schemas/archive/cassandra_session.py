"""The Cassandra driver at the rim: connect, send many with bounded concurrency, await a few.

Connecting and preparing block, so they are done in a thread. A write goes through `send`, in the writer's
thread: a statement is bound while earlier ones are under way, and one that fails is sent again, alone, more
gently. What the driver raises becomes ArchiveUnavailable; the caller repeats the write.
"""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from cassandra import ConsistencyLevel, DriverException
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    ResponseFuture,
)
from cassandra.connection import ConnectionException
from cassandra.policies import DCAwareRoundRobinPolicy, ExponentialReconnectionPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from schemas import settings as config
from schemas.archive.base import ArchiveUnavailable

PROTOCOL_VERSION = 4
"""The last one without checksummed frames, which the driver computes in Python."""
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 10.0
RECONNECT_SECONDS_FIRST = 0.5
RECONNECT_SECONDS_MAX = 10.0
IN_FLIGHT_MAX = 128
"""Statements of one `send` under way. Halved when some fail, and raised by a few when all went well."""
IN_FLIGHT_MIN = 8
IN_FLIGHT_STEP = 8
FAILURES_MAX = 16
"""Of one pass; then the rest is not tried."""
RETRY_SECONDS = (0.1, 0.4, 1.6)
"""Before what failed is sent again; then the whole write fails."""

FAULTS = (DriverException, NoHostAvailable, ConnectionException, OSError)
"""What the driver raises."""


def unavailable(error: BaseException) -> ArchiveUnavailable:
    """Say what the driver said, in one line."""
    return ArchiveUnavailable(f"Cassandra: {type(error).__name__}: {str(error).splitlines()[0][:200]}")


class Session:
    """A connected session. Made by `connect`, in a thread."""

    def __init__(self, cluster: Cluster, session: Any) -> None:
        self.cluster = cluster
        self.raw = session
        self._in_flight_max = IN_FLIGHT_MAX

    @classmethod
    def connect(cls, cassandra: config.Cassandra) -> "Session":
        """Connect; blocks.

        Raises:
            ArchiveUnavailable: no node answers.

        """
        # What it says of nodes that are away is said here, once.
        logging.getLogger("cassandra").setLevel(logging.CRITICAL)
        profile = ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(cassandra.datacenter)),
            consistency_level=ConsistencyLevel.LOCAL_QUORUM,
            request_timeout=REQUEST_SECONDS,
            row_factory=tuple_factory,
        )
        cluster = Cluster(
            list(cassandra.hosts),
            port=cassandra.port,
            protocol_version=PROTOCOL_VERSION,
            compression=False,
            # Or the second packet of a request waits 40 ms for the first one's acknowledgement.
            sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            connect_timeout=CONNECT_SECONDS,
            control_connection_timeout=CONNECT_SECONDS,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            reconnection_policy=ExponentialReconnectionPolicy(
                RECONNECT_SECONDS_FIRST, RECONNECT_SECONDS_MAX, max_attempts=None
            ),
        )
        try:
            session = cluster.connect()
        except FAULTS as error:
            cluster.shutdown()
            raise unavailable(error) from error
        # Every write says its time itself.
        session.use_client_timestamp = False
        return cls(cluster, session)

    def close(self) -> None:
        """Disconnect; blocks."""
        self.cluster.shutdown()

    async def rows(self, statement: Any, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the rows of one query, at most a driver's page of them."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()
        future: ResponseFuture = self.raw.execute_async(statement, parameters)

        def settle(rows: Any, error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone, and with it who waited
                loop.call_soon_threadsafe(_settle, result, rows, error)

        future.add_callbacks(lambda rows: settle(rows, None), lambda error: settle(None, error))
        return list(await result or ())

    def all_rows(self, statement: Any, parameters: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
        """Yield the rows of a query, page by page; blocks."""
        try:
            yield from self.raw.execute(statement, parameters)
        except FAULTS as error:
            raise unavailable(error) from error

    def many_rows(
        self, statement: Any, parameters: Iterable[Sequence[Any]]
    ) -> Iterable[Iterable[tuple[Any, ...]]]:
        """Yield the rows of a query for each of a few parameters, which are asked for at once; blocks."""
        try:
            for future in [self.raw.execute_async(statement, each) for each in parameters]:
                yield future.result()
        except FAULTS as error:
            raise unavailable(error) from error

    def send(self, statements: Iterable[Any]) -> None:
        """Send writes; returns when all are acknowledged; blocks.

        Raises:
            ArchiveUnavailable: some were not, each tried several times.

        """
        for wait in (*RETRY_SECONDS, None):
            attempt = _Pass(self.raw, self._in_flight_max)
            failed = attempt.run(statements)
            if not failed:
                self._in_flight_max = min(IN_FLIGHT_MAX, self._in_flight_max + IN_FLIGHT_STEP)
                return
            self._in_flight_max = max(IN_FLIGHT_MIN, self._in_flight_max // 2)
            statements = [statement for statement, _ in failed]
            error = failed[0][1]
            if wait is None or not attempt.done:  # none of them: it is away, not overloaded
                raise unavailable(error) from error
            time.sleep(wait)


class _Pass:
    """One attempt at many statements."""

    def __init__(self, session: Any, in_flight_max: int) -> None:
        self._session = session
        self._in_flight_max = in_flight_max
        self._free = threading.Semaphore(in_flight_max)
        self._failed: list[tuple[Any, BaseException]] = []
        self.done = 0

    def run(self, statements: Iterable[Any]) -> list[tuple[Any, BaseException]]:
        """Return what failed, with why."""
        execute = self._session.execute_async
        waiting = iter(statements)
        for statement in waiting:
            self._acquire()
            try:
                execute(statement).add_callbacks(self._done, self._fail, errback_args=(statement,))
            except FAULTS as error:
                self._fail(error, statement)
            if len(self._failed) > FAILURES_MAX:
                self._failed.extend((each, self._failed[0][1]) for each in waiting)
        for _ in range(self._in_flight_max):
            self._acquire()
        return self._failed

    def _acquire(self) -> None:
        # The driver answers each within its own time-out; a driver that does not is as good as away.
        if not self._free.acquire(timeout=3 * REQUEST_SECONDS):
            raise ArchiveUnavailable("Cassandra: the driver left a request unanswered")

    def _done(self, _: Any) -> None:
        self.done += 1  # in the driver's one thread
        self._free.release()

    def _fail(self, error: BaseException, statement: Any) -> None:
        self._failed.append((statement, error))
        self._free.release()


def _settle(result: "asyncio.Future[Any]", rows: Any, error: BaseException | None) -> None:
    if result.done():
        return
    if error is None:
        result.set_result(rows)
    else:
        result.set_exception(unavailable(error))
