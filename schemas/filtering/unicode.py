"""What a text says in plain characters: the Unicode half of the folding.

A text that is not ASCII is read in up to three ways. All of them leave out what cannot be seen
(zero-width, bidi controls, variation selectors) and write compatibility characters (full-width,
mathematical, circled …) plainly:

1. *folded*: case folded, accents kept; this is what lists hold;
2. *bare*: without combining marks;
3. *mapped*: characters that look like ASCII letters are those letters (TR39, by ``disarm``), in words that
   mix scripts or look like ASCII from end to end. A word of one other script is left alone: folding all
   of them fires on nearly every Russian text.
"""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

import disarm

TABLE_CHARS = 0x20000
"""Characters beyond are ideographs, private, or `_TAGS`."""

EXPANSION_MAX = 4
"""Characters that one may be in NFKC."""

# Seen in evasions, and not in TR39, or as another letter there.
_LOOKALIKES = {
    "ғ": "f", "ø": "o", "đ": "d", "ð": "d", "þ": "p", "æ": "ae", "œ": "oe", "ł": "l", "ħ": "h",
    "Я": "r", "я": "r", "И": "n", "и": "u", "й": "u", "Ш": "w", "Щ": "w", "Д": "a", "Ц": "u", "ц": "u",
    "Г": "r", "г": "r", "Э": "e", "э": "e", "Ч": "y", "ч": "y", "П": "n", "Ж": "x", "ж": "x", "ё": "e",
    "λ": "a", "ξ": "e", "ϕ": "o", "φ": "o", "ζ": "z", "€": "e", "£": "l", "¥": "y", "¢": "c",
    "©": "c", "®": "r", "§": "s", "×": "x", "¡": "i", "†": "t", "µ": "u", "ƨ": "s", "Ɔ": "o", "ɐ": "a",
}  # fmt: skip
_MARKS = (
    range(0x300, 0x370),
    range(0x483, 0x48A),
    range(0x1AB0, 0x1B00),
    range(0x1DC0, 0x1E00),
    range(0x20D0, 0x2100),
    range(0xFE20, 0xFE30),
)
_SEPARATOR = "."
NEXT_LINE = 0x85
_HIDDEN = {0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0x34F, 0x17B4, 0x17B5, 0xFFFC}
_UNSPACED_CHAR = (
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_UNSPACED = re.compile(f"({_UNSPACED_CHAR}+)")
_PARTED = re.compile(rf"(?<={_UNSPACED_CHAR})[\s!-/:-@\[-`{{-~]++(?={_UNSPACED_CHAR})")
_TAGS = re.compile("[\U000e0000-\U000e0fff]+")
_WORD = re.compile(r"[^\s.]+")


class Readings(NamedTuple):
    """See the module. ``bare`` and ``mapped`` are "" where they say nothing more."""

    folded: str
    bare: str
    mapped: str


def is_unspaced(char: str) -> bool:
    """Whether the character's script writes words without spaces."""
    return _UNSPACED.match(char) is not None


def spaced(text: str) -> str:
    """Set runs of unspaced scripts apart, so that a word of another script beside one stands alone."""
    return _UNSPACED.sub(r" \1 ", text)


def closed_up(text: str) -> str:
    """Take out what parts two characters of unspaced scripts."""
    return _PARTED.sub("", text)


def casefolded(text: str) -> str:
    """Return ``text`` as lists hold it: visible characters, NFKC, case folded."""
    if text.isascii():
        return text.lower()
    return _visible(text).casefold()


def in_ascii(text: str) -> str | None:
    """Return what `readings` would, where that is one reading in ASCII; None: it is, or may be, more.

    Emoji, dashes and typographic quotes beside English: most of what is not ASCII in a chat.
    """
    plain = text.translate(_tables().signs)
    return plain if plain.isascii() else None


def readings(text: str) -> Readings:
    """Read a text that is not ASCII."""
    tables = _tables()
    visible = _visible(text)
    if visible.isascii():
        return Readings(visible.lower(), "", "")
    folded = visible.casefold().translate(tables.plain)
    bare_cased = unicodedata.normalize("NFD", visible).translate(tables.unmarked)
    if not bare_cased.isascii():
        bare_cased = unicodedata.normalize("NFC", bare_cased)
    unmarked = bare_cased.casefold().translate(tables.plain)
    mapped = "" if bare_cased.isascii() else _WORD.sub(_mapped, bare_cased).casefold().translate(tables.plain)
    return Readings(
        folded, unmarked if unmarked != folded else "", mapped if mapped not in {unmarked, folded} else ""
    )


def bare(text: str) -> str:
    """Return a folded text without combining marks."""
    stripped = unicodedata.normalize("NFD", text).translate(_tables().unmarked)
    return unicodedata.normalize("NFC", stripped)


def lookalike(text: str) -> str:
    """Return a bare text with every character that looks like ASCII letters written as those."""
    return text.translate(_tables().mapped).casefold()


def _visible(text: str) -> str:
    return unicodedata.normalize("NFKC", _TAGS.sub("", text.translate(_tables().visible)))


def _mapped(match: "re.Match[str]") -> str:
    word = match[0]
    if word.isascii():
        return word
    mapped = word.translate(_tables().mapped)
    mixed = mapped.isascii() or any(char.isascii() and char.isalpha() for char in word)
    return mapped if mixed else word


class _Tables(NamedTuple):
    """For `str.translate`, by code point; lists, since a miss in a dict costs an exception."""

    visible: list[str | int | None]
    unmarked: list[str | int | None]
    plain: list[str | int | None]
    mapped: list[str | int | None]
    signs: list[str | int | None]


@cache
def _tables() -> _Tables:  # noqa: C901 - one rule a kind of character
    visible: list[str | int | None] = list(range(TABLE_CHARS))
    plain, mapped = visible.copy(), visible.copy()
    marks = [code for block in _MARKS for code in block]
    for code in range(0x80, TABLE_CHARS):
        category = unicodedata.category(chr(code))
        if _is_hidden(code, category):
            visible[code] = None
        elif len(unicodedata.normalize("NFKC", chr(code))) > EXPANSION_MAX:
            visible[code] = _SEPARATOR  # one character of a whole sentence: a text of them would not end
        elif category[0] == "Z" or code == NEXT_LINE:
            visible[code] = plain[code] = " "
        elif category[0] in "PSC" and category != "Co":
            plain[code] = _SEPARATOR
        if not 0xD800 <= code < 0xE000 and (letters := _looks_like(chr(code), category)):
            mapped[code] = letters
    for code in (0x2018, 0x2019, 0x201B, 0x2BC, 0xFF07):
        visible[code] = "'"
    for code in range(0x1F1E6, 0x1F200):  # regional indicators: letters in squares
        mapped[code] = chr(code - 0x1F1E6 + ord("a"))
    for code in marks:
        plain[code] = None
    unmarked = visible.copy()
    for code in marks:
        unmarked[code] = None
    signs = [_sign(code, visible[code], plain[code], mapped[code]) for code in range(TABLE_CHARS)]
    return _Tables(visible, unmarked, plain, mapped, signs)


def _sign(
    code: int, seen: str | int | None, plain: str | int | None, mapped: str | int | None
) -> str | int | None:
    """Return what is read for a character, whatever stands beside it; itself where that cannot be said."""
    if seen is None or code < 0x80 or 0xD800 <= code < 0xE000:
        return seen
    text = unicodedata.normalize("NFKC", seen if isinstance(seen, str) else chr(seen))
    if text.isascii():
        return text
    return _SEPARATOR if plain == _SEPARATOR and mapped == code and text == chr(code) else code


def _is_hidden(code: int, category: str) -> bool:
    return category == "Cf" or code in _HIDDEN or 0xFE00 <= code < 0xFE10 or 0x180B <= code < 0x180F


def _looks_like(char: str, category: str) -> str | None:
    if char in _LOOKALIKES:
        return _LOOKALIKES[char]
    if category[0] not in "LNS" or 0x3400 <= ord(char) < 0xA000 or 0xAC00 <= ord(char) < 0xD7A4:
        return None
    seen = disarm.normalize_confusables(char)
    return seen.lower() if seen != char and seen.isascii() and seen.isalpha() else None
