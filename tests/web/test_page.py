"""The page in a browser, against a real stack: comments in order, posting, catching up."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real import RealStack
from tests.web.browser import Page, browser

pytestmark = pytest.mark.integration


@pytest.fixture
def stream() -> str:
    return f"page-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def page(stack: RealStack, stream: str, tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "profile") as chrome:
        found = Page(chrome, f"http://{stack.edge}/?stream={stream}&user=viewer&name=Vi")
        found.until(lambda: found.live.get("state") == "live", "the page is not live")
        yield found
        assert found.errors() == []


def say(stack: RealStack, stream: str, *texts: str) -> None:
    """Say something in the stream, as somebody else."""
    for text in texts:
        done = stack.run("send", stream, text, "--user", "ana", "--name", "Ana", "--role", "moderator")
        assert done.returncode == 0, done.stderr


def replay(stack: RealStack, stream: str, tmp_path: Path, first: int, last: int) -> None:
    """Let a crowd say ``text first`` to ``text last``."""
    log = tmp_path / f"{first}.jsonl"
    rows = [f'{{"t_ms": {n}, "user": "u{n}", "text": "text {n}"}}\n' for n in range(first, last + 1)]
    log.write_text("".join(rows))
    done = stack.run("replay-log", str(log), "--stream", stream, "--speed", "0")
    assert done.returncode == 0, done.stderr


def test_comments_in_order(page: Page, stack: RealStack, stream: str) -> None:
    """Comments appear in the order of their numbers, with state, position and epoch beside them."""
    say(stack, stream, "one", "zwei 👋", "<b>three</b>")
    page.until(lambda: len(page.rows()) == 3, "three comments are not shown")
    assert page.rows() == [(1, "one"), (2, "zwei 👋"), (3, "<b>three</b>")]
    assert (page.text_of("state"), page.text_of("seq"), page.text_of("count")) == ("live", "3", "3")
    assert page.text_of("epoch") == page.live["epoch"]
    assert page.live["seqs"] == [1, 2, 3]


def test_post(page: Page, stack: RealStack, stream: str) -> None:
    """A comment that is typed is posted, shown once as one's own, and there for everybody."""
    page.say("hello from the page")
    page.until(lambda: page.rows() == [(1, "hello from the page")], "the comment is not shown")
    assert page.run("return document.getElementById('chat').shadowRoot.querySelectorAll('.own').length") == 1
    assert page.run("return document.getElementById('chat').shadowRoot.getElementById('text').value") == ""
    line = stack.run("tail", stream, "--from-start", "--count", "1").stdout
    assert "Vi" in line
    assert "hello from the page" in line


def test_offline_and_back(page: Page, stack: RealStack, stream: str, tmp_path: Path) -> None:
    """Who goes offline and comes back has everything, once, in order, and is told what was missed."""
    replay(stack, stream, tmp_path, 1, 20)
    page.until(lambda: page.live["count"] == 20, "the first comments are not shown")
    page.click("toggle")
    page.until(lambda: page.live["state"] == "offline", "the page is not offline")
    assert page.text_of("toggle") == "Come back"
    page.run("window.left = performance.now()")
    replay(stack, stream, tmp_path, 21, 150)
    assert page.live["count"] == 20
    page.until(lambda: page.run("return performance.now() - left > 1500"), "an absence too short to be shown")
    page.click("toggle")
    page.until(lambda: page.live["state"] == "live" and page.live["count"] >= 150, "the rest is not shown")
    replay(stack, stream, tmp_path, 151, 160)
    page.until(lambda: page.live["count"] >= 160, "it does not go on live")
    live = page.live
    assert live["seqs"] == list(range(1, 161))
    assert (live["gaps"], live["duplicates"], live["holes"], live["omitted"]) == (0, 0, 0, 0)
    assert live["lastCatchUp"]["comments"] == 130
    assert live["lastCatchUp"]["recovered"] is True
    assert "Caught up with 130 comments" in page.text_of("outcome")
    assert "no gap, no repeat" in page.text_of("outcome")
    divider = "return document.getElementById('chat').shadowRoot.querySelector('.divider.back')?.textContent"
    page.until(lambda: "You were away" in (page.run(divider) or ""), "the absence is not shown in the list")


def test_deleted_comments_go(page: Page, stack: RealStack, stream: str) -> None:
    """A comment that a moderator deletes leaves the screen; what one says is refused with the reason."""
    say(stack, stream, "stays", "goes")
    page.until(lambda: len(page.rows()) == 2, "the comments are not shown")
    target = page.run(
        "return document.getElementById('chat').shadowRoot.querySelectorAll('.row')[1].dataset.id"
    )
    assert stack.run("mod", "delete", stream, target).returncode == 0
    page.until(lambda: [text for _, text in page.rows()] == ["stays"], "the comment does not go")
    assert stack.run("mod", "ban", stream, "viewer").returncode == 0
    refusal = "return document.getElementById('chat').shadowRoot.querySelector('.refusal')?.textContent ?? ''"

    def refused() -> bool:
        page.say("let me speak")
        return "banned" in page.run(refusal)

    page.until(refused, "nothing is refused")


def test_element_whose_stream_is_set_at_any_time(page: Page, stream: str) -> None:
    """An element connects whether its stream is set before it is put into a page, at once, or later."""
    page.run(
        f"""
        window.made = [0, 1, 2].map(() => document.createElement("live-comments"));
        made[0].stream = "{stream}";
        document.body.append(...made);
        made[1].stream = "{stream}";
        setTimeout(() => (made[2].stream = "{stream}"), 200);
        """
    )
    page.until(
        lambda: page.run("return made.map((each) => each.snapshot().state)") == ["live"] * 3,
        "not every element is live",
    )
