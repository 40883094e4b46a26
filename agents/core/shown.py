"""What a sampled stream has shown lately: what its sampler's next decision hangs on. Pure.

It is folded from decided batches, the very events that ``comments.fanout`` holds, and everything in it has
a horizon, in windows. So a worker that takes a stream over has, after reading back `MEMORY_WINDOWS` of that
log, exactly the state that was lost, and goes on with exactly the same masks.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from math import exp
from typing import Any, Final, NamedTuple
from unicodedata import normalize

from agents.core.lanes import ALL, LANES, MASK_ALL, WINDOW_MS, Counts, lanes_of

MEMORY_WINDOWS: Final = 120_000 // WINDOW_MS
"""How long an author's shown comments count; four times their decay, exactly, so that reading back that far
gives the same sum to the last bit."""
DECAY_WINDOWS: Final = 30_000 // WINDOW_MS
CAP_WINDOWS: Final = 5_000 // WINDOW_MS
"""An author is on a lane, and a text is shown, once within this."""
STAFF: Final = frozenset({"moderator", "platform"})


class Shown(NamedTuple):
    """One comment as it was shown."""

    window: int
    author: str
    text: str
    mask: int
    staff: bool


class Lately:
    """See the module."""

    __slots__ = ("_authors", "_rows", "_texts")

    def __init__(self) -> None:
        self._rows: deque[Shown] = deque()
        self._authors: dict[str, list[int]] = {}
        self._texts: dict[str, int] = {}

    def add(self, window: int, events: Iterable[Mapping[str, Any]]) -> None:
        """Take note of a decided batch; its window is not before the last one's."""
        for event in events:
            if event["type"] == "comment" and event["mask"]:
                author, text = event["user_id"], text_key(event)
                self._rows.append(Shown(window, author, text, event["mask"], event["role"] in STAFF))
                self._authors.setdefault(author, []).append(window)
                self._texts[text] = window
        self._forget(window)

    def clear(self) -> None:
        """Forget all: the log's clock was set back."""
        self._rows.clear()
        self._authors.clear()
        self._texts.clear()

    def weight_of(self, author: str, window: int) -> float:
        """Return s, the author's shown comments, each counting e^(−age/30 s)."""
        seen = self._authors.get(author)
        if not seen:
            return 0.0
        return sum(exp((at - window) / DECAY_WINDOWS) for at in seen if window - at <= MEMORY_WINDOWS)

    def knows(self, author: str) -> bool:
        """Whether anything of the author's may count."""
        return author in self._authors

    def repeats(self, text: str, window: int) -> bool:
        """Whether a text was shown within the last 5 s."""
        at = self._texts.get(text)
        return at is not None and window - at < CAP_WINDOWS

    def lanes_had(self, window: int) -> dict[str, int]:
        """Return author → lanes that have shown them within the last 5 s."""
        had: dict[str, int] = {}
        for row in self._since(window - CAP_WINDOWS):
            had[row.author] = had.get(row.author, 0) | (row.mask & ALL)
        return had

    def counts(self, window: int, span: int) -> list[Counts]:
        """Return what the windows ``window`` − ``span`` to ``window`` have shown, oldest first."""
        on_all, on_lane = [0] * (span + 1), [[0] * LANES for _ in range(span + 1)]
        for row in self._since(window - span - 1):
            at = row.window - window + span
            if row.mask == MASK_ALL:
                on_all[at] += 1
            else:
                for lane in lanes_of(row.mask):
                    on_lane[at][lane] += 1
        return list(map(Counts, on_all, on_lane))

    def of_staff(self, window: int, span: int) -> int:
        """Return how many moderators' comments went to all lanes in the last ``span`` windows."""
        return sum(row.staff and row.mask == MASK_ALL for row in self._since(window - span))

    def _since(self, window: int) -> Iterator[Shown]:
        """Yield what was shown after ``window``, latest first."""
        return takewhile(lambda row: row.window > window, reversed(self._rows))

    def _forget(self, window: int) -> None:
        rows = self._rows
        while rows and window - rows[0].window > MEMORY_WINDOWS:
            old = rows.popleft()
            seen = self._authors[old.author]
            seen.remove(old.window)
            if not seen:
                del self._authors[old.author]
            if self._texts.get(old.text) == old.window:
                del self._texts[old.text]


def text_key(event: Mapping[str, Any]) -> str:
    """Return what identical texts have in common: compatibility forms, case and spaces do not count."""
    text: str = event["text"]
    if not text.isascii():
        text = normalize("NFKC", text)
    key = " ".join(text.casefold().split())
    return f"{event['sticker']}\0{key}" if event["sticker"] else key
