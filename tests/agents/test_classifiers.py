"""Classifiers: the panel's deadline, declared answers and rest; the adapters."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web

from agents.classifiers import ClassifierError, Panel, Subject, open_panel
from agents.classifiers.example import keyboard_mashing
from agents.classifiers.http import HttpClassifier
from agents.classifiers.local import LocalClassifier, load
from agents.classifiers.panel import FAILURES_MAX, REST_SECONDS, SUBJECTS_MAX
from schemas.settings import Moderation, SettingsError

SUBJECTS = [Subject("s", "u", text) for text in ("one", "two")]


class Told:
    """Answers what it is told, or raises it."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.sizes: list[int] = []

    async def classify(self, subjects: Sequence[Subject]) -> Sequence[str]:
        self.sizes.append(len(subjects))
        answer = self.answers.pop(0) if self.answers else ["allow"] * len(subjects)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    async def close(self) -> None: ...


def panel(classifier: object, now: float = 0.0, **more: int) -> Panel:
    options = {"deadline_ms": 20, "concurrency": 2} | more
    return Panel(classifier, when_late="hold", now=lambda: now, **options)  # type: ignore[arg-type]


async def test_opinions_come_in_order_in_questions_of_bounded_size() -> None:
    """Many comments are several questions, and one answer."""
    told = Told()
    subjects = [Subject("s", "u", "x")] * (2 * SUBJECTS_MAX + 1)
    assert await panel(told, deadline_ms=10_000).opinions(subjects) == ["allow"] * len(subjects)
    assert sorted(told.sizes) == [1, SUBJECTS_MAX, SUBJECTS_MAX]
    assert await panel(told).opinions([]) == []


@pytest.mark.parametrize(
    "answer", [ClassifierError("down"), ["allow"], ["allow", "perhaps"], ["allow", "reject", "allow"]]
)
async def test_what_is_no_answer_gets_the_declared_opinion(answer: object) -> None:
    """Errors, too few or too many opinions, and unknown ones."""
    asked = panel(Told(answer))
    assert await asked.opinions(SUBJECTS) == ["hold", "hold"]
    assert asked.late == 2


async def test_a_dead_classifier_is_left_alone_for_a_while() -> None:
    """After some failures in a row nobody is asked, until the rest is over."""
    told, now = Told(*[ClassifierError("down")] * FAILURES_MAX), [0.0]
    asked = Panel(told, deadline_ms=20, when_late="allow", concurrency=1, now=lambda: now[0])
    for _ in range(FAILURES_MAX + 3):
        assert await asked.opinions(SUBJECTS) == ["allow", "allow"]
    assert len(told.sizes) == FAILURES_MAX
    now[0] = REST_SECONDS
    await asked.opinions(SUBJECTS)
    assert len(told.sizes) == FAILURES_MAX + 1


async def test_a_function_answers_in_a_thread_and_is_not_asked_again_while_it_is_late() -> None:
    """Its own thread, never two questions at once."""
    gate, names = threading.Event(), list[str]()

    def judge(texts: Sequence[str]) -> list[str]:
        names.append(threading.current_thread().name)
        gate.wait(10)
        return ["reject"] * len(texts)

    local = LocalClassifier(judge)
    try:
        asked = panel(local)
        assert await asked.opinions(SUBJECTS) == ["hold", "hold"]
        assert await asked.opinions(SUBJECTS) == ["hold", "hold"]
        assert len(names) == 1
        gate.set()
        assert names[0].startswith("classifier")
        async with asyncio.timeout(10):
            while await panel(local, deadline_ms=1_000).opinions(SUBJECTS) != ["reject", "reject"]:
                await asyncio.sleep(0)
    finally:
        await local.close()


async def test_a_function_that_raises_is_an_error() -> None:
    """Whatever it raises."""
    local = LocalClassifier(lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    with pytest.raises(ClassifierError, match="ZeroDivisionError"):
        await local.classify(SUBJECTS)
    await local.close()


@pytest.fixture
async def service() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        rows = (await request.json())["comments"]
        match request.path:
            case "/good":
                return web.json_response(
                    {"verdicts": ["hold" if row["text"] == "two" else "allow" for row in rows]}
                )
            case "/html":
                return web.Response(text="<html>", content_type="text/html")
            case "/list":
                return web.json_response({"verdicts": "allow"})
            case _:
                return web.Response(status=500)

    app = web.Application()
    app.router.add_post("/{path}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def test_a_service_is_asked_once_for_some_comments(service: str) -> None:
    """Texts go, verdicts come, in order."""
    http = HttpClassifier(f"{service}/good", 2)
    assert await http.classify(SUBJECTS) == ["allow", "hold"]
    await http.close()


@pytest.mark.parametrize("path", ["html", "list", "broken"])
async def test_a_service_that_says_something_else_is_an_error(service: str, path: str) -> None:
    """Another status, no JSON, no list."""
    http = HttpClassifier(f"{service}/{path}", 2)
    with pytest.raises(ClassifierError):
        await http.classify(SUBJECTS)
    await http.close()


async def test_a_service_that_is_not_there_is_an_error() -> None:
    """Nobody listens."""
    http = HttpClassifier("http://127.0.0.1:9", 1)
    with pytest.raises(ClassifierError):
        await http.classify(SUBJECTS)
    await http.close()


def test_settings_name_the_classifier() -> None:
    """A module's function, or a mistake that says what is wrong."""
    assert load("agents.classifiers.example:keyboard_mashing") is keyboard_mashing
    assert open_panel(Moderation()) is None
    for wrong in (
        "no.such.module:x",
        "agents.classifiers.example:nothing",
        "agents.classifiers.example:re",
        ":",
    ):
        with pytest.raises(SettingsError, match=r"moderation\.classifier"):
            load(wrong)


def test_the_example_holds_what_is_typed_by_a_cat() -> None:
    """And lets words pass."""
    assert keyboard_mashing(["sdfghjkl", "strengths"]) == ["hold", "allow"]
