"""The front desk: who may connect, from where, how many and how fast; and the few pages."""

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from edge.frontdesk import LOBBY_MAX, RETRY_AFTER_SECONDS, FrontDesk, Plain, Upgrade
from edge.stats import Metrics, Stats
from schemas.settings import Auth, Edge, Settings

HOST = "edge.example:8000"
PEER = "198.51.100.7"


class Desk:
    """A desk with a clock."""

    def __init__(self, static: Path | None = None, auth: Auth | None = None, **edge: Any) -> None:
        self.now = 0.0
        self.stats = Stats()
        self.state = {"feed": True}
        settings = Settings(edge=Edge(**edge), auth=auth or Auth())
        metrics = Metrics(self.stats, {"connections": ("Open sockets", lambda: 7)})
        more = {} if static is None else {"static": static}
        self.desk = FrontDesk(settings, self.stats, metrics, lambda: self.state, now=lambda: self.now, **more)
        self.desk.accepting = True

    def ask(
        self, path: str = "/connection/websocket", *, method: str = "GET", peer: str = PEER, **headers: Any
    ) -> Plain | Upgrade:
        """Send a request; names with underscores, lists for repeated headers."""
        found = Headers()
        found["Host"] = headers.pop("Host", HOST)
        for name, values in headers.items():
            for value in values if isinstance(values, list) else [values]:
                found[name.replace("_", "-")] = value
        return self.desk.answer(Request(path, found, method), peer)

    def page(self, path: str, **more: Any) -> Response:
        answer = self.ask(path, **more)
        assert isinstance(answer, Plain)
        return answer.response


ORIGINS = [
    ((), None, True),
    ((), f"http://{HOST}", True),
    ((), f"https://{HOST}", True),
    ((), "http://localhost:3000", True),
    ((), "http://127.0.0.1", True),
    ((), "http://[::1]:3000", True),
    ((), "https://evil.example", False),
    ((), f"https://{HOST}.evil.example", False),
    ((), "https://localhost.evil.example", False),
    ((), "http://127.0.0.1.evil.example", False),
    ((), "null", False),
    ((), "", False),
    ((), "http://[", False),
    ((), "file://", False),
    (("https://app.example",), "https://app.example", True),
    (("https://app.example",), "http://app.example", False),
    (("https://app.example",), "https://app.example:444", False),
    (("https://app.example",), "https://app.example.evil.example", False),
    (("https://app.example",), "HTTPS://APP.EXAMPLE", False),
    (("https://app.example",), f"http://{HOST}", False),
    (("https://app.example",), "http://localhost", False),
    (("https://app.example",), None, True),
    (("https://app.example",), ["https://app.example", "https://evil.example"], False),
]


@pytest.mark.parametrize(("allowed", "origin", "let_in"), ORIGINS)
def test_origins(allowed: tuple[str, ...], origin: Any, let_in: bool) -> None:
    """Those that are listed; where none is, the edge's own and loopback; no browser sends none."""
    desk = Desk(origins=allowed)
    answer = desk.ask(**({} if origin is None else {"Origin": origin}))
    if let_in:
        assert isinstance(answer, Upgrade)
    else:
        assert isinstance(answer, Plain)
        assert answer.response.status_code == 403
        assert desk.stats.handshakes_refused == 1


@pytest.mark.parametrize(
    ("query", "protobuf"),
    [("", False), ("?format=protobuf", True), ("?cf_protocol=protobuf", True), ("?format=json", False),
     ("?format=protobuf&format=json", False), ("?token=x&format=protobuf", True), ("?%zz=%00", False)],
)  # fmt: skip
def test_encodings_by_query(query: str, protobuf: bool) -> None:
    """As the SDKs that cannot name a subprotocol ask for them."""
    answer = Desk().ask(f"/connection/websocket{query}")
    assert isinstance(answer, Upgrade)
    assert answer.protobuf is protobuf


def refusal(answer: Plain | Upgrade) -> tuple[int, str | None]:
    assert isinstance(answer, Plain)
    return answer.response.status_code, answer.response.headers.get("Retry-After")


LATER = str(RETRY_AFTER_SECONDS)


def test_handshakes_have_a_rate() -> None:
    """A storm is let in at a rate; whoever is beyond it is told when to come back, and may then."""
    desk = Desk(handshakes_per_second_max=10)
    answers = [desk.ask() for _ in range(25)]
    assert [isinstance(answer, Upgrade) for answer in answers] == [True] * 10 + [False] * 15
    assert refusal(answers[-1]) == (503, LATER)
    desk.now += 0.5
    assert sum(isinstance(desk.ask(), Upgrade) for _ in range(25)) == 5
    assert desk.stats.handshakes_refused == 35


def test_what_is_refused_for_other_reasons_costs_no_token() -> None:
    """A foreign page that knocks and knocks keeps nobody out."""
    desk = Desk(handshakes_per_second_max=1)
    for _ in range(50):
        assert refusal(desk.ask(Origin="https://evil.example"))[0] == 403
    assert isinstance(desk.ask(), Upgrade)


def test_a_desk_that_is_closed_says_when_to_come_back() -> None:
    """Before everything is there, and while draining; pages are served all the same."""
    desk = Desk()
    desk.desk.accepting = False
    assert refusal(desk.ask()) == (503, LATER)
    assert desk.page("/healthz").status_code == 200
    desk.state["feed"] = False
    ready = desk.page("/readyz")
    assert (ready.status_code, json.loads(ready.body)["ready"]) == (503, False)


def test_connections_are_bounded() -> None:
    """By address and in all; beyond a lobby they are not even heard."""
    desk = Desk(connections_max=5, connections_per_address_max=3)
    for _ in range(3):
        assert desk.desk.came(PEER)
        assert isinstance(desk.ask(), Upgrade)
    assert desk.desk.came(PEER)
    assert refusal(desk.ask()) == (429, LATER)
    assert desk.desk.came("198.51.100.8")
    assert isinstance(desk.ask(peer="198.51.100.8"), Upgrade)
    assert desk.desk.came("198.51.100.9")
    assert refusal(desk.ask(peer="198.51.100.9")) == (503, LATER)
    for _ in range(LOBBY_MAX - 1):
        assert desk.desk.came("198.51.100.9")
    assert not desk.desk.came("198.51.100.9")
    for _ in range(LOBBY_MAX):
        desk.desk.went("198.51.100.9")
    desk.desk.went(PEER)
    desk.desk.went(PEER)
    assert desk.desk.came(PEER)
    assert isinstance(desk.ask(), Upgrade)


def test_addresses_are_forgotten() -> None:
    """Nothing grows with the number of addresses that came and went."""
    desk = Desk()
    for number in range(1_000):
        desk.desk.came(f"192.0.2.{number}")
        desk.desk.went(f"192.0.2.{number}")
    assert not desk.desk._addresses
    assert desk.desk._sockets == 0


@pytest.mark.parametrize(
    ("peer", "said", "address"),
    [
        (PEER, "203.0.113.5", PEER),
        ("10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "192.0.2.1, 203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", ["192.0.2.1", "203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
    ],
)
def test_proxies_are_believed_where_the_settings_say(peer: str, said: Any, address: str) -> None:
    """A viewer's own header counts for nothing; a proxy's last entry is the viewer."""
    desk = Desk(proxies=("10.0.0.1",))
    answer = desk.ask(peer=peer, **({} if said is None else {"X_Forwarded_For": said}))
    assert isinstance(answer, Upgrade)
    assert answer.address == address


def test_limits_hold_for_viewers_behind_a_proxy() -> None:
    """Each address its own; the proxy itself is no viewer."""
    desk = Desk(proxies=("10.0.0.1",), connections_per_address_max=2)
    for number in range(10):
        assert desk.desk.came("10.0.0.1")
        answer = desk.ask(peer="10.0.0.1", X_Forwarded_For=f"203.0.113.{number % 3}")
        if number < 6:
            assert isinstance(answer, Upgrade)
            desk.desk.moved("10.0.0.1", answer.address)
        else:
            assert refusal(answer) == (429, LATER)
    for number in range(6):
        desk.desk.went(f"203.0.113.{number % 3}")


@pytest.fixture
def static(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<p>page")
    (tmp_path / "app.js").write_text("1")
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / "index.html").write_text("<p>again")
    (tmp_path.parent / "secret").write_text("secret")
    return tmp_path


def test_pages(static: Path) -> None:
    """The page, its files, health, metrics; nothing else, and nothing that was not asked for."""
    desk = Desk(static)
    page = desk.page("/")
    assert (page.status_code, page.body, page.headers["Content-Type"]) == (
        200,
        b"<p>page",
        "text/html; charset=utf-8",
    )
    assert desk.page("/replay?stream=s").body == b"<p>again"
    assert desk.page("/static/app.js").headers["Content-Type"].startswith("text/javascript")
    assert desk.page("/metrics").status_code == 200
    assert b"livecomments_edge_connections 7.0" in desk.page("/metrics").body
    assert desk.page("/readyz").status_code == 200
    head = desk.page("/", method="HEAD")
    assert (head.body, head.headers["Content-Length"]) == (b"", "7")
    assert desk.page("/", method="POST").status_code == 405
    assert desk.page("/nowhere").status_code == 404
    for response in (page, head, desk.page("/nowhere")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/static/../secret", "/static/..%2fsecret", "/static//etc/passwd", "/static/.hidden", "/static/",
     "/static/a/../../secret", "/static/app.js/../../secret", "/static/\\..\\secret", "/static/%00"],
)  # fmt: skip
def test_nothing_but_the_page_is_served(static: Path, path: str) -> None:
    """No way out of its directory."""
    response = Desk(static).page(path)
    assert response.status_code in {404, 503}
    assert b"secret" not in response.body


@pytest.mark.parametrize("path", ["//[", "http://[::1", "*", "", "?", "//", "/\x00", "/%", "http://x:y/"])
def test_odd_paths_are_answered(path: str) -> None:
    """Whatever a request line may hold, there is an answer."""
    assert isinstance(Desk().ask(path), Plain)


def test_a_page_that_is_not_built_says_how(tmp_path: Path) -> None:
    """Instead of a blank 404."""
    response = Desk(tmp_path).page("/")
    assert response.status_code == 503
    assert b"npm run build" in response.body


@pytest.mark.parametrize(
    ("host", "query", "status"),
    [
        ("127.0.0.1:8000", "stream=demo&user=u", 200),
        ("localhost", "stream=demo&user=u&name=U", 200),
        ("evil.example", "stream=demo&user=u", 403),
        ("[", "stream=demo&user=u", 403),
        ("127.0.0.1", "stream=a/b&user=u", 400),
        ("127.0.0.1", "user=u", 400),
        ("127.0.0.1", "stream=demo", 400),
    ],
)
def test_tokens_for_the_page_on_a_developers_machine(host: str, query: str, status: int) -> None:
    """On loopback by name too, with the development secret only."""
    assert Desk().page(f"/dev/token?{query}", Host=host).status_code == status
    own = Desk(auth=Auth(secret="a secret of our own, which is long enough"))
    assert own.page(f"/dev/token?{query}", Host="127.0.0.1").status_code == 403


def test_echo_is_there_when_it_is_wanted() -> None:
    """For conformance runs, on its own path."""
    assert isinstance(Desk().ask("/echo"), Plain)
    answer = Desk(echo_path="/echo").ask("/echo")
    assert isinstance(answer, Upgrade)
    assert answer.echo
