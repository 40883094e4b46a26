"""What the made-up crowd may say: ``phrases.toml``, read once."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

MOODS = ("chat", "cheer", "sing", "laugh")


@dataclass(frozen=True, slots=True)
class Language:
    """``share``: of the crowd, relative to the others'; ``said``: mood → phrases."""

    share: int
    names: tuple[str, ...]
    cities: tuple[str, ...]
    said: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Phrases:
    """``emoji``: mood → what may stand behind a phrase; ``languages`` by their tags."""

    artist: str
    songs: tuple[str, ...]
    emoji_alone: tuple[str, ...]
    creator: tuple[str, ...]
    moderator: tuple[str, ...]
    emoji: Mapping[str, tuple[str, ...]]
    languages: Mapping[str, Language]


@cache
def load() -> Phrases:
    """Read the file."""
    raw = tomllib.loads(files(__package__).joinpath("phrases.toml").read_text(encoding="utf-8"))
    return Phrases(
        artist=raw["artist"],
        songs=tuple(raw["songs"]),
        emoji_alone=tuple(raw["emoji_alone"]),
        creator=tuple(raw["creator"]),
        moderator=tuple(raw["moderator"]),
        emoji={mood: tuple(raw["emoji"][mood]) for mood in MOODS},
        languages={
            tag: Language(
                share=row["share"],
                names=tuple(row["names"]),
                cities=tuple(row["cities"]),
                said={mood: tuple(row[mood]) for mood in MOODS},
            )
            for tag, row in raw["languages"].items()
        },
    )
