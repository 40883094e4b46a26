"""A report of an export: comments a minute, top authors, languages, moderation, latency; and a picture.

    livecomments export STREAM --out EXPORT
    pip install 'livecomments[examples]'
    python examples/stream_report.py EXPORT REPORT

writes ``report.json`` and ``report.svg``, the same to the byte for the same export. DuckDB asks the Parquet
files where they lie; nothing is loaded as a whole.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import matplotlib as mpl
import py3langid
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

TOP = 10
LETTERS_MIN = 12
"""Of a text whose language is guessed; below it a guess is worth nothing."""
LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "nl", "pl", "pt", "ru", "tr", "zh")
"""That are told apart: more of them, and short texts are taken for rare ones."""

SQL = {
    "totals": """
        SELECT count(*) AS rows, count(*) FILTER (type = 'comment') AS comments,
            count(DISTINCT user_id) FILTER (type = 'comment') AS authors,
            count(DISTINCT stream_id) AS streams, min(time)::VARCHAR AS first, max(time)::VARCHAR AS last
        FROM events
    """,
    "comments_per_minute": """
        SELECT strftime(date_trunc('minute', time), '%Y-%m-%dT%H:%MZ') AS minute, count(*) AS comments,
            count(DISTINCT user_id) AS authors
        FROM events WHERE type = 'comment' GROUP BY 1 ORDER BY 1
    """,
    "top_authors": """
        SELECT user_id, arg_max(user_name, time) AS name, count(*) AS comments
        FROM events WHERE type = 'comment' GROUP BY 1 ORDER BY comments DESC, user_id LIMIT ?
    """,
    "moderation": """
        SELECT type, count(*) AS events, count(DISTINCT target) AS targets
        FROM events WHERE type <> 'comment' GROUP BY 1 ORDER BY events DESC, type
    """,
    # Numbers are contiguous: what is not there was taken away, or is for its author alone.
    "hidden": """
        SELECT sum(last) - sum(rows) AS hidden, round((sum(last) - sum(rows)) / sum(last), 5) AS share
        FROM (SELECT max(seq) - min(seq) + 1 AS last, count(*) AS rows FROM events GROUP BY stream_id, epoch)
    """,
    # A UUIDv7 says when the app made it; the time is when the log took it. Other ids say nothing.
    "latency_ms": """
        WITH waits AS (
            SELECT epoch_ms(time) - epoch_ms(uuid_extract_timestamp(TRY_CAST(id AS UUID))) AS ms
            FROM events WHERE type = 'comment' AND uuid_extract_version(TRY_CAST(id AS UUID)) = 7
        )
        SELECT count(*) AS comments, quantile_disc(ms, 0.5) AS p50, quantile_disc(ms, 0.9) AS p90,
            quantile_disc(ms, 0.99) AS p99, max(ms) AS max
        FROM waits
    """,
}
ONE_ROW = frozenset({"totals", "hidden", "latency_ms"})


def numbers(export: Path) -> dict[str, Any]:
    """Return the report's numbers."""
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.read_parquet(str(export / "date=*" / "*.parquet")).create_view("events")
        found: dict[str, Any] = {}
        for name, query in SQL.items():
            cursor = db.execute(query, [TOP] if "?" in query else [])
            columns = [each[0] for each in cursor.description or ()]
            rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
            found[name] = rows[0] if name in ONE_ROW else rows
        texts = db.execute("SELECT text FROM events WHERE type = 'comment' AND text <> ''")
        found["languages"] = languages(text for (text,) in iter(texts.fetchone, None))
    return found


def languages(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Guess the language of every text that is long enough; return languages with their shares."""
    py3langid.set_languages(list(LANGUAGES))
    guesses: Counter[str] = Counter()
    known: dict[str, str] = {}
    for text in texts:
        words = "".join(each for each in re.sub(r"@\S+", "", text) if each.isalpha() or each == " ").strip()
        if len(words) >= LETTERS_MIN:
            if words not in known:
                known[words] = py3langid.classify(words)[0]
            guesses[known[words]] += 1
    whole = sum(guesses.values())
    ranked = sorted(guesses.items(), key=lambda each: (-each[1], each[0]))
    return [{"language": tag, "comments": n, "share": round(n / whole, 4)} for tag, n in ranked[:TOP]]


def picture(found: dict[str, Any]) -> Figure:
    """Draw the numbers."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    totals = found["totals"]
    figure.suptitle(
        f"{totals['comments']:,} comments by {totals['authors']:,} people, {totals['first'][:16]} UTC"
    )
    (minutes, authors), (spoken, moderated) = figure.subplots(2, 2)
    rows = found["comments_per_minute"]
    minutes.plot([row["comments"] for row in rows], label="comments")
    minutes.plot([row["authors"] for row in rows], label="people")
    minutes.set(title="A minute", xlabel="minute", ylim=(0, None))
    minutes.legend()
    _bars(authors, "Who says most", [(row["name"], row["comments"]) for row in found["top_authors"]])
    _bars(spoken, "Languages (guessed), %", [(r["language"], 100 * r["share"]) for r in found["languages"]])
    wait, hidden = found["latency_ms"], found["hidden"]
    title = f"Moderation: {100 * hidden['share']:.1f}% hidden"
    _bars(moderated, title, [(row["type"], row["events"]) for row in found["moderation"]])
    moderated.set_xlabel(f"app to log: p50 {wait['p50']}, p90 {wait['p90']}, p99 {wait['p99']} ms")
    return figure


def _bars(axes: Any, title: str, rows: list[tuple[str, float]]) -> None:
    axes.barh(range(len(rows)), [value for _, value in rows])
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_title(title)


def report(export: Path, out: Path) -> dict[str, Any]:
    """Write the report; return its numbers."""
    out.mkdir(parents=True, exist_ok=True)
    found = numbers(export)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    with mpl.rc_context({"svg.hashsalt": "livecomments", "svg.fonttype": "none"}):
        FigureCanvasSVG(picture(found)).print_svg(str(out / "report.svg"), metadata={"Date": None})
    return found


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/stream_report.py EXPORT REPORT")
    found_ = report(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{sys.argv[2]}: {found_['totals']['comments']:,} comments")
