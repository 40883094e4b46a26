"""Who takes part in one round: viewers of every sort, authors, a moderator a stream. Built from the seed."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jwt

from livecomments.nemesis.book import Book
from livecomments.nemesis.http import Api
from livecomments.nemesis.sdk import SdkViewer
from livecomments.nemesis.stack import Stack
from livecomments.nemesis.viewer import Pace, Viewer
from livecomments.nemesis.workload import Author, Moderator
from livecomments.verify import facts as f
from schemas.settings import Auth

TOKEN_SECONDS = 24 * 3600
BACKDATED_SECONDS = 2 * 3600
"""Tokens are older than any clock is shifted: what is tested is not whether they count."""
AUTHORS_MIN = 12
COMMENTS_PER_SECOND_MIN = 8.0
SDK_SHARE = 0.05
SLOW_SHARE = 0.04
NEVER_READING_SHARE = 0.02
ROAMING_SHARE = 0.35
PROXIED_SHARE = 0.4
ROAMING = Pace(stay=12.0, away=10.0)
FAR_ROAMING = Pace(stay=20.0, away=45.0)
STEADY = Pace()
SLOW = Pace(rest=1.5)
NEVER_READING = Pace(rest=None)
LOUD_AUTHORS = 2
LOUD_CHARS = 3_500
LOUD_SHARE = 0.25
"""Of what all others write together: what each author of the loud stream writes, in number."""
LOUD_PACES = (STEADY, STEADY, SLOW, SLOW, NEVER_READING, NEVER_READING, ROAMING)
"""Who watches it: on the other streams too little is said to fill the sockets of those that do not read."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much goes on. ``comments_per_second``: of all streams together; so ``commands_per_second``."""

    viewers: int
    authors: int
    comments_per_second: float
    streams: int = 4
    commands_per_second: float = 1.5

    @classmethod
    def of(cls, viewers: int) -> "Size":
        """Return what goes with so many viewers: 40 authors and 50 comments a second with 200."""
        authors = max(AUTHORS_MIN, round(viewers * 0.2))
        return cls(viewers, authors, max(COMMENTS_PER_SECOND_MIN, viewers * 0.25))


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody."""

    streams: tuple[str, ...]
    viewers: tuple[Viewer, ...]
    sdk: tuple[SdkViewer, ...]
    authors: tuple[Author, ...]
    moderators: tuple[Moderator, ...]

    @property
    def watchers(self) -> tuple[Viewer | SdkViewer, ...]:
        """All that watch."""
        return (*self.viewers, *self.sdk)


def token(auth: Auth, user: str, role: str = "viewer", stream: str | None = None) -> str:
    """Sign a token, as whoever runs the platform would."""
    now = int(time.time())
    claims = {
        "sub": user,
        "name": user,
        "role": role,
        "stream": stream,
        "iat": now - BACKDATED_SECONDS,
        "exp": now + TOKEN_SECONDS,
        "iss": auth.issuer,
        "aud": auth.audience,
    }
    return jwt.encode(claims, auth.secret, algorithm="HS256")


def gather(stack: Stack, api: Api, book: Book, size: Size, seed: int) -> Cast:
    """Make everybody up. Streams are new in each round."""
    rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    streams = tuple(f"nemesis-{seed}-{n}-{rng.getrandbits(32):08x}" for n in range(size.streams))
    maker = _Maker(stack, api, book, size, rng)
    loud = f"nemesis-{seed}-loud-{rng.getrandbits(32):08x}"
    moderators = tuple(maker.moderator(stream) for stream in (*streams, loud))
    saw = {each.stream: each.saw for each in moderators}
    authors: list[Author] = []
    viewers: list[Viewer] = []
    sdk: list[SdkViewer] = []
    for number in range(size.authors):
        viewer, author = maker.author(number, streams[number % len(streams)], saw)
        viewers.append(viewer)
        authors.append(author)
    for number in range(size.viewers - size.authors):
        stream = streams[number % len(streams)]
        if rng.random() < SDK_SHARE or number < 2:
            sdk.append(maker.sdk(number, stream))
        else:
            viewers.append(maker.viewer(number, stream, saw[stream]))
    for number in range(LOUD_AUTHORS):
        viewer, author = maker.author(size.authors + number, loud, saw, LOUD_CHARS)
        viewers.append(viewer)
        authors.append(author)
    for number, pace in enumerate(LOUD_PACES):
        viewers.append(maker.watcher(f"loud-{number}", loud, pace, saw[loud]))
    return Cast((*streams, loud), tuple(viewers), tuple(sdk), tuple(authors), moderators)


class _Maker:
    def __init__(self, stack: Stack, api: Api, book: Book, size: Size, rng: random.Random) -> None:
        self._stack = stack
        self._api = api
        self._book = book
        self._size = size
        self._rng = rng
        self._auth = stack.settings.auth

    def moderator(self, stream: str) -> Moderator:
        user = f"creator-of-{stream}"
        return Moderator(
            stream,
            user,
            token(self._auth, user, "creator", stream),
            api=self._api,
            book=self._book,
            rng=self._child(),
            per_second=self._size.commands_per_second / self._size.streams,
        )

    def author(
        self,
        number: int,
        stream: str,
        saw: Mapping[str, Callable[[f.Content], None]],
        padding_chars: int = 0,
    ) -> tuple[Viewer, Author]:
        user = f"author-{number}"
        signed = token(self._auth, user)
        viewer = self._viewer(f"author-{number}", user, stream, signed, pace=STEADY, saw=saw[stream])
        share = LOUD_SHARE if padding_chars else 1 / self._size.authors
        author = Author(
            viewer,
            signed,
            api=self._api,
            book=self._book,
            rng=self._child(),
            per_second=self._size.comments_per_second * share,
            padding_chars=padding_chars,
        )
        return viewer, author

    def viewer(self, number: int, stream: str, saw: Callable[[f.Content], None]) -> Viewer:
        dice = self._rng.random()
        # The first few are of every sort, however few there are.
        sorts = (STEADY, ROAMING, SLOW, NEVER_READING, FAR_ROAMING)
        if 2 <= number < 2 + len(sorts):
            pace = sorts[number - 2]
        elif dice < NEVER_READING_SHARE:
            pace = NEVER_READING
        elif dice < NEVER_READING_SHARE + SLOW_SHARE:
            pace = SLOW
        elif dice < NEVER_READING_SHARE + SLOW_SHARE + ROAMING_SHARE:
            pace = self._rng.choice((ROAMING, ROAMING, FAR_ROAMING))
        else:
            pace = STEADY
        return self.watcher(f"viewer-{number}", stream, pace, saw)

    def watcher(self, user: str, stream: str, pace: Pace, saw: Callable[[f.Content], None]) -> Viewer:
        return self._viewer(user, user, stream, token(self._auth, user), pace=pace, saw=saw)

    def sdk(self, number: int, stream: str) -> SdkViewer:
        edge = self._rng.randrange(self._stack.shape.edges)
        user = f"sdk-{number}"
        return SdkViewer(
            user,
            user,
            stream,
            token(self._auth, user),
            url=self._stack.url(edge, proxied=False),
            edge=self._stack.edge_names[edge],
            book=self._book,
        )

    def _viewer(
        self,
        name: str,
        user: str,
        stream: str,
        signed: str,
        *,
        pace: Pace,
        saw: Callable[[f.Content], None],
    ) -> Viewer:
        stack, rng = self._stack, self._child()
        proxied = rng.random() < PROXIED_SHARE

        def url() -> tuple[str, str]:
            edge = rng.randrange(stack.shape.edges)
            return stack.edge_names[edge], stack.url(edge, proxied=proxied)

        return Viewer(name, user, stream, signed, url=url, book=self._book, pace=pace, rng=rng, on_event=saw)

    def _child(self) -> random.Random:
        return random.Random(self._rng.getrandbits(64))  # noqa: S311
