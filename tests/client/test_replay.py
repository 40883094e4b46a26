"""The replayer against a system that a test plays, on a clock that a test moves."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from livecomments.client.api import Refused, Unknown, Unreachable
from livecomments.client.chatlog import Message
from livecomments.client.pace import Pace
from livecomments.client.replay import GIVE_UP_SECONDS, Counts, Replay

Post = Callable[[Message, str], Awaitable[None]]


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)  # whoever can go on does so first
        self.now += seconds


def messages(number: int, step_ms: int = 100) -> list[Message]:
    return [Message(n * step_ms, f"user-{n}", "Ana", f"text {n}") for n in range(number)]


async def played(
    post: Post, log: list[Message], *, speed: float = 0, at_once: int = 4, clock: Clock | None = None
) -> Counts:
    clock, counts, ids = clock or Clock(), Counts(), count()
    replay = Replay(
        post, Pace(speed), counts, new_id=lambda: f"id-{next(ids)}", now=lambda: clock.now, sleep=clock.sleep,
        at_once=at_once,
    )  # fmt: skip
    await replay.run(log)
    return counts


async def test_all_are_posted() -> None:
    """Every message is posted once, under an id of its own, in the log's order."""
    seen: list[tuple[str, str]] = []

    async def post(message: Message, id_: str) -> None:
        seen.append((message.text, id_))

    counts = await played(post, messages(20))
    assert seen == [(f"text {n}", f"id-{n}") for n in range(20)]
    assert (counts.read, counts.accepted, counts.retried, counts.unknown) == (20, 20, 0, 0)


async def test_pace() -> None:
    """A message is posted when it is due: at its time over the speed."""
    clock, at = Clock(), list[float]()

    async def post(_: Message, __: str) -> None:
        at.append(clock.now)

    await played(post, messages(5), speed=2, clock=clock)
    assert at == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


async def test_bounded() -> None:
    """No more posts are on their way than places."""
    running = most = 0

    async def post(_: Message, __: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await played(post, messages(50), at_once=7)
    assert most == 7


async def test_unknown_is_repeated_with_the_same_id() -> None:
    """A post without a known outcome is repeated under its id until it has one."""
    tries: dict[str, list[str]] = {}

    async def post(message: Message, id_: str) -> None:
        tries.setdefault(message.text, []).append(id_)
        if len(tries[message.text]) < 4:
            raise Unknown

    counts = await played(post, messages(3))
    assert all(len(ids) == 4 and len(set(ids)) == 1 for ids in tries.values())
    assert (counts.accepted, counts.retried, counts.unknown) == (3, 9, 0)


async def test_refused_is_not_repeated() -> None:
    """A refusal is counted under its name and left."""

    async def post(message: Message, _: str) -> None:
        if message.user == "user-1":
            raise Refused(429, "rate_limited", "too fast", 1.0)

    counts = await played(post, messages(4))
    assert counts.refused == {"rate_limited": 1}
    assert (counts.accepted, counts.retried) == (3, 0)


async def test_gives_up_before_a_repeat_would_count_twice() -> None:
    """A post that never has an outcome is given up, in time, and counted as unknown."""
    clock = Clock()

    async def post(_: Message, __: str) -> None:
        raise Unknown

    counts = await played(post, messages(1), clock=clock)
    assert (counts.accepted, counts.unknown) == (0, 1)
    assert clock.now <= GIVE_UP_SECONDS


async def test_nobody_there() -> None:
    """When the first message finds nobody, that is said; later the same is waited out."""

    async def nobody(_: Message, __: str) -> None:
        raise Unreachable("no API")

    with pytest.raises(Unreachable):
        await played(nobody, messages(3))

    away = count()

    async def away_for_a_while(message: Message, _: str) -> None:
        if message.user != "user-0" and next(away) < 5:
            raise Unreachable("no API")

    counts = await played(away_for_a_while, messages(3), at_once=1)
    assert (counts.accepted, counts.retried) == (3, 5)


async def test_behind() -> None:
    """A replay that has no free place in time says how late it is."""
    clock = Clock()

    async def post(_: Message, __: str) -> None:
        clock.now += 1

    counts = await played(post, messages(5, step_ms=100), speed=1, at_once=1, clock=clock)
    assert 3.5 < counts.behind_seconds < 3.8
    assert counts.to_json(5)["accepted_per_second"] == 1.0
