"""What a classifier is."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

OPINIONS: Final = frozenset({"allow", "hold", "reject"})


class Subject(NamedTuple):
    """A comment that is asked about."""

    stream_id: str
    user_id: str
    text: str


class ClassifierError(Exception):
    """The classifier's fault: no answer, or one that is none. The comments get the declared opinion."""


class Classifier(Protocol):
    """Somebody with opinions. Called with at most `panel.SUBJECTS_MAX` comments, and cancelled when late."""

    async def classify(self, subjects: Sequence[Subject]) -> Sequence[str]:
        """Return allow | hold | reject for each, in order. Raises ClassifierError."""

    async def close(self) -> None:
        """Let go of what it holds."""
