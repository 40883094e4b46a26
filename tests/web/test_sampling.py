"""A busy stream's page in a browser, against a real stack: a selection, one's own, reactions."""

import contextlib
import json
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.real import RealStack
from tests.web.browser import Page, browser

pytestmark = pytest.mark.integration

IN_CHAT = "document.getElementById('chat').shadowRoot"


@pytest.fixture
def stream() -> str:
    return f"busy-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def page(stack: RealStack, stream: str, tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "profile") as chrome:
        found = Page(chrome, f"http://{stack.edge}/?stream={stream}&user=viewer&name=Vi")
        found.until(lambda: found.live.get("state") == "live", "the page is not live")
        yield found
        assert found.errors() == []


def call(stack: RealStack, method: str, path: str, body: object = None) -> None:
    """Ask the API for something, as the platform."""
    token = stack.run("token", "--user", "root", "--role", "platform").stdout.strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with contextlib.closing(HTTPConnection(stack.api, timeout=30)) as connection:
        connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        assert answer.status < 300, answer.read()


def test_a_selection_is_said_to_be_one_and_ones_own_is_in_it(
    page: Page, stack: RealStack, stream: str, tmp_path: Path
) -> None:
    """Switched on for a stream, sampling shows at once; «1 of N shown» with a crowd; no gap, no repeat."""
    call(stack, "POST", "/v1/streams", {"id": stream, "creator": "ana"})
    call(stack, "PUT", f"/v1/streams/{stream}/settings", {"sampling": "on"})
    page.until(lambda: page.run(f"return !!{IN_CHAT}.querySelector('.banner')"), "sampling is not shown")
    log = tmp_path / "crowd.jsonl"
    rows = [f'{{"t_ms": {n}, "user": "u{n % 900}", "text": "text {n}"}}\n' for n in range(3_000)]
    log.write_text("".join(rows))
    done = stack.run("replay-log", str(log), "--stream", stream, "--speed", "1", seconds=120)
    assert done.returncode == 0, done.stderr
    page.until(lambda: page.live["omitted"] > 500, "nothing was left out")
    banner = page.run(f"return {IN_CHAT}.querySelector('.banner').textContent")
    assert "of" in banner
    assert "shown" in banner
    assert (page.live["gaps"], page.live["duplicates"]) == (0, 0)
    page.say("one of my own")
    own = f"return [...{IN_CHAT}.querySelectorAll('.row.own .text')].map((row) => row.textContent.trim())"
    page.until(lambda: page.run(own) == ["one of my own"], "the viewer's own comment is not shown")


def test_taps_are_counted_for_everybody(page: Page, stack: RealStack, stream: str) -> None:
    """A tap comes back as a total, through the log; emoji float up."""
    call(stack, "POST", "/v1/streams", {"id": stream, "creator": "ana"})
    heart = f"{IN_CHAT}.querySelector('.reaction[data-emoji=\"❤\"]')"
    for _ in range(3):
        page.run(f"{heart}.click()")
    total = f"return {heart}.querySelector('b')?.textContent"
    page.until(lambda: page.run(total) == "3", "the taps are not counted")
    page.run(f"{heart}.click()")
    page.until(lambda: page.run(total) == "4", "the tap is not counted")
