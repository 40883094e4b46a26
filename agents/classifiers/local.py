"""A classifier in this process: any Python function from texts to opinions, in a thread of its own.

A function that is late is not stopped, as threads cannot be: its answer is dropped, and nobody else is
asked until it has come back.
"""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from agents.classifiers.base import ClassifierError, Subject
from schemas.settings import SettingsError

Judge = Callable[[Sequence[str]], Sequence[str]]


class LocalClassifier:
    """Asks ``judge`` with the texts alone."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._thread = ThreadPoolExecutor(1, "classifier")
        self._asked: asyncio.Future[Sequence[str]] | None = None

    async def classify(self, subjects: Sequence[Subject]) -> Sequence[str]:
        """Return the function's answer."""
        if self._asked is not None and not self._asked.done():
            raise ClassifierError("still busy with comments before these")
        loop = asyncio.get_running_loop()
        self._asked = loop.run_in_executor(self._thread, self._judge, [each.text for each in subjects])
        try:
            return await asyncio.shield(self._asked)
        except Exception as error:
            raise ClassifierError(f"{type(error).__name__} in the function") from error

    async def close(self) -> None:
        """Let the thread end when it has come back."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def load(path: str) -> Judge:
    """Import ``module:attribute``. Raises SettingsError."""
    module, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"moderation.classifier: cannot import {path}: {error}") from error
    if not callable(found):
        raise SettingsError(f"moderation.classifier: {path} is not a function")
    judge: Judge = found
    return judge
