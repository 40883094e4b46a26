"""The moderators' console in a browser, against a real stack: each action does what it says."""

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.real import RealStack
from tests.web.browser import WAIT_SECONDS, browser

pytestmark = pytest.mark.integration
REFUSED_SECONDS = 5.0


class Stage:
    """A stream of its own on the stack, and the console that moderates it."""

    def __init__(self, stack: RealStack, chrome: Chrome) -> None:
        self.stream = f"console-{uuid.uuid4().hex[:12]}"
        self._stack = stack
        self._chrome = chrome
        self._tokens: dict[str, str] = {}
        root = self._token("root", "platform")
        self.ask("POST", "/v1/streams", root, {"id": self.stream, "creator": "cara", "title": "Console"})
        self.moderator = self._token("mia", "moderator")

    def open(self) -> None:
        """Sign in as a person does: stream and token into the form."""
        self._chrome.get(f"http://{self._stack.api}/console")
        self.until(lambda: self.find("input[name=stream]"), "there is no form to sign in")
        self.find("input[name=stream]")[0].send_keys(self.stream)
        self.find("input[name=token]")[0].send_keys(self.moderator + Keys.ENTER)
        self.until(
            lambda: self.run("return document.querySelector('.state')?.textContent") == "live", "not live"
        )

    def say(self, user: str, text: str) -> int:
        """Post as a viewer; return the HTTP status."""
        if user not in self._tokens:
            self._tokens[user] = self._token(user, "viewer")
        return self.ask("POST", f"/v1/streams/{self.stream}/comments", self._tokens[user], {"text": text})[0]

    def read(self, path: str) -> Any:
        """Ask the API as the moderator."""
        return self.ask("GET", f"/v1/streams/{self.stream}{path}", self.moderator)[1]

    def ask(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        """Ask the API."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://{self._stack.api}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def texts(self) -> list[str]:
        """Return the comments in the live list."""
        return list(
            self.run(
                "return [...document.querySelectorAll('.comment .text')].map((e) => e.textContent.trim())"
            )
        )

    def shown(self, *texts: str) -> None:
        """Wait until the live list is exactly this."""
        self.until(lambda: self.texts() == list(texts), f"not {texts}")

    def on(self, text: str, act: str) -> None:
        """Press a button of a comment."""
        self.run(
            "[...document.querySelectorAll('.comment')]"
            f".find((e) => e.querySelector('.text').textContent.trim() === {json.dumps(text)})"
            f".querySelector('[data-act={act}]').click()"
        )

    def tab(self, name: str) -> None:
        """Open a panel."""
        self.find(f"#tab-{name}")[0].click()

    def press(self, selector: str) -> None:
        """Press a button, once it is there."""
        self.until(lambda: self.find(selector), f"there is no {selector}")
        self.find(selector)[0].click()

    def keys(self, *keys: str) -> None:
        """Press keys where the focus is."""
        self._chrome.switch_to.active_element.send_keys(*keys)

    def find(self, selector: str) -> list[Any]:
        """Find elements."""
        return self._chrome.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Return an element's text; "" when there is none."""
        return str(self.run(f"return document.querySelector({json.dumps(selector)})?.textContent ?? ''"))

    def run(self, script: str) -> Any:
        """Run JavaScript."""
        return self._chrome.execute_script(script)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for a condition."""
        end = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"{what}; toast: {self.text('.toast')!r}, list: {self.texts()}")
            time.sleep(0.05)

    def errors(self) -> list[str]:
        """Return what the browser holds against the page."""
        return [each["message"] for each in self._chrome.get_log("browser") if each["level"] == "SEVERE"]

    def _token(self, user: str, role: str) -> str:
        done = self._stack.run(
            "token", "--user", user, "--stream", self.stream, "--role", role, "--ttl", "600"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def stage(stack: RealStack, tmp_path: Path) -> Iterator[Stage]:
    with browser(tmp_path / "profile") as chrome:
        found = Stage(stack, chrome)
        found.open()
        yield found
        assert found.errors() == []


def test_one_click_actions_on_comments_and_authors(stage: Stage) -> None:
    """Delete, clear, hold, shadow-ban, time out with undo, ban, pin: seen in the list, kept by the log."""
    for user, text in (("ann", "one"), ("bob", "two"), ("ann", "three"), ("cy", "four")):
        assert stage.say(user, text) == 201
    stage.shown("one", "two", "three", "four")
    stage.on("two", "delete")
    stage.shown("one", "three", "four")
    stage.on("four", "pin")
    stage.until(lambda: "four" in stage.text(".pin"), "nothing is pinned")
    stage.press("[data-act=unpin]")
    stage.until(lambda: not stage.find(".pin"), "it is still pinned")
    stage.on("one", "clear")
    stage.shown("four")
    assert stage.say("dan", "hm") == 201
    stage.shown("four", "hm")
    stage.on("hm", "withdraw")
    stage.shown("four")
    stage.tab("held")
    stage.press(".card [data-act=approve]")
    stage.shown("four", "hm")
    stage.on("hm", "shadow")
    stage.until(lambda: [each["kind"] for each in stage.read("/bans")["bans"]] == ["shadow"], "not shadowed")
    assert stage.say("dan", "only for my eyes") == 201
    stage.press("[data-act=undo]")
    stage.until(lambda: not stage.read("/bans")["bans"], "the shadow ban was not undone")
    stage.on("four", "timeout")
    stage.until(lambda: stage.read("/bans")["bans"], "nobody is timed out")
    stage.until(lambda: stage.say("cy", "me?") == 403, "who is timed out may still comment")
    stage.press("[data-act=undo]")
    stage.until(lambda: stage.say("cy", "back") == 201, "the time-out was not undone")
    stage.until(lambda: stage.texts()[-1] == "back", "who is back is not shown")
    stage.on("back", "ban")
    stage.until(lambda: stage.say("cy", "me?") == 403, "who is banned may still comment")
    stage.tab("audit")
    stage.until(lambda: stage.find("tr.applied"), "the audit is empty")
    done = {each["action"] for each in stage.read("/audit")["entries"]}
    wanted = {"delete", "pin", "unpin", "clear", "hold", "approve", "shadow", "timeout", "unban", "ban"}
    assert wanted <= done


def test_the_held_queue(stage: Stage) -> None:
    """With review on comments wait; approving shows one, rejecting shows none, and the queue empties."""
    stage.tab("settings")
    stage.press("#f-review")
    stage.press("[data-act=save-settings]")
    stage.until(lambda: stage.read("/settings")["settings"]["review"], "review is not on")
    for user, text in (("ann", "let me in"), ("bob", "spam"), ("cy", "watch me")):
        assert stage.say(user, text) == 201
    stage.tab("held")
    stage.until(lambda: len(stage.find(".card")) == 3, "three comments do not wait")
    assert stage.text("[data-rate=held]") == "3"
    assert stage.texts() == []
    stage.press(".card [data-act=approve]")
    stage.shown("let me in")
    stage.until(lambda: len(stage.find(".card")) == 2, "the approved one is still in the queue")
    stage.press(".card [data-act=reject]")
    stage.until(lambda: len(stage.read("/held")["held"]) == 1, "the rejected one still waits")
    stage.press(".card [data-act=ban]")
    stage.until(lambda: stage.say("cy", "again") == 403, "who is banned may still comment")
    assert stage.texts() == ["let me in"]


def test_word_lists_are_tried_before_they_are_saved(stage: Stage) -> None:
    """A dry run shows what would have been caught, disguises and faults told; then the list binds."""
    for text in ("a fine b.a.n.a.n.a", "plain banana", "apple"):
        assert stage.say("ann", text) == 201
    stage.shown("a fine b.a.n.a.n.a", "plain banana", "apple")
    stage.tab("words")
    stage.until(lambda: stage.find("#words"), "there is no list")
    stage.find("#words")[0].send_keys("banana\nx")
    stage.until(
        lambda: caught(stage) == ["a fine b.a.n.a.n.a", "plain banana"], "the dry run catches other things"
    )
    assert "Rule 2" in stage.text(".fault")
    assert "separators" in stage.text(".cards")
    stage.find("#words")[0].send_keys(Keys.BACKSPACE)
    stage.press("[data-act=save-words]")
    stage.until(lambda: stage.read("/settings")["settings"]["words"] == ["banana"], "the list is not saved")
    assert stage.say("bob", "no b4nana for you") == 201
    assert stage.say("bob", "but a pear") == 201
    stage.until(lambda: stage.texts()[-1:] == ["but a pear"], "later comments are not shown")
    assert "no b4nana for you" not in stage.texts()


def caught(stage: Stage) -> list[str]:
    """Try the list; the archive may be a moment behind."""
    stage.press("[data-act=try]")
    stage.until(lambda: stage.find(".result"), "there is no result")
    return list(stage.run("return [...document.querySelectorAll('.card .text')].map((e) => e.textContent)"))


def test_settings_bans_and_the_end(stage: Stage) -> None:
    """Slow mode, a ban by hand and its lifting, and the end, which asks first."""
    stage.tab("settings")
    stage.until(lambda: stage.find("#f-slow_mode_seconds"), "there are no settings")
    stage.run("document.querySelector('#f-slow_mode_seconds').value = '30'")
    for name in ("members_only", "emote_only"):
        stage.press(f"#f-{name}")
    stage.press("[data-act=save-settings]")
    stage.until(lambda: stage.read("/settings")["settings"]["slow_mode_seconds"] == 30, "slow mode is not on")
    assert stage.say("zoe", "not a member") == 403
    assert stage.read("/settings")["settings"]["emote_only"]
    off = {"members_only": False, "emote_only": False}
    assert stage.ask("PUT", f"/v1/streams/{stage.stream}/settings", stage.moderator, off)[0] == 200
    stage.until(lambda: not stage.read("/settings")["settings"]["emote_only"], "the modes are still on")
    assert stage.say("ann", "first") == 201
    assert stage.say("ann", "second") == 429
    stage.tab("bans")
    stage.until(lambda: stage.find("form.line input[name=user]"), "there is no form")
    stage.find("form.line input[name=user]")[0].send_keys("eve" + Keys.ENTER)
    stage.until(lambda: stage.find("tr[data-user=eve]"), "the ban is not listed")
    assert stage.say("eve", "hello") == 403
    stage.press("tr[data-user=eve] [data-act=unban]")
    stage.until(lambda: not stage.find("tr[data-user=eve]"), "the ban is still listed")
    stage.tab("settings")
    stage.press("[data-act=end]")
    stage.press("dialog [value=no]")
    assert stage.say("bob", "still on") == 201
    stage.press("[data-act=end]")
    stage.press("dialog [value=end]")
    stage.until(lambda: stage.text(".state") == "ended", "the stream has not ended")
    assert stage.say("cy", "too late") == 409


def test_the_keyboard_alone(stage: Stage) -> None:
    """Choose a comment with the arrows, delete it, hold its author, approve from the queue."""
    for text in ("one", "two", "three"):
        assert stage.say("ann", text) == 201
    stage.shown("one", "two", "three")
    stage.find("body")[0].send_keys(Keys.ARROW_UP)
    stage.until(lambda: focused(stage) == "three", "the newest is not chosen")
    stage.keys(Keys.ARROW_UP)
    stage.until(lambda: focused(stage) == "two", "the one before is not chosen")
    stage.keys("d")
    stage.shown("one", "three")
    stage.find("body")[0].send_keys(Keys.ARROW_DOWN)
    stage.until(lambda: focused(stage) != "", "nothing is chosen")
    stage.keys("h")
    stage.until(lambda: [each["kind"] for each in stage.read("/bans")["bans"]] == ["hold"], "not on hold")
    assert stage.say("ann", "may I?") == 201
    stage.until(lambda: stage.text("[data-rate=held]") == "1", "nothing waits")
    stage.keys("a")
    stage.shown("one", "three", "may I?")
    stage.keys("5")
    stage.until(lambda: stage.text("[aria-selected=true]").strip() == "Audit", "the panel did not open")


def focused(stage: Stage) -> str:
    """Return the text of the comment that has the focus."""
    return str(
        stage.run("return document.activeElement?.querySelector?.(':scope > .what .text')?.textContent ?? ''")
    )


def test_who_may_not_moderate_is_told_so(stage: Stage) -> None:
    """A viewer's token gets no desk, and the reason."""
    stage.press("header button:last-child")
    stage.moderator = stage._token("vic", "viewer")
    stage.until(lambda: stage.find("input[name=stream]"), "not signed out")
    stage.find("input[name=stream]")[0].send_keys(stage.stream)
    stage.find("input[name=token]")[0].send_keys(stage.moderator + Keys.ENTER)
    stage.until(lambda: "may not moderate" in stage.text(".door [role=alert]"), "not refused")
    assert all("403" in message for message in stage.errors())
