"""A made-up crowd at a concert: who says what, and when. Pure: the same seed says the same.

The evening is a row of moments, each with a mood: quiet chat, a cheer that rises at once and fades, a
refrain that everybody sings, a laugh. Between two messages lies an exponential time, whose rate follows the
moment. Few people talk much and many a little; nobody talks faster than a person types.
"""

import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from livecomments.client.chatlog import Message
from livecomments.client.names import name_of
from livecomments.client.phrases import Language, Phrases, load

CREATOR_ID = "nova-tides"
MODERATORS = {"mod-ines": "Ines", "mod-kofi": "Kofi"}
COOL_SECONDS = 4.0
"""Between two messages of one person."""
DRAWS_MAX = 8
"""Of an author who may speak; when all of them just spoke, nobody does."""
TALKATIVE = 0.7
"""Exponent of the authors' shares: the n-th has 1 / n ** TALKATIVE."""
RECENT_NAMES = 12
NAMED = 0.45
NUMBERED = 0.3
EMOJI_ALONE = 0.08
EMOJI_BEHIND = 0.35
SHOUTED = 0.4
OWN_MOOD = 0.8
"""Of what is said in a moment, how much is of its mood."""
CREATOR_SPEAKS = 0.8
MODERATOR_SPEAKS = 0.5
RISE_SECONDS = 1.5
FADE = 2.5
"""How many times a moment's level falls by e until its end."""


@dataclass(frozen=True, slots=True)
class Shape:
    """``per_second``: in quiet moments; the loudest have up to six times that."""

    seed: int = 7
    authors: int = 1_200
    per_second: float = 5.0


@dataclass(frozen=True, slots=True)
class Mood:
    """``weight``: how often; seconds and times the quiet rate: from, to."""

    weight: int
    seconds: tuple[float, float]
    gain: tuple[float, float]
    fades: bool = True


MOODS = {
    "chat": Mood(5, (10, 28), (1, 1.5), fades=False),
    "cheer": Mood(4, (8, 16), (4, 6)),
    "sing": Mood(3, (12, 24), (2, 3.5), fades=False),
    "laugh": Mood(2, (5, 9), (3, 5)),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """From ``begin`` for ``length`` seconds; ``gain``: how many times the quiet rate at its height."""

    mood: str
    begin: float
    length: float
    gain: float

    @property
    def end(self) -> float:
        """When the next one begins."""
        return self.begin + self.length

    def level(self, at: float) -> float:
        """Return how many times the quiet rate there is at a time, 1 or more."""
        since = at - self.begin
        risen = min(1.0, since / RISE_SECONDS)
        left = math.exp(-FADE * since / self.length) if MOODS[self.mood].fades else 1.0
        return 1.0 + (self.gain - 1.0) * risen * left


@dataclass(frozen=True, slots=True)
class Author:
    """One of the crowd."""

    id: str
    name: str
    language: Language


def crowd(shape: Shape) -> Iterator[Message]:
    """Yield what the crowd says, for ever, in order."""
    rng = random.Random(shape.seed)  # noqa: S311 - a crowd, not a secret
    phrases = load()
    room = _Room(rng, people(rng, shape.authors, phrases))
    talk = _Talk(rng, phrases)
    now = 0.0
    for moment in moments(rng):
        talk.song = rng.choice(phrases.songs)
        yield from _staff(talk, moment)
        now = moment.begin + rng.expovariate(shape.per_second)
        while now < moment.end:
            author = room.speaker(now)
            if author is not None:
                yield Message(int(now * 1000), author.id, author.name, talk.text(moment.mood, author))
            now += rng.expovariate(shape.per_second * moment.level(now))


def people(rng: random.Random, count: int, phrases: Phrases) -> list[Author]:
    """Make a crowd. Names may repeat, ids do not."""
    shares = [language.share for language in phrases.languages.values()]
    languages = rng.choices(list(phrases.languages.values()), weights=shares, k=count)
    return [
        Author(id_, _name(rng, id_, language), language)
        for id_, language in ((f"crowd-{number}", language) for number, language in enumerate(languages))
    ]


def moments(rng: random.Random) -> Iterator[Moment]:
    """Yield one moment behind the other, for ever; the first is a quiet one."""
    begin, mood = 0.0, "chat"
    while True:
        moment = Moment(mood, begin, rng.uniform(*MOODS[mood].seconds), rng.uniform(*MOODS[mood].gain))
        yield moment
        begin = moment.end
        others = [each for each in MOODS if each != mood]
        mood = rng.choices(others, weights=[MOODS[each].weight for each in others])[0]


def _name(rng: random.Random, id_: str, language: Language) -> str:
    if rng.random() > NAMED:
        return name_of(id_)
    name = rng.choice(language.names)
    return f"{name} {rng.randint(2, 99)}" if rng.random() < NUMBERED else name


class _Room:
    """Who speaks next."""

    def __init__(self, rng: random.Random, authors: Sequence[Author]) -> None:
        self._rng = rng
        self._authors = authors
        self._shares = list(accumulate(1 / n**TALKATIVE for n in range(1, len(authors) + 1)))
        self._spoke: dict[str, float] = {}

    def speaker(self, now: float) -> Author | None:
        """Return somebody who did not just speak; None when nobody was found."""
        for author in self._rng.choices(self._authors, cum_weights=self._shares, k=DRAWS_MAX):
            if now - self._spoke.get(author.id, -math.inf) >= COOL_SECONDS:
                self._spoke[author.id] = now
                return author
        return None


@dataclass(slots=True)
class _Talk:
    """What they say. ``song``: the one that is played."""

    rng: random.Random
    phrases: Phrases
    song: str = ""
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT_NAMES))

    def text(self, moment: str, author: Author) -> str:
        rng = self.rng
        mood = moment if rng.random() < OWN_MOOD else "chat"
        if mood != "chat" and rng.random() < EMOJI_ALONE:
            return rng.choice(self.phrases.emoji_alone)
        text = self.filled(rng.choice(author.language.said[mood]), rng.choice(author.language.cities))
        self.recent.append(author.name)
        if mood == "cheer" and rng.random() < SHOUTED:
            text += "!" * rng.randint(1, 4)
        return f"{text} {rng.choice(self.phrases.emoji[mood])}" if rng.random() < EMOJI_BEHIND else text

    def filled(self, phrase: str, city: str = "") -> str:
        name = self.rng.choice(self.recent) if self.recent else self.phrases.artist
        return phrase.format(song=self.song, name=name, city=city)


def _staff(talk: _Talk, moment: Moment) -> Iterator[Message]:
    """Let creator and moderators say something at the beginning of a quiet moment."""
    if moment.mood != "chat":
        return
    rng, phrases, at_ms = talk.rng, talk.phrases, int(moment.begin * 1000)
    if rng.random() < CREATOR_SPEAKS:
        yield Message(at_ms, CREATOR_ID, phrases.artist, talk.filled(rng.choice(phrases.creator)), "creator")
    if rng.random() < MODERATOR_SPEAKS:
        who = rng.choice(list(MODERATORS))
        yield Message(at_ms, who, MODERATORS[who], talk.filled(rng.choice(phrases.moderator)), "moderator")
