"""Ending tasks, those that lose a cancellation too."""

import asyncio

from edge.tasks import end


async def test_a_task_that_loses_its_first_cancellation_is_asked_again() -> None:
    """It ends all the same, and what it raises then is left alone."""
    asked: list[int] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked.append(1)
                if len(asked) == 3:
                    raise ValueError from None

    async def willing() -> None:
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(willing())]
    await asyncio.sleep(0)
    await end(tasks)
    assert len(asked) == 3
    assert tasks[1].cancelled()
    assert isinstance(tasks[0].exception(), ValueError)


async def test_tasks_that_ended_are_no_work() -> None:
    """Nor is having none."""
    task = asyncio.create_task(asyncio.sleep(0, None))
    await task
    await end([task])
    await end([])
