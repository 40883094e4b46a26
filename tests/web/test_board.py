"""The operators' page of live streams in a browser, against a real stack."""

import uuid
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from edge.api.analytics import WIDTH
from tests.real import RealStack
from tests.web.browser import Page, browser
from tests.web.test_sampling import call

pytestmark = pytest.mark.integration

IN_BOARD = "document.querySelector('live-board').shadowRoot"


def sign_in(chrome: Chrome, page: Page, token: str) -> None:
    page.until(lambda: page.run(f"return !!{IN_BOARD}.querySelector('input')"), "nobody asks for a token")
    chrome.execute_script(f"{IN_BOARD}.querySelector('input').value = arguments[0]", token)
    page.run(f"{IN_BOARD}.querySelector('button').click()")


def test_a_watched_stream_is_on_the_board(stack: RealStack, tmp_path: Path) -> None:
    """Its viewers as the edges report them; a viewer's token is refused, the platform's is kept."""
    stream = f"board-{uuid.uuid4().hex[:12]}"
    with browser(tmp_path / "profile") as chrome, stack.started("tail", stream):
        page = Page(chrome, f"http://{stack.api}/live")
        sign_in(chrome, page, stack.run("token", "--user", "eve").stdout.strip())
        status = f"return {IN_BOARD}.querySelector('[role=status]').textContent"
        page.until(lambda: "platform" in page.run(status), "a viewer's token is not refused")
        sign_in(chrome, page, stack.run("token", "--user", "ops", "--role", "platform").stdout.strip())
        row = f"{IN_BOARD}.querySelector('tr[data-stream=\"{stream}\"]')"
        page.until(lambda: page.run(f"return !!{row}"), "the stream is not on the board")
        assert page.run(f"return {row}.querySelector('td b').textContent") == "1"
        assert "watched" in page.run(status)


def test_the_hour_of_a_stream(stack: RealStack, tmp_path: Path) -> None:
    """Its name opens the picture of what was said; of a stream that nobody counted the page says so."""
    stream = f"hour-{uuid.uuid4().hex[:12]}"
    with browser(tmp_path / "profile") as chrome, stack.started("tail", stream):
        page = Page(chrome, f"http://{stack.api}/live")
        sign_in(chrome, page, stack.run("token", "--user", "ops", "--role", "platform").stdout.strip())
        name = f"{IN_BOARD}.querySelector('tr[data-stream=\"{stream}\"] .name')"
        hour = f"{IN_BOARD}.querySelector('.hour')"
        page.until(lambda: page.run(f"return !!{name}"), "the stream is not on the board")
        page.run(f"{name}.click()")
        page.until(
            lambda: page.run(f"return {hour}?.textContent") == "Nothing was counted.", "nothing is said"
        )
        page.run(f"{name}.click()")
        page.until(lambda: page.run(f"return {hour} === null"), "it does not close")
        call(stack, "POST", "/v1/streams", {"id": stream, "creator": "ana"})
        page.run(f"{name}.click()")
        width = f"return {hour}?.querySelector('img')?.naturalWidth"
        page.until(lambda: page.run(width) == WIDTH, "the picture is not shown")
