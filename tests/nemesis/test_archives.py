"""Reading the API's pages: what sampling left out is waited for."""

from pathlib import Path
from typing import Any

from livecomments.nemesis import archives
from livecomments.nemesis.book import Book
from livecomments.nemesis.http import Answer
from livecomments.verify import facts as f


class Pages:
    """An API whose archive is behind at first, so that its page lacks a comment, and says so."""

    def __init__(self) -> None:
        self.asked = 0

    async def page(self, stream: str, token: str, from_seq: int) -> Answer:
        """Answer the first time out of the window of a sampled stream, then out of the archive."""
        del stream, token, from_seq
        self.asked += 1
        whole = self.asked > 1
        rows = [_row(seq) for seq in ((1, 2) if whole else (2,))]
        body = {"epoch": "e-0", "to_seq": 2, "next_seq": None, "comments": rows, "omitted": 2 - len(rows)}
        return Answer("ok", 0, body)


def _row(seq: int) -> dict[str, Any]:
    return {"seq": seq, "type": "comment", "id": f"c{seq}", "user": {"id": "u"}, "text": "hello"}


async def test_a_page_that_lacks_comments_is_asked_for_again(tmp_path: Path, monkeypatch: Any) -> None:
    """It counted as the archive's difference: the window of a sampled stream has only what was shown."""
    monkeypatch.setattr(archives, "RETRY_SECONDS", 0.0)
    pages = Pages()
    with Book(tmp_path / "facts.jsonl") as book:
        facts = await archives.api_rows(pages, "s", "t", book)  # type: ignore[arg-type]
    assert [each.content.seq for each in facts if isinstance(each, f.Row)] == [1, 2]
    assert pages.asked == 2
