"""``livecomments bench moderation``: what the word filter catches, what it wrongly catches, what it costs.

Lists and benign chat are real ones where they are at hand (``../shared/data``), else made; the answer says
which. CPU time of one thread, the least of several rounds. Beside each cost stands that of the automaton
alone on the same texts, so that figures of a busy machine can be read.
"""

import asyncio
import csv
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from agents.core.verdicts import Platform
from agents.lists import listed
from livecomments.bench import evasions
from livecomments.options import Json
from schemas.filtering import WordList, folding, parse
from schemas.filtering.automaton import Automaton
from schemas.filtering.literals import is_literal
from schemas.filtering.rules import Kind, rule_of

DATA: Final = Path(__file__).parents[3] / "shared" / "data"
SEED: Final = 20_261_125
WORDS: Final = 5_000
LONG_LIST: Final = 100_000
VARIANTS: Final = 3
"""Of each word and kind."""
ROUNDS: Final = 5
TEXTS_TIMED: Final = 20_000
ADVERSARIAL_CHARS: Final = 4_000
ADVERSARIES: Final = (
    "a", "as ", "a.", "a ", "! x!", "aab", "(", "4a$ ", "а ", "e\u0301", "a\u200d", "你. ", "a😂", "fսк1! ",
    "go! ", "as-", "as a55x ", "\ufdfa", "f u c ", "ass as ", "5h17 ", "ﬁ",
)  # fmt: skip
TICK_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True)
class Material:
    """What is measured with. ``source``: real | made."""

    source: str
    rules: tuple[str, ...]
    chat: Sequence[str]

    @property
    def words(self) -> list[str]:
        """Listed words of at least two plain letters: those that the variants are made of."""
        found = [rule_of(line) for line in self.rules]
        return [
            rule.text
            for rule in found
            if rule.kind is Kind.WORD
            and not is_literal(rule)
            and rule.text.isascii()
            and sum(map(str.isalpha, rule.text)) > 2
        ]


@dataclass(slots=True)
class Report:
    """What ``--json`` prints."""

    source: str
    rules: int = 0
    recall_percent: dict[str, float] = field(default_factory=dict)
    recall_beyond_percent: dict[str, float] = field(default_factory=dict)
    missed: dict[str, list[str]] = field(default_factory=dict)
    """Up to five variants a kind that passed; only with ``--show``."""
    chat: dict[str, float] = field(default_factory=dict)
    false_by_disguise: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    cost_us: dict[str, float] = field(default_factory=dict)
    automaton_us: dict[str, float] = field(default_factory=dict)
    adversarial_ms: dict[str, float] = field(default_factory=dict)
    swap: dict[str, float] = field(default_factory=dict)


def moderation(
    as_json: Json = False,
    show: Annotated[
        bool, typer.Option("--show", help="Also show what was missed and wrongly found.")
    ] = False,
    data: Annotated[Path, typer.Option("--corpus", help="Folder with words/ and logs/.")] = DATA,
) -> None:
    """Measure the word filter: evasions seen, benign chat left alone, cost, long lists."""
    report = measure(material(data), show=show)
    if as_json:
        print(json.dumps(asdict(report), ensure_ascii=False))
    else:
        _print(report)


def material(data: Path) -> Material:
    """Read what is in a folder, or make some."""
    lines, chat = list(_lines(data / "words")), list(_chat(data / "logs"))
    random = Random(SEED)  # noqa: S311
    real = bool(lines and chat)
    if not real:
        lines = _made_words(random, 2_000)
        chat = _made_chat(random, 20_000, set(lines))
    rules = parse(lines).rules
    filler = (word for word in _made_words(random, 2 * WORDS) if word not in rules)
    rules += tuple(word for word, _ in zip(filler, range(max(0, WORDS - len(rules))), strict=False))
    return Material("real" if real else "made", rules, chat)


def measure(given: Material, *, show: bool = False) -> Report:
    """Measure everything."""
    report = Report(given.source, rules=len(given.rules))
    words = WordList(given.rules)
    _recall(report, words, given.words, show=show)
    _benign(report, words, given.chat, show=show)
    _cost(report, words, given)
    for unit in ADVERSARIES:
        text = (unit * ADVERSARIAL_CHARS)[:ADVERSARIAL_CHARS]
        report.adversarial_ms[unit] = min(_timed(words.find, [text]) for _ in range(3)) / 1_000
    report.swap = asyncio.run(_swap())
    return report


def _recall(report: Report, words: WordList, listed: Sequence[str], *, show: bool) -> None:
    random = Random(SEED)  # noqa: S311
    for kinds, into in (
        (evasions.KINDS, report.recall_percent),
        (evasions.BEYOND, report.recall_beyond_percent),
    ):
        for kind in kinds:
            made = [evasions.variant(kind, word, random) for word in listed for _ in range(VARIANTS)]
            variants = [each for each in made if each is not None]
            missed = [each for each in variants if words.find(f"you {each} now") is None]
            into[kind] = 100 * (1 - len(missed) / len(variants))
            if show:
                report.missed[kind] = missed[:5]


def _benign(report: Report, words: WordList, chat: Sequence[str], *, show: bool) -> None:
    counted = Counter(chat)
    plain = beyond = 0
    by_disguise: Counter[str] = Counter()
    for text, times in counted.items():
        hit = words.find(text)
        if hit is None:
            continue
        if not hit.disguises:
            plain += times
            continue
        beyond += times
        by_disguise["+".join(hit.disguises)] += times
        if show:
            report.wrong.append(f"{text[:100]!r}: {hit.rule} ({', '.join(hit.disguises)})")
    report.chat = {
        "messages": len(chat),
        "plain_whole_words": plain,
        "beyond": beyond,
        "beyond_percent": 100 * beyond / len(chat),
    }
    report.false_by_disguise = dict(by_disguise)


def _cost(report: Report, words: WordList, given: Material) -> None:
    random = Random(SEED)  # noqa: S311
    start = random.randrange(max(1, len(given.chat) - TEXTS_TIMED))
    # As it comes, and each text anew in memory: a sample from all over it would measure that.
    plain = [text.encode().decode() for text in given.chat[start : start + TEXTS_TIMED]]
    disguised = [
        f"you {made} now"
        for kind in evasions.KINDS
        for word in random.sample(given.words, min(500, len(given.words)))
        if (made := evasions.variant(kind, word, random)) is not None
    ]
    rules = ((number, rule_of(line)) for number, line in enumerate(given.rules))
    automaton = Automaton(
        [(at, rule) for at, rule in rules if rule.kind is Kind.WORD and not is_literal(rule)]
    )
    for name, texts in (("plain", plain), ("disguised", disguised)):
        report.cost_us[name] = _least(words.find, texts)
        ready = [folding.plain(text.encode(errors="replace")) for text in texts]
        report.automaton_us[name] = _least(automaton.matches, ready)
    # As `moderate` asks: what was said lately is not looked at again.
    report.cost_us["plain_in_stage"] = min(_timed(Platform(words).find, plain) for _ in range(ROUNDS))


async def _swap() -> dict[str, float]:
    """Make a long list as the stage does, in a thread, and note the loop's longest pause meanwhile."""
    random = Random(SEED)  # noqa: S311
    lines = _made_words(random, LONG_LIST)
    idle = await _longest_pause(asyncio.sleep(1.0))
    making = asyncio.to_thread(listed, lines)
    started = time.perf_counter()
    longest = await _longest_pause(making)
    longest_call_ms = await asyncio.to_thread(_longest_call, lines)
    return {
        "rules": LONG_LIST,
        "seconds": time.perf_counter() - started,
        "pause_ms": longest,
        "pause_idle_ms": idle,
        "uninterruptible_ms": longest_call_ms,
    }


async def _longest_pause(work: Any) -> float:
    longest, task = 0.0, asyncio.ensure_future(work)
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        longest = max(longest, time.perf_counter() - before - TICK_SECONDS)
    await task
    return longest * 1_000


def _longest_call(lines: Sequence[str]) -> float:
    """Return the longest time that making one automaton holds the interpreter, in ms of CPU."""
    import ahocorasick_rs  # noqa: PLC0415 - measured by itself

    keys = [b" %b " % folding.key(line) for line in lines[:10_000]]
    return min(_timed(lambda _: ahocorasick_rs.BytesAhoCorasick(keys), [""]) for _ in range(3)) / 1_000


def _least(call: Callable[[Any], object], given: Sequence[Any]) -> float:
    return min(_timed(call, given) for _ in range(ROUNDS))


def _timed(call: Callable[[Any], object], given: Sequence[Any]) -> float:
    """Return µs of CPU a call."""
    started = time.thread_time()
    for each in given:
        call(each)
    return (time.thread_time() - started) / len(given) * 1e6


def _lines(words: Path) -> Iterator[str]:
    for path in sorted(words.glob("*/*.txt")):
        yield from path.read_text(encoding="utf-8").splitlines()
    for path in sorted(words.glob("*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            yield from (row["text"] for row in csv.DictReader(file) if row.get("text"))


def _chat(logs: Path) -> Iterator[str]:
    for path in sorted(logs.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from (json.loads(line)["text"] for line in file)


def _made_words(random: Random, count: int) -> list[str]:
    syllables = ["".join(pair) for pair in product("bdfgkmnprstvz", "aeiou")]
    words = {"".join(random.choices(syllables, k=random.randint(3, 5))) for _ in range(2 * count)}
    return random.sample(sorted(words), min(count, len(words)))


def _made_chat(random: Random, count: int, listed: set[str]) -> list[str]:
    common = [word for word in _made_words(random, 3_000) if word not in listed]
    return [
        " ".join(random.choices(common, k=random.randint(1, 12)))
        + random.choice(("", "!", "?", "...", " :)"))
        for _ in range(count)
    ]


def _print(report: Report) -> None:
    console = Console()
    console.print(f"{report.rules} rules; lists and chat: {report.source}")
    table = Table("evasion", "recall %")
    for kind, percent in (report.recall_percent | report.recall_beyond_percent).items():
        table.add_row(kind, f"{percent:.2f}")
    console.print(table)
    console.print(
        f"benign chat: {report.chat['messages']:.0f} messages, {report.chat['plain_whole_words']:.0f} "
        f"with plain whole words, {report.chat['beyond']:.0f} beyond ({report.chat['beyond_percent']:.3f}%)"
    )
    for name, cost in report.cost_us.items():
        alone = report.automaton_us.get(name)
        console.print(
            f"{name}: {cost:.2f} µs a comment" + (f" (automaton alone: {alone:.2f})" if alone else "")
        )
    worst = max(report.adversarial_ms.values())
    console.print(f"{ADVERSARIAL_CHARS} adversarial characters: at most {worst:.2f} ms")
    swap = report.swap
    console.print(
        f"{swap['rules']:.0f} rules made in {swap['seconds']:.1f} s in a thread: the loop paused "
        f"{swap['pause_ms']:.1f} ms at most (idle: {swap['pause_idle_ms']:.1f}); "
        f"{swap['uninterruptible_ms']:.1f} ms in one piece"
    )
    for kind, missed in report.missed.items():
        if missed:
            console.print(f"missed, {kind}: {', '.join(map(repr, missed))}", markup=False)
    for wrong in report.wrong:
        console.print(wrong, markup=False)
