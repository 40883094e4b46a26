"""What authors and moderators do, and write down of it. All choices come from the seed."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass

from livecomments.nemesis.book import Book
from livecomments.nemesis.http import Api
from livecomments.nemesis.session import UNKNOWN_CODE
from livecomments.nemesis.texts import Draft, draft, fresh_id
from livecomments.nemesis.viewer import Viewer
from livecomments.verify import facts as f

ATTEMPTS_MAX = 8
"""Of one comment whose fate is unknown, each with the same id."""
RETRY_SECONDS = (0.2, 1.5)
REPEAT_SHARE = 0.25
"""Of comments that are sent again although they were acknowledged, in another order, by any way."""
REPEAT_WITHIN_SECONDS = 40.0
REPEATS_WAITING_MAX = 64
REFUSALS = range(1000, 1100)
RECENT_MAX = 200
MARKER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Repeat:
    """A comment to be sent again, not before ``at``."""

    at: float
    draft: Draft


class Author:
    """One user who publishes on one stream, on its own socket or over HTTP."""

    def __init__(
        self,
        viewer: Viewer,
        token: str,
        *,
        api: Api,
        book: Book,
        rng: random.Random,
        per_second: float,
        padding_chars: int = 0,
    ) -> None:
        self._padding_chars = padding_chars
        self._viewer = viewer
        self._token = token
        self._api = api
        self._book = book
        self._rng = rng
        self._per_second = per_second
        self._repeats: list[Repeat] = []
        self._number = rng.randrange(10**6) * 10**6

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop; what is unknown then is asked for until it is known, or stays so."""
        while not stop.is_set():
            await asyncio.sleep(self._rng.expovariate(self._per_second))
            self._number += 1
            made = draft(self._rng, self._number, self._padding_chars)
            await self._until_known(made, stop)
            self._maybe_again(made)
            await self._repeat()

    async def _until_known(self, made: Draft, stop: asyncio.Event) -> None:
        for _ in range(ATTEMPTS_MAX):
            if await self._attempt(made) != "unknown":
                return
            await asyncio.sleep(self._rng.uniform(*RETRY_SECONDS))
            if stop.is_set() and self._rng.random() < 0.5:
                return  # an app that is closed: nobody will ask again

    async def _attempt(self, made: Draft) -> str:
        viewer = self._viewer
        named = (viewer.stream, made.id, viewer.user)
        over_http = not viewer.online or self._rng.random() < 0.3
        op = self._book.op()
        self._book.write(
            f.Publish(
                self._book.now(), op, "invoke", *named, f.text_hash(made.text), forbidden=made.forbidden
            )
        )
        if over_http:
            answer = await self._api.comment(viewer.stream, self._token, made.id, made.text)
            stage, code = answer.stage, answer.code
        else:
            try:
                code = await viewer.publish(made.id, made.text)
            except ConnectionError:
                code = UNKNOWN_CODE
            stage = stage_of(code)
        self._book.write(f.Publish(self._book.now(), op, stage, *named, code=code))
        return stage

    def _maybe_again(self, made: Draft) -> None:
        if self._rng.random() < REPEAT_SHARE and len(self._repeats) < REPEATS_WAITING_MAX:
            for _ in range(self._rng.randint(1, 3)):
                later = self._book.now() + self._rng.uniform(0, REPEAT_WITHIN_SECONDS)
                self._repeats.append(Repeat(later, made))

    async def _repeat(self) -> None:
        now = self._book.now()
        due = [each for each in self._repeats if each.at <= now]
        self._repeats = [each for each in self._repeats if each.at > now]
        self._rng.shuffle(due)
        for each in due:
            await self._attempt(each.draft)


def stage_of(code: int) -> str:
    """Say what a WebSocket reply's error code means: only a refusal is a clear no."""
    if code == 0:
        return "ok"
    return "fail" if code in REFUSALS and code != UNKNOWN_CODE else "unknown"


class Moderator:
    """The creator of one stream: deletes, clears and bans over HTTP, one command after the other."""

    def __init__(
        self,
        stream: str,
        user: str,
        token: str,
        *,
        api: Api,
        book: Book,
        rng: random.Random,
        per_second: float,
    ) -> None:
        self.stream = stream
        self.user = user
        self.token = token
        self._api = api
        self._book = book
        self._rng = rng
        self._per_second = per_second
        self._recent: deque[f.Content] = deque(maxlen=RECENT_MAX)
        self._deleted: set[str] = set()
        self._cleared: set[str] = set()
        self._banned: list[str] = []

    def saw(self, content: f.Content) -> None:
        """Note a comment that may be acted on."""
        if content.type == "comment" and content.user != self.user:
            self._recent.append(content)

    async def run(self, stop: asyncio.Event) -> None:
        """Moderate until told to stop; nobody stays banned."""
        while not stop.is_set():
            await asyncio.sleep(self._rng.expovariate(self._per_second))
            if self._recent:
                await self._act(self._rng.choice(self._recent))
        for user in self._banned:
            await self._command("unban", user)

    async def marker(self) -> str | None:
        """Publish a comment that tells the end of the stream; return its id, or None if it cannot be."""
        made = Draft(fresh_id(self._rng), f"marker {self._rng.getrandbits(64)}", forbidden=False)
        named = (self.stream, made.id, self.user)
        text = f.text_hash(made.text)
        deadline = self._book.now() + MARKER_SECONDS
        while self._book.now() < deadline:
            op = self._book.op()
            self._book.write(f.Publish(self._book.now(), op, "invoke", *named, text))
            answer = await self._api.comment(self.stream, self.token, made.id, made.text)
            self._book.write(f.Publish(self._book.now(), op, answer.stage, *named, code=answer.code))
            if answer.stage == "ok":
                return made.id
            await asyncio.sleep(0.3)
        return None

    async def _act(self, on: f.Content) -> None:
        dice = self._rng.random()
        if self._banned and (dice < 0.2 or len(self._banned) > 1):
            await self._command("unban", self._banned.pop(0))
        elif dice < 0.7:
            if on.id not in self._deleted:
                self._deleted.add(on.id)
                await self._command("delete", on.id)
        elif dice < 0.85 and on.user not in self._cleared:
            # Once each: the checker need not tell two clears of one user apart.
            self._cleared.add(on.user)
            await self._command("clear", on.user)
        elif on.user not in self._banned:
            self._banned.append(on.user)
            await self._command("ban", on.user)

    async def _command(self, type_: str, target: str) -> None:
        op = self._book.op()
        named = (type_, self.stream, self.user, target)
        self._book.write(f.Command(self._book.now(), op, "invoke", *named))
        answer = await self._api.command(type_, self.stream, self.token, target)
        self._book.write(f.Command(self._book.now(), op, answer.stage, *named))
