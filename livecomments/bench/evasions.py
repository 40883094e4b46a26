"""How people write listed words so that a filter does not see them: variants by kind, from a seed.

The look-alikes are a table of their own, by eye, so that the filter is not measured with what it is made of.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

_HOMOGLYPHS: Final = {
    "a": "аαɑᴀ𝐚𝘢", "b": "ЬᏏʙ𝐛", "c": "сϲᴄ𝐜", "d": "ԁᴅ𝐝", "e": "еєᴇ𝐞ҽ", "f": "ƒꜰ𝐟", "g": "ɡɢ𝐠", "h": "һʜ𝐡",
    "i": "іıɪ𝐢", "j": "јᴊ𝐣", "k": "кκᴋ𝐤", "l": "ӏʟ𝐥", "m": "мᴍ𝐦", "n": "ոɴ𝐧", "o": "оοᴏօ𝐨", "p": "рρᴘ𝐩",
    "q": "ԛ𝐪", "r": "гʀ𝐫", "s": "ѕꜱ𝐬", "t": "тτᴛ𝐭", "u": "υսᴜ𝐮", "v": "νѵᴠ𝐯", "w": "ԝᴡ𝐰", "x": "хχ𝐱",
    "y": "уүʏ𝐲", "z": "ᴢ𝐳",
}  # fmt: skip
_LEET: Final = {
    "a": "4@", "b": "8", "c": "(", "e": "3", "g": "9", "i": "1!", "l": "1|", "o": "0", "s": "5$", "t": "7+",
}  # fmt: skip
_HIDDEN: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_BIDI: Final = "\u200e\u200f\u202a\u202c\u202d\u2066\u2069\u061c"
_MARKS: Final = "\u0300\u0301\u0302\u0303\u0307\u0308\u0323\u0332\u0336\u0489"
_SEPARATORS: Final = ".-_*~/, "
ROUNDS_MAX = 20


def _inserted(word: str, random: Random, chars: str) -> str:
    """Put one to three of ``chars`` between letters; one at least."""
    places = {random.randrange(1, len(word)) for _ in range(random.randint(1, 3))}
    return "".join(random.choice(chars) * (at in places) + char for at, char in enumerate(word))


def _replaced(word: str, random: Random, table: Mapping[str, str]) -> str | None:
    """Write one letter to all letters by ``table``; None: it has none of them."""
    places = [at for at, char in enumerate(word) if char in table]
    if not places:
        return None
    chosen = set(random.sample(places, random.randint(1, len(places))))
    return "".join(random.choice(table[char]) if at in chosen else char for at, char in enumerate(word))


def _separated(word: str, random: Random) -> str | None:
    if " " in word:
        return None
    return random.choice(_SEPARATORS).join(word)


def _repeated(word: str, random: Random) -> str | None:
    """Write one or more letters three to six times."""
    places = [at for at, char in enumerate(word) if char.isalpha()]
    if not places:
        return None
    chosen = set(random.sample(places, random.randint(1, min(3, len(places)))))
    return "".join(char * (random.randint(3, 6) if at in chosen else 1) for at, char in enumerate(word))


def _doubled(word: str, random: Random) -> str | None:
    """Write one letter twice."""
    places = [at for at, char in enumerate(word) if char.isalpha()]
    if not places:
        return None
    chosen = random.choice(places)
    return word[:chosen] + word[chosen] + word[chosen:]


def _full_width(word: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in word)


def _mixed_case(word: str, random: Random) -> str:
    return "".join(random.choice((char.lower(), char.upper())) for char in word)


BEYOND: Final[Mapping[str, Callable[[str, Random], str | None]]] = {"one letter doubled": _doubled}
"""Told, and not promised: "noob" is no disguise of "nob"."""
KINDS: Final[Mapping[str, Callable[[str, Random], str | None]]] = {
    "confusables": lambda word, random: _replaced(word, random, _HOMOGLYPHS),
    "zero-width": lambda word, random: _inserted(word, random, _HIDDEN),
    "bidi": lambda word, random: _inserted(word, random, _BIDI),
    "combining marks": lambda word, random: _inserted(word, random, _MARKS),
    "leet": lambda word, random: _replaced(word, random, _LEET),
    "repeats": _repeated,
    "separators": _separated,
    "mixed case": _mixed_case,
    "full-width": lambda word, _: _full_width(word),
}


def variant(kind: str, word: str, random: Random) -> str | None:
    """Return ``word`` disguised; None: this kind cannot disguise it."""
    for _ in range(ROUNDS_MAX):
        made = {**KINDS, **BEYOND}[kind](word, random)
        if made is None or made != word:
            return made
    return None
