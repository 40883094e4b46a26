"""What a list finds, what it must not, and that it always ends soon."""

import time
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomments.bench import evasions
from schemas.filtering import WordList, folding, parse

WORDS = ["darn", "heck", "coño", "хуй", "操你", "kill yourself", "*bother*", "!brotherhood"]
OTHERS = ["/wh?y+ me/", "d@mn", "🖕"]


def of(*lines: str) -> WordList:
    parsed = parse(lines)
    assert not parsed.faults
    return WordList(parsed.rules)


LIST = of(*WORDS, *OTHERS)


@pytest.mark.parametrize(
    "text",
    [
        "darn",
        "Oh DARN!",
        "(darn)",
        "darn's",
        "ｄａｒｎ",
        "d.a.r.n",
        "d a r n",
        "you d a r n it",
        "da-rn",
        "d4rn!",
        "d@rn",
        "daaarn",
        "ddaarrnn",
        "d\u200ba\u200drn",
        "d\u202ea\u0301rn",
        "dаrn",
        "𝓭𝓪𝓻𝓷",
        "🅳🅰🆁🅽",
        "d💩a💩r💩n",
        "h3ck",
        "#heck",
        "coño",
        "c.o.ñ.o",
        "xуй",
        "你操你妈",
        "操.你",
        "操 你",
        "kill yourself",
        "k1ll y0urself",
        "kiiill yourself",
        "k i l l y o u r s e l f",
        "bothered",
        "b0th3red",
        "WHYYY ME",
        "what a d@mn day",
        "🖕🏽",
    ],
)
def test_listed_words_are_found_however_they_are_written(text: str) -> None:
    """Plain and in each disguise."""
    assert LIST.find(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "hello",
        "darning",
        "cono",
        "check it",
        "the kill, your selfie",
        "don't",
        "he'll",
        "brotherhood",
        "сосо",
        "как дела",
        "ありがとう",
        "1.2.3",
        "10:30",
        "$4.50",
        "100k",
        "dear n",
        "d",
        "da rn",
        "check",
        "й",
        "🎉",
    ],
)
def test_other_words_are_left_alone(text: str) -> None:
    """Words that contain listed ones, exceptions, contractions, numbers, other scripts."""
    assert LIST.find(text) is None


def test_a_doubled_letter_is_no_disguise_where_words_are_spelled_so() -> None:
    """«noob» is not «nob», but «nooob» and «nnob» are."""
    nob = of("nob")
    assert [nob.find(text) is not None for text in ("noob", "nooob", "nnob")] == [False, True, True]


def test_an_exception_counts_for_its_own_place_alone() -> None:
    """What stands beside an excepted word is still found."""
    assert LIST.find("brotherhood") is None
    assert LIST.find("brotherhood bother") is not None


def test_what_was_undone_is_told() -> None:
    """A hit names the rule and the disguises."""
    hit = LIST.find("d.4.r.n")
    assert hit is not None
    assert (str(hit.rule), set(hit.disguises)) == ("darn", {"leet"})
    plain = LIST.find("darn")
    assert plain is not None
    assert plain.disguises == ()


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(evasions.KINDS)),
    st.sampled_from(["darn", "heckler", "rascal", "kibosh", "scoundrel", "numpty"]),
    st.integers(0, 10_000),
)
def test_every_kind_of_evasion_is_seen(kind: str, word: str, seed: int) -> None:
    """Generated variants of words of several letters are found in a sentence."""
    made = evasions.variant(kind, word, Random(seed))
    if made is None or made.endswith("!"):
        return
    assert of(word).find(f"you {made} there") is not None, (kind, made)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gets_an_answer(text: str) -> None:
    """Whatever the characters, nothing is raised, and the answer is the same each time."""
    assert (LIST.find(text) is None) == (LIST.find(text) is None)


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet="dar n.4!aа\u0301你", min_size=1, max_size=8))
def test_cost_is_linear_in_the_text(unit: str) -> None:
    """4,000 characters of any repeated unit take less than 0.25 s of CPU (5 ms on a quiet machine)."""
    text = (unit * 4_000)[:4_000]
    started = time.thread_time()
    LIST.find(text)
    assert time.thread_time() - started < 0.25


def test_a_long_list_is_cut_into_several_automata_with_one_answer() -> None:
    """Words on both sides of the cut are found."""
    words = ["".join(chars) for chars in product("bdfgkmnprtv", repeat=4)][:12_000]
    long = of(*words)
    assert all(long.find(f"a {words[number]} b") for number in (0, 4_999, 5_000, 11_999))
    assert long.find("a zzqz b") is None


SPOKEN = st.lists(
    st.sampled_from(
        ["darn", "da-rn", "d.a.r.n", "daarn", "darrrn", "dd", "heck", "he.ck", "heeeck", "d4rn", "bother",
         "got", "g.o.t", "kill", "yourself", "killl-yourself", "brotherhood", "a", "3.50", "rr", "aarn!",
         "da😀rn", "da’rn", "ｄａｒｎ", "…", "darn™", "dаrn", "🇩🇦🇷🇳", "da\u200drn", "d\u0301arn", "D½", "❤️",
         "hé", "he—ck", "“darn”", "да", "操你", "🖕", "ﬀ", "\u00a0", "da\u2028rn", "ⓓⓐⓡⓝ", "ſ", "İ"]
    ),
    max_size=6,
)  # fmt: skip


@given(SPOKEN, st.sampled_from([" ", "", ", "]))
def test_the_short_way_says_what_the_long_one_does(words: list[str], joint: str) -> None:
    """What most comments are held against at once is a sieve: it lets nothing pass that would be found."""
    text = joint.join(words)
    raw = text.encode()
    found = LIST._excepted(text, LIST._find(text, raw, raw.translate(None, folding.NO_MARKS)))
    assert LIST.find(text) == found
