"""Sending many writes: order within a chain, bounds, retries. The driver's session is a fake."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cassandra.cluster import NoHostAvailable

from schemas.archive import ArchiveUnavailable, cassandra_session
from schemas.archive.cassandra_session import FAILURES_MAX, IN_FLIGHT_MAX, IN_FLIGHT_MIN, Session

AWAY = NoHostAvailable("away", {})


class Future:
    """What the driver returns: calls back when it is told to."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error
        self.answer: Callable[[], None] = lambda: None

    def add_callbacks(
        self, callback: Any, errback: Any, callback_args: tuple[Any, ...], errback_args: tuple[Any, ...]
    ) -> None:
        if self._error is None:
            self.answer = lambda: callback(None, *callback_args)
        else:
            self.answer = lambda: errback(self._error, *errback_args)


class Driver:
    """Answers the oldest request when as many as it takes are under way, or nobody sends more."""

    def __init__(self, fails: Callable[[Any, int], bool] = lambda *_: False, takes: int = 10_000) -> None:
        self.sent: list[Any] = []
        self.acknowledged: list[Any] = []
        self.tries: Counter[Any] = Counter()
        self.most = 0
        self._fails = fails
        self._takes = takes
        self._under_way: deque[tuple[Any, Future, bool]] = deque()

    def execute_async(self, statement: Any) -> Future:
        self.sent.append(statement)
        self.tries[statement] += 1
        failed = self._fails(statement, self.tries[statement])
        future = Future(AWAY if failed else None)
        self._under_way.append((statement, future, failed))
        self.most = max(self.most, len(self._under_way))
        return future

    def answer_one(self) -> None:
        statement, future, failed = self._under_way.popleft()
        if not failed:
            self.acknowledged.append(statement)
        future.answer()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without waiting."""
    monkeypatch.setattr(cassandra_session, "RETRY_SECONDS", (0.0, 0.0, 0.0))


@pytest.fixture
def session_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Driver], Session]:
    """Return a function that makes a session whose waits for an answer let the driver answer one."""
    wait = cassandra_session._Pass._next_answer

    def make(driver: Driver) -> Session:
        def answered(attempt: Any) -> Any:
            driver.answer_one()
            return wait(attempt)

        monkeypatch.setattr(cassandra_session._Pass, "_next_answer", answered)
        return Session(None, driver)

    return make


def chains(count: int, length: int) -> Iterator[Iterator[tuple[int, int]]]:
    return (iter([(number, step) for step in range(length)]) for number in range(count))


def test_all_are_sent_and_a_chain_in_its_order(session_of: Callable[[Driver], Session]) -> None:
    """Everything is acknowledged once; of a chain nothing is sent before what is in front of it."""
    driver = Driver()
    session_of(driver).send(chains(300, 5))
    assert sorted(driver.acknowledged) == [(number, step) for number in range(300) for step in range(5)]
    for number in range(300):
        assert [step for chain, step in driver.sent if chain == number] == [0, 1, 2, 3, 4]
    assert driver.most == IN_FLIGHT_MAX


def test_nothing_to_send(session_of: Callable[[Driver], Session]) -> None:
    """No chains, and empty ones, are sent at once."""
    driver = Driver()
    session_of(driver).send([])
    session_of(driver).send([[], []])
    assert driver.sent == []


def test_what_fails_is_sent_again_and_what_follows_it_waits(session_of: Callable[[Driver], Session]) -> None:
    """A failed statement is repeated before its chain goes on; other chains go on meanwhile."""
    driver = Driver(lambda statement, tries: statement[1] == 2 and statement[0] % 7 == 0 and tries < 3)
    session_of(driver).send(chains(50, 4))
    assert sorted(driver.acknowledged) == [(number, step) for number in range(50) for step in range(4)]
    for number in range(50):
        steps = [step for chain, step in driver.acknowledged if chain == number]
        assert steps == [0, 1, 2, 3]
    assert {driver.tries[number, 2] for number in range(0, 50, 7)} == {3}
    assert {driver.tries[number, 2] for number in range(50) if number % 7} == {1}


def test_what_goes_on_failing_is_unavailable(session_of: Callable[[Driver], Session]) -> None:
    """After a few tries the write fails, and what is behind the failed statement was never sent."""
    driver = Driver(lambda statement, _: statement == (3, 1))
    with pytest.raises(ArchiveUnavailable, match="Cassandra: no node answers"):
        session_of(driver).send(chains(10, 3))
    assert driver.tries[3, 1] == 1 + len(cassandra_session.RETRY_SECONDS)
    assert (3, 2) not in driver.tries
    assert len(driver.acknowledged) == 28


def test_a_store_that_answers_nothing_is_away(session_of: Callable[[Driver], Session]) -> None:
    """When nothing at all succeeds no further chain is begun, and nothing is tried again."""
    driver = Driver(lambda *_: True)
    with pytest.raises(ArchiveUnavailable):
        session_of(driver).send(chains(10_000, 2))
    assert len(driver.sent) <= IN_FLIGHT_MAX + FAILURES_MAX
    assert set(driver.tries.values()) == {1}


def test_failures_make_it_gentler(session_of: Callable[[Driver], Session]) -> None:
    """Each failed attempt halves what is under way at once, to a minimum; success raises it again."""
    driver = Driver(lambda statement, tries: statement[0] == 0 and tries < 4)
    session = session_of(driver)
    session.send(chains(1_000, 1))
    driver.most = 0
    session.send(chains(1_000, 1))
    assert driver.most < IN_FLIGHT_MAX // 2
    for _ in range(IN_FLIGHT_MAX // cassandra_session.IN_FLIGHT_STEP):
        session.send(chains(1, 1))
    driver.most = 0
    session.send(chains(1_000, 1))
    assert driver.most == IN_FLIGHT_MAX
    away = Driver(lambda *_: True)
    session = session_of(away)
    for _ in range(10):
        with pytest.raises(ArchiveUnavailable):
            session.send(chains(100, 1))
    away.most = 0
    with pytest.raises(ArchiveUnavailable):
        session.send(chains(100, 1))
    assert away.most == IN_FLIGHT_MIN


def test_an_error_of_the_driver_itself_is_a_failure(session_of: Callable[[Driver], Session]) -> None:
    """What the driver raises instead of answering is a failed statement, too."""

    class Raising(Driver):
        def execute_async(self, statement: Any) -> Future:
            if statement == (1, 0) and not self.tries[statement]:
                self.tries[statement] += 1
                raise AWAY
            return super().execute_async(statement)

        def answer_one(self) -> None:
            if self._under_way:
                super().answer_one()

    driver = Raising()
    session_of(driver).send(chains(3, 2))
    assert sorted(driver.acknowledged) == [(number, step) for number in range(3) for step in range(2)]


def test_what_the_driver_said_is_one_line() -> None:
    """The message names the node and its own error, without the driver's wrapping."""
    refused = ConnectionRefusedError(111, "Connection refused")
    error = NoHostAvailable("Unable to connect to any servers", {"10.0.0.1:9042": refused})
    said = str(cassandra_session.unavailable(error))
    assert (
        said
        == "Cassandra: no node answers, 10.0.0.1:9042: ConnectionRefusedError: [Errno 111] Connection refused"
    )
    assert str(cassandra_session.unavailable(OSError("a\nb"))) == "Cassandra: OSError: a b"
