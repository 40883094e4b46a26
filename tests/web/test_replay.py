"""The replay page in a browser, against a real stack: a stream that is over, in step with its video."""

import base64
import io
import json
import uuid
import wave
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from selenium.webdriver import ActionChains, Chrome

from edge.auth import Authenticator
from schemas.settings import Auth
from tests.real import RealStack
from tests.web.browser import Page, browser

pytestmark = pytest.mark.integration
COUNT = 12
STEP_MS = 250
TEXTS = (
    "return [...document.getElementById('chat').shadowRoot.querySelectorAll('.row[data-seq] .text')]"
    ".map((each) => each.textContent.trim())"
)


def said_and_over(stack: RealStack, stream: str, tmp_path: Path) -> list[str]:
    """Let a crowd say something for a few seconds, and end the stream; return what was said."""
    rows = [{"t_ms": n * STEP_MS, "user": f"u{n}", "text": f"text {n}"} for n in range(COUNT)]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = stack.run("replay-log", str(log), "--stream", stream)
    assert done.returncode == 0, done.stderr
    ask(stack, "POST", f"{stream}/end")
    return [str(row["text"]) for row in rows]


def ask(stack: RealStack, method: str, path: str) -> None:
    """Give a command, as the platform."""
    token = Authenticator(Auth()).mint("ops", None, "platform", 600)
    headers = {"Authorization": f"Bearer {token}"}
    url = f"http://{stack.api}/v1/streams/{path}"
    with urlopen(Request(url, headers=headers, method=method), timeout=30) as answer:
        assert answer.status == 200


def state(page: Page) -> dict[str, Any]:
    return dict(page.run("return window.__replay ?? {}"))


def press(chrome: Chrome, *keys: str) -> None:
    ActionChains(chrome).send_keys(*keys).perform()


def silence(seconds: int) -> str:
    """Return a sound that is none, as a URL: a real medium without a codec."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8_000)
        sound.writeframes(bytes([128]) * 8_000 * seconds)
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"


def follow_a_medium(page: Page, texts: list[str]) -> None:
    """Let the element follow a medium, as another site's page would let it follow its video."""
    page.run(f"""
        const medium = window.medium = document.createElement("audio");
        medium.src = "{silence(20)}";
        const chat = document.getElementById("chat");
        chat.makeConnection = null;
        chat.video = medium;
    """)
    page.until(lambda: page.run("return medium.readyState") == 4, "the medium is not ready")
    page.run("medium.currentTime = 15")
    page.until(lambda: page.run(TEXTS)[: len(texts)] == texts, "the medium's place is not followed")
    page.run("medium.currentTime = 0")
    page.until(lambda: len(page.run(TEXTS)) <= 1, "its way back is not followed")


def test_a_stream_that_is_over_is_watched_again(stack: RealStack, tmp_path: Path) -> None:
    """Found from the ended stream's page; played, paused and moved by keys; a deletion leaves the screen."""
    stream = f"replay-{uuid.uuid4().hex[:12]}"
    texts = said_and_over(stack, stream, tmp_path)
    with browser(tmp_path / "profile") as chrome:
        page = Page(chrome, f"http://{stack.edge}/?stream={stream}&user=viewer")
        link = "document.getElementById('chat').shadowRoot.querySelector('.again a')"
        page.until(lambda: page.run(f"return !!{link}"), "the ended stream has no link to its replay")
        page.run(f"{link}.click()")
        page.until(lambda: state(page).get("durationMs"), "the replay does not begin")
        assert state(page)["durationMs"] >= (COUNT - 1) * STEP_MS * 0.8
        page.until(lambda: state(page)["bars"], "there is no histogram")
        page.until(lambda: f"{COUNT} comments in" in page.text_of("fact"), "they are not counted")
        page.until(lambda: page.run(TEXTS) == texts, "not all is played")
        page.until(lambda: state(page)["paused"], "it does not stop at its end")
        press(chrome, "0")
        page.until(lambda: len(page.run(TEXTS)) <= 1, "a jump back does not empty the list")
        assert state(page)["positionMs"] == 0
        press(chrome, "5")
        page.until(lambda: 3 <= len(page.run(TEXTS)) < COUNT, "a jump forth does not show what came before")
        kept = page.run(TEXTS)
        assert kept == texts[: len(kept)]
        id_ = page.run("return document.getElementById('chat').shadowRoot.querySelector('.row').dataset.id")
        ask(stack, "DELETE", f"{stream}/comments/{id_}")
        page.until(lambda: page.run(TEXTS) == kept[1:], "a deletion does not leave the screen")
        slider = "document.getElementById('timeline').shadowRoot.querySelector('input')"
        assert " of " in page.run(f"return {slider}.getAttribute('aria-valuetext')")
        follow_a_medium(page, kept[1:])
        assert page.errors() == []
