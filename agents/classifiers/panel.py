"""Asks a classifier in time: some comments at once, a deadline for all, and an answer for when it is late."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from agents.classifiers.base import OPINIONS, Classifier, ClassifierError, Subject
from agents.classifiers.http import HttpClassifier
from agents.classifiers.local import LocalClassifier, load
from schemas.settings import Moderation

SUBJECTS_MAX: Final = 256
"""Of one question."""
FAILURES_MAX: Final = 5
"""In a row; then nobody is asked for `REST_SECONDS`, so that a dead classifier does not cost its deadline
with every step."""
REST_SECONDS: Final = 5.0

log = structlog.get_logger()


class Panel:
    """See the module. ``now``: seconds, monotonic. One for all partitions of a worker.

    Args:
        classifier: who is asked.
        deadline_ms: from the question to the answer, waiting for a place included.
        when_late: allow | hold | reject.
        concurrency: questions on the way at once.

    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        deadline_ms: int,
        when_late: str,
        concurrency: int,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._classifier = classifier
        self._deadline = deadline_ms / 1000
        self._when_late = when_late
        self._places = asyncio.Semaphore(concurrency)
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._failures = 0
        self._resting_until = float("-inf")
        self.asked = 0
        self.late = 0
        """Comments that got the declared opinion."""

    async def opinions(self, subjects: Sequence[Subject]) -> list[str]:
        """Return an opinion of each, in order, within the deadline. Never raises."""
        if not subjects:
            return []
        self.asked += len(subjects)
        if self._now() < self._resting_until:
            return self._declared(len(subjects))
        parts = [subjects[at : at + SUBJECTS_MAX] for at in range(0, len(subjects), SUBJECTS_MAX)]
        answers = await asyncio.gather(*(self._ask(part) for part in parts))
        return [opinion for answer in answers for opinion in answer]

    async def close(self) -> None:
        """Close the classifier."""
        await self._classifier.close()

    async def _ask(self, subjects: Sequence[Subject]) -> list[str]:
        try:
            async with asyncio.timeout(self._deadline), self._places:
                answer = list(await self._classifier.classify(subjects))
            if len(answer) != len(subjects) or not OPINIONS.issuperset(answer):
                raise ClassifierError("another number of opinions than of comments, or unknown ones")
        except (ClassifierError, TimeoutError) as error:
            self._failed(str(error) or "late")
            return self._declared(len(subjects))
        self._failures = 0
        return answer

    def _declared(self, count: int) -> list[str]:
        self.late += count
        return [self._when_late] * count

    def _failed(self, why: str) -> None:
        self._failures += 1
        if self._failures == 1 or self._failures % FAILURES_MAX == 0:
            log.warning("classifier gave no answer", error=why, instead=self._when_late)
        if self._failures % FAILURES_MAX == 0:
            self._resting_until = self._now() + REST_SECONDS


def open_panel(moderation: Moderation) -> Panel | None:
    """Make the panel that the settings name; None: nobody is asked. Raises SettingsError."""
    if moderation.classifier is None:
        return None
    classifier: Classifier
    if moderation.classifier.startswith(("http://", "https://")):
        classifier = HttpClassifier(moderation.classifier, moderation.classifier_concurrency)
    else:
        classifier = LocalClassifier(load(moderation.classifier))
    return Panel(
        classifier,
        deadline_ms=moderation.classifier_deadline_ms,
        when_late=moderation.classifier_when_late,
        concurrency=moderation.classifier_concurrency,
    )
