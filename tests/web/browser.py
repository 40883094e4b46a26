"""A headless Chromium, where the machine has one."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

WAIT_SECONDS = 60
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1280,800",
)  # fmt: skip


@contextmanager
def browser(profile: Path) -> Iterator[Chrome]:
    """Start one with an empty profile; skips the test where there is none."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    options = ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


class Page:
    """The page at an edge, as a person has it."""

    def __init__(self, chrome: Chrome, url: str) -> None:
        self._chrome = chrome
        chrome.get(url)

    @property
    def live(self) -> dict[str, Any]:
        """What the element says of itself."""
        return dict(self._chrome.execute_script("return window.__live ?? {}"))

    def text_of(self, id_: str) -> str:
        """Return an element's text."""
        return str(
            self._chrome.execute_script("return document.getElementById(arguments[0]).textContent", id_)
        )

    def click(self, id_: str) -> None:
        """Press a button."""
        self._chrome.find_element("id", id_).click()

    def rows(self) -> list[tuple[int, str]]:
        """Return seq and text of the comments in the list, as they stand."""
        found = self._chrome.execute_script(
            "return [...document.getElementById('chat').shadowRoot.querySelectorAll('.row[data-seq]')]"
            ".map((row) => [Number(row.dataset.seq), row.querySelector('.text').textContent.trim()])"
        )
        return [(seq, text) for seq, text in found]

    def say(self, text: str) -> None:
        """Type a comment, and Enter."""
        field = self._chrome.execute_script(
            "return document.getElementById('chat').shadowRoot.getElementById('text')"
        )
        field.send_keys(text + "\n")

    def run(self, script: str) -> Any:
        """Run JavaScript in the page."""
        return self._chrome.execute_script(script)

    def errors(self) -> list[str]:
        """Return what the console holds against the page."""
        return [entry["message"] for entry in self._chrome.get_log("browser") if entry["level"] == "SEVERE"]

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for a condition."""
        try:
            WebDriverWait(self._chrome, WAIT_SECONDS, poll_frequency=0.05).until(lambda _: condition())
        except TimeoutException:
            pytest.fail(f"{what}; the page says {self.live | {'seqs': '…'}}")
