"""What a text spells when the disguises that plain characters allow are undone.

Works on UTF-8 bytes with 256-entry tables: one pass in C each, whatever the script. A *form* is the text
with its words between single spaces, and a space at both ends, so that `` word `` is a whole word.

| form | undoes |
|---|---|
| plain | nothing: punctuation parts words |
| joined | punctuation inside words: ``fu.ck``, ``f*u*c*k`` |
| leet | digits and symbols for letters: ``sh1t``, ``a$$``; ``l`` is written ``i``, as ``1`` may be either |
| spelled | letters that stand alone: ``f u c k``, ``f-u-c-k`` |
| squeezed | repeated letters: ``fuuuck``; of each of the others that has any |
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final

_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_DIGITS = b"0123456789"
_LEET = {
    "0": "o", "1": "i", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "i", "|": "i", "+": "t", "(": "c", "<": "c", "{": "c", "[": "c", "l": "i",
}  # fmt: skip
_SURE_LEET = "0123456789@$l"
"""The others are mostly what they are: they are taken for letters in one of two leet forms only."""


def _table(kept: dict[str, str]) -> bytes:
    """Letters in lower case, digits and bytes of other scripts stay; what is not ``kept`` is a space."""
    row = bytearray()
    for code in range(256):
        char = chr(code)
        if code >= 0x80:
            row.append(code)
        elif char in kept:
            row += kept[char].encode()
        else:
            row += char.lower().encode() if char.isalnum() else b" "
    return bytes(row)


def _dropped(kept: dict[str, str]) -> bytes:
    """Punctuation that is not ``kept``: deleted where words are joined."""
    return bytes(
        code for code in range(128) if not (chr(code).isalnum() or chr(code).isspace() or chr(code) in kept)
    )


PLAIN_TABLE = _JOINED = _table({})
_SURE = {char: _LEET[char] for char in _SURE_LEET}
_LEET_SURE, _LEET_ALL = _table(_SURE), _table(_LEET)
_DROPPED = {_JOINED: _dropped({}), _LEET_SURE: _dropped(_SURE), _LEET_ALL: _dropped(_LEET)}
NO_MARKS = _LETTERS + _LETTERS.upper() + b" " + bytes(range(0x80, 0x100))
"""Letters, spaces and what is not ASCII: a text of these alone is neither parted nor leet."""
_ALNUM = rb"[0-9a-zA-Z\x80-\xff]"
_MARK = rb"[^0-9a-zA-Z\x80-\xff\s]"
PARTED = re.compile(rb"%b%b+%b" % (_ALNUM, _MARK, _ALNUM))
"""Punctuation inside a word."""
_LEET_SIGNS = "@$|+(<{["
_KINDS = bytes(
    ord(" ")
    if chr(code).isspace()
    else ord("a")
    if code >= 0x80 or chr(code).isalpha()
    else ord("0")
    if chr(code).isdigit()
    else ord("@")
    if chr(code) in _LEET_SIGNS
    else ord("!")
    if code == ord("!")
    else ord(".")
    for code in range(256)
)
"""What kind of character each byte is: looking for two kinds side by side is faster than a pattern."""
_SIDES = bytes(
    ord(" ") if chr(code).isspace() else ord("a") if code >= 0x80 or chr(code).isalnum() else ord(".")
    for code in range(256)
)
"""The same, of parts of words and punctuation alone."""
_NO_LEETED = bytes(code for code, kind in enumerate(_KINDS) if chr(kind) not in "0@!")
"""What makes no text look leet."""
_LONG_NUMBER = re.compile(rb"(?<![0-9])(?!(?:19|20)[0-9]{2}(?![0-9]))[0-9]{4}")
"""That is no year."""
_NO_OTHER_LEET = bytes(code for code in range(256) if chr(code) not in set(_LEET) - set(_SURE_LEET))
_EDGES = re.compile(rb"""(?<![!?.,:;)\]}>'"])[!?.,:;)\]}>'"]++(?= )|(?<= )[(\[{<!'"]++""")
"""Punctuation around words. The look-behind keeps it linear: a run of it is looked at once."""
_CHAR = rb"(?:[0-9a-z]|[\xc2-\xf4][\x80-\xbf]++)"
_LETTER = rb"([a-z]|[\xc2-\xf4][\x80-\xbf]++)"
_DOUBLED_WIDE = re.compile(rb"([\xc2-\xf4][\x80-\xbf]++)\1")
_REPEATS = re.compile(_LETTER + rb"\1+")
_REPEATED_ASCII = re.compile(rb"([a-z])(?=\1)")
_FIRST = itemgetter(1)
_DOUBLED_NEVER = b"ahijkquvwxy"
_VOWELS = b"aeiouyh"
_BEHIND_DOUBLED = b"lry"
_BEFORE_NATURAL = _VOWELS + _BEHIND_DOUBLED + b" "
_UNNATURAL_BEFORE = bytes(char for char in _LETTERS if char not in _BEFORE_NATURAL)
ODD_REPEATS = tuple(
    dict.fromkeys(
        [bytes([char] * 3) for char in _LETTERS]
        + [bytes([char] * 2) for char in _DOUBLED_NEVER]
        + [
            found
            for char in _LETTERS
            if char not in b"eo" + _DOUBLED_NEVER
            for found in (
                b" " + bytes([char] * 2),
                *(bytes([other, char, char]) for other in _LETTERS if other not in _VOWELS and other != char),
                *(bytes([char, char, other]) for other in _UNNATURAL_BEFORE if other != char),
            )
        ]
    )
)
"""Repeats in ASCII that `is_unnatural` may find so: every automaton looks for them, as a sieve."""
_ALONE = re.compile(rb" %b %b(?= )" % (_CHAR, _CHAR))
_SPELLED = re.compile(rb"(?<= )(?:%b{1,2} ){2,}%b{1,2}(?= )" % (_CHAR, _CHAR))
_SPACE = 0x20
SPELLED_SINGLES_MIN = 2
"""Of a run of three or more words of one or two letters."""


# Which disguises a form undoes. PLAIN alone: the text as it stands. Numbers: an enum's are far slower.
PLAIN: Final = 1
READ: Final = 2
"""Of a bare or mapped reading of a text that is not ASCII."""
JOINED: Final = 4
LEET: Final = 8
SQUEEZED: Final = 16
EDGED: Final = 32
"""Signs at a word's edge were taken for letters."""
_NAMES = {READ: "look-alikes", JOINED: "separators", LEET: "leet", SQUEEZED: "repeats"}


def names_of(form: int) -> tuple[str, ...]:
    """Return the disguises that a form undoes, in words; none for the text as it stands."""
    return tuple(name for bit, name in _NAMES.items() if form & bit)


class Formed:
    """One form of a text.

    ``words``: the words as they were, one for each of the form's; None: there is no such relation.
    ``stretched``: the form before letters were squeezed; None: they were not.
    """

    __slots__ = ("_spaces", "_split", "form", "stretched", "text", "words")

    def __init__(
        self, form: int, text: bytes, words: bytes | None = None, stretched: bytes | None = None
    ) -> None:
        self.form = form
        self.text = text
        self.words = words
        self.stretched = stretched
        self._spaces: list[int] | None = None
        self._split: dict[bytes, list[bytes]] = {}

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the numbers of the first and last word of text[start:end]."""
        if self._spaces is None:
            self._spaces = [at for at, byte in enumerate(self.text) if byte == _SPACE]
        first = bisect_left(self._spaces, start + (self.text[start] == _SPACE)) - 1
        last = bisect_left(self._spaces, end - (self.text[end - 1] == _SPACE)) - 1
        return first, last

    def of(self, words: bytes | None, first: int, last: int) -> bytes | None:
        """Return some of ``words``, which are this form's `words` or `stretched`."""
        if words is None:
            return None
        split = self._split.get(words)
        if split is None:
            split = self._split[words] = words[1:-1].split(b" ")
        return split[first] if first == last else b" ".join(split[first : last + 1])


def key(text: str) -> bytes:
    """Return a folded word or phrase as the plain form has it."""
    return b" ".join(text.encode().translate(PLAIN_TABLE).split())


def leet_key(word: bytes) -> bytes:
    """Return a key as the leet forms have it."""
    return word.translate(_LEET_SURE)


def squeezed_key(word: bytes) -> bytes:
    """Return a key, or a form, as the squeezed forms have it."""
    return _REPEATED_ASCII.sub(b"", word) if word.isascii() else _REPEATS.sub(_FIRST, word)


def runs(word: bytes) -> list[tuple[bytes, int]]:
    """Return a key's characters, each with how often it is repeated there."""
    rows: list[tuple[bytes, int]] = []
    for char in re.findall(rb"[\x00-\x7f]|[\xc2-\xf4][\x80-\xbf]++", word):
        if rows and rows[-1][0] == char:
            rows[-1] = (char, rows[-1][1] + 1)
        else:
            rows.append((char, 1))
    return rows


def plain(raw: bytes) -> bytes:
    """Return the plain form of a text."""
    return b" %b " % b" ".join(raw.translate(PLAIN_TABLE).split())


def has_single_letters(text: bytes) -> bool:
    """Whether two letters stand alone, side by side, in a plain form."""
    return _ALONE.search(text) is not None


def forms(raw: bytes, form: int) -> list[Formed]:
    """Return the forms of one reading of a text, but for squeezed ones. ``form``: PLAIN, or PLAIN | READ."""
    text = plain(raw)
    found = [Formed(form, text)]
    if raw.translate(None, NO_MARKS):
        _undo(raw, form, found)
    if has_single_letters(text):
        _respell(text, form, found)
    return found


def squeezed(forms: Sequence[Formed]) -> list[Formed]:
    """Return the squeezed forms of those that have repeats."""
    found = []
    for each in forms:
        text = squeezed_key(each.text)
        if text != each.text:
            found.append(Formed(each.form | SQUEEZED, text, each.words, each.text))
    return found


def has_wide_repeats(forms: Iterable[Formed]) -> bool:
    """Whether letters beyond ASCII are repeated, which `ODD_REPEATS` does not see."""
    return any(_DOUBLED_WIDE.search(each.text) for each in forms)


def at_once(raw: bytes, marks: bytes) -> bytes | None:
    """Return all forms of most texts in one piece: the plain one, and the joined one where words are parted.

    Args:
        raw: a text of ASCII alone.
        marks: of it what is not in `NO_MARKS`.

    None: digits or signs may be letters, or letters stand alone; then `forms` has them.

    """
    text = b" " + b" ".join(raw.translate(PLAIN_TABLE).split()) + b" "  # `plain`, without the call
    if has_single_letters(text) and _SPELLED.search(text):
        return None
    if not marks:
        return text
    if marks.translate(None, _NO_LEETED) and _is_leeted(raw):
        return None
    return text + b"\n" + _joined(raw) if _is_parted(raw) else text


def _joined(raw: bytes) -> bytes:
    return (b" %b " % b" ".join(raw.split())).translate(_JOINED, _DROPPED[_JOINED])


def _is_parted(raw: bytes) -> bool:
    sides = raw.translate(_SIDES)
    return b"a.a" in sides or (b".a" in sides and PARTED.search(raw) is not None)


def _is_leeted(raw: bytes) -> bool:
    """Whether kinds stand side by side where a digit or sign may be a letter."""
    kinds = raw.translate(_KINDS)
    if b"0a" in kinds or b"a0" in kinds or b"!a" in kinds:
        return True
    if b"@" in kinds and (
        b"@a" in kinds or b"a@" in kinds or b"@0" in kinds or b"0@" in kinds or b"@@" in kinds
    ):
        return True
    return b"0000" in kinds and _LONG_NUMBER.search(raw) is not None


def _undo(raw: bytes, form: int, found: list[Formed]) -> None:
    leeted = _is_leeted(raw)
    if not leeted and not _is_parted(raw):
        return
    words = b" %b " % b" ".join(raw.split())
    wanted = [(JOINED, _JOINED, words)]
    if leeted:
        wanted.append((LEET, _LEET_SURE, words))
        if raw.translate(None, _NO_OTHER_LEET):
            # Signs at a word's edge are punctuation, or letters: "sh1t!" and "f3(".
            wanted += [(LEET, _LEET_ALL, _EDGES.sub(b"", words)), (LEET | EDGED, _LEET_ALL, words)]
    seen = {found[0].text}
    for kind, table, source in wanted:
        text = source.translate(table, _DROPPED[table])
        if text not in seen:
            seen.add(text)
            found.append(Formed(form | kind, text, words))


def _respell(text: bytes, form: int, found: list[Formed]) -> None:
    """Join letters that stand alone, with the word before or behind them left out in turn."""
    for match in _SPELLED.finditer(text):
        words = match[0].split(b" ")
        if sum(len(word.decode()) == 1 for word in words) < SPELLED_SINGLES_MIN:
            continue
        rows = [b"".join(words[left : len(words) - right]) for left in (0, 1) for right in (0, 1)]
        joined = b" %b " % b" ".join(rows)
        found.append(Formed(form | JOINED, joined))
        leet = joined.translate(_LEET_SURE)
        if leet != joined:
            found.append(Formed(form | LEET, leet, joined))


_REPEATS_SURE = 3


def is_unnatural(groups: Sequence[bytes], word: Sequence[tuple[bytes, int]]) -> bool:
    """Whether letters are repeated as in no other word: "fuuuck", "fuuck", "ffuck", not "noob" for "nob".

    Args:
        groups: the letters found, those of one run together.
        word: the same runs of the listed word, with how often each letter is there.

    """
    longer = [at for at, (char, count) in enumerate(word) if len(groups[at]) > len(char) * count]
    if len(longer) != 1:
        return len(longer) > 1
    at = longer[0]
    char = word[at][0]
    if len(groups[at]) >= _REPEATS_SURE * len(char):
        return True
    # One letter, twice: English doubles consonants behind a vowel, e and o anywhere.
    if char in _DOUBLED_NEVER:
        return True
    if char in b"eo":
        return False
    behind_vowel = at > 0 and word[at - 1][0] in _VOWELS
    before = word[at + 1][0] if at + 1 < len(word) else b"l"
    return not behind_vowel or before not in _VOWELS + _BEHIND_DOUBLED
