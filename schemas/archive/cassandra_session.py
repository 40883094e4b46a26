"""The Cassandra driver at the rim: connect, send many with bounded concurrency, await a few.

Connecting and preparing block, so they are done in a thread. A write goes through `send`, in the writer's
thread: a statement is bound while others are under way, and one that fails is sent again, more gently. What
the driver raises becomes ArchiveUnavailable; the caller repeats the write.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from queue import Empty, SimpleQueue
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
"""Chains of one `send` under way. Halved when some fail, and raised by a few when all went well."""
IN_FLIGHT_MIN = 8
IN_FLIGHT_STEP = 8
FAILURES_MAX = 16
"""Of one pass; then no further chain is begun."""
RETRY_SECONDS = (0.1, 0.4, 1.6)
"""Before what failed is sent again; then the whole write fails."""

SAID_CHARS_MAX = 200
FAULTS = (DriverException, NoHostAvailable, ConnectionException, OSError)
"""What the driver raises."""


def unavailable(error: BaseException) -> ArchiveUnavailable:
    """Say what the driver said, in one line."""
    where = ""
    if isinstance(error, NoHostAvailable):
        where = "no node answers"
        if not error.errors:
            return ArchiveUnavailable(f"Cassandra: {where}")
        host, error = next(iter(error.errors.items()))
        where += f", {host}: "
    said = " ".join(str(error).split())[:SAID_CHARS_MAX]
    return ArchiveUnavailable(f"Cassandra: {where}{type(error).__name__}: {said}")


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

    def send(self, chains: Iterable[Iterable[Any]]) -> None:
        """Send writes; returns when all are acknowledged; blocks.

        The statements of one chain go one behind the other: none is sent before the one in front of it is
        acknowledged. Chains go side by side, bounded in number.

        Raises:
            ArchiveUnavailable: some were not acknowledged, each tried several times. What a chain has
                behind such a statement was not sent.

        """
        left: Iterable[Iterator[Any]] = map(iter, chains)
        done = 0
        for wait in (*RETRY_SECONDS, None):
            attempt = _Pass(self.raw, self._in_flight_max)
            left = attempt.run(left)
            if attempt.error is None:
                self._in_flight_max = min(IN_FLIGHT_MAX, self._in_flight_max + IN_FLIGHT_STEP)
                return
            self._in_flight_max = max(IN_FLIGHT_MIN, self._in_flight_max // 2)
            done += attempt.done
            if wait is None or not done:  # none at all: it is away, not overloaded
                raise unavailable(attempt.error) from attempt.error
            time.sleep(wait)


class _Pass:
    """One attempt at many chains. ``done``: statements acknowledged; ``error``: the first one there was."""

    def __init__(self, session: Any, in_flight_max: int) -> None:
        self.done = 0
        self.error: BaseException | None = None
        self._execute = session.execute_async
        self._in_flight_max = in_flight_max
        self._answers: SimpleQueue[tuple[Iterator[Any], Any, BaseException | None]] = SimpleQueue()

    def run(self, chains: Iterable[Iterator[Any]]) -> list[Iterator[Any]]:
        """Return what is left of the chains: what failed and what was to follow it."""
        waiting, under_way = iter(chains), 0
        left: list[Iterator[Any]] = []
        while True:
            while under_way < self._in_flight_max and len(left) <= FAILURES_MAX:
                upcoming = next(waiting, None)
                if upcoming is None:
                    break
                under_way += self._send_next(upcoming)
            if not under_way:
                return [*left, *waiting]
            answered, statement, error = self._next_answer()
            if error is not None:
                self.error = self.error or error
                left.append(chain([statement], answered))
                under_way -= 1
            else:
                self.done += 1
                under_way -= not self._send_next(answered)

    def _send_next(self, statements: Iterator[Any]) -> bool:
        """Send a chain's next statement; return whether it has one."""
        statement = next(statements, None)
        if statement is None:
            return False
        try:
            future = self._execute(statement)
        except FAULTS as error:
            self._answers.put((statements, statement, error))
        else:
            future.add_callbacks(
                self._succeeded,
                self._failed,
                callback_args=(statements, statement),
                errback_args=(statements, statement),
            )
        return True

    def _next_answer(self) -> tuple[Iterator[Any], Any, BaseException | None]:
        # The driver answers each within its own time-out; a driver that does not is as good as away.
        try:
            return self._answers.get(timeout=3 * REQUEST_SECONDS)
        except Empty:
            raise ArchiveUnavailable("Cassandra: the driver left a request unanswered") from None

    def _succeeded(self, _: Any, statements: Iterator[Any], statement: Any) -> None:
        self._answers.put((statements, statement, None))

    def _failed(self, error: BaseException, statements: Iterator[Any], statement: Any) -> None:
        self._answers.put((statements, statement, error))


def _settle(result: "asyncio.Future[Any]", rows: Any, error: BaseException | None) -> None:
    if result.done():
        return
    if error is None:
        result.set_result(rows)
    else:
        result.set_exception(unavailable(error))
