"""`/console`: the moderators' page, and nothing else of the machine."""

from pathlib import Path

import pytest
from fastapi.responses import FileResponse

from edge.api import console


@pytest.fixture(autouse=True)
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    static = tmp_path / "console"
    static.mkdir()
    (static / "index.html").write_text("<p>page")
    (static / "console.js").write_text("let a;")
    monkeypatch.setattr(console, "STATIC", static)
    return static


async def test_the_page_and_its_parts(static: Path) -> None:
    """With their types, and a policy that lets nothing in from elsewhere."""
    page = await console.page()
    assert isinstance(page, FileResponse)
    assert (page.path, page.media_type) == (static / "index.html", "text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    script = await console.part("console.js")
    assert isinstance(script, FileResponse)
    assert script.media_type == "text/javascript"


@pytest.mark.parametrize(
    "name", ["nothing.js", "../secret.txt", "..", ".", "", "/etc/hostname", "a/../console.js"]
)
async def test_no_way_out_of_the_folder(name: str) -> None:
    """Other names are no page."""
    assert (await console.part(name)).status_code == 404


async def test_a_console_that_is_not_built_says_so(static: Path) -> None:
    """And how it is built."""
    (static / "index.html").unlink()
    answer = await console.page()
    assert answer.status_code == 503
    assert b"npm run build" in bytes(answer.body)
