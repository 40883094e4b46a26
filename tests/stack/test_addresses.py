"""Which settings a verb talks to a stack with."""

import os
from pathlib import Path

import pytest

from livecomments.stack import state
from livecomments.stack.addresses import Ports, stack_settings
from livecomments.stack.processes import Identity, identity


def test_port_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port base fixes the addresses and, where none is named, the directory."""
    monkeypatch.chdir(tmp_path)
    settings = stack_settings(9000, None, {"LIVECOMMENTS_EDGE__PORT": "7777"})
    assert settings.edge.port == 9000
    assert settings.cassandra.port == 9004
    assert settings.data == tmp_path / "data-9000"


def test_nothing_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no stack is named and none runs, the settings stay as they are: servers may be anywhere."""
    monkeypatch.chdir(tmp_path)
    settings = stack_settings(None, None, {"LIVECOMMENTS_KAFKA__BOOTSTRAP": "broker1:9092,broker2:9092"})
    assert settings.kafka.bootstrap == "broker1:9092,broker2:9092"
    assert settings.data == tmp_path / "data"


def test_running_stack(tmp_path: Path) -> None:
    """A directory alone finds the stack that runs there, its ports and its archive."""
    me = identity(os.getpid())
    assert me is not None
    ports = dict(zip(("edge", "api", "kafka", "redis", "cassandra"), range(9100, 9105), strict=True))
    state.write(tmp_path, state.State(me, ports, (state.Entry("cassandra", "127.0.0.1:9104", "cassandra"),)))
    settings = stack_settings(None, tmp_path, {})
    assert settings.kafka.bootstrap == "127.0.0.1:9102"
    assert settings.archive.kind == "cassandra"


def test_reused_pid(tmp_path: Path) -> None:
    """A supervisor's pid that another program has now is not taken for a running stack."""
    someone = Identity(os.getpid(), "another time")
    state.write(tmp_path, state.State(someone, {}, ()))
    assert state.read(tmp_path) is not None
    assert state.running(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"supervisor": 1}', '{"supervisor": {}}', "null", "\x00"])
def test_damaged_state(tmp_path: Path, text: str) -> None:
    """A damaged stack.json counts as none."""
    (tmp_path / state.FILE_NAME).write_text(text)
    assert state.read(tmp_path) is None


def test_state_round_trip(tmp_path: Path) -> None:
    """What is written is read back, and no draft is left beside it."""
    entry = state.Entry("edge", "127.0.0.1:1", "http", Identity(1, "x"), 3, "running")
    written = state.State(Identity(2, "y"), {"edge": 1}, (entry,), up=True)
    state.write(tmp_path, written)
    assert state.read(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == [state.FILE_NAME]


def test_ports_from_url_forms() -> None:
    """Ports are read from local addresses; a server elsewhere counts as the default port here."""
    from schemas.settings import load

    environ = {
        "LIVECOMMENTS_REDIS__URL": "redis://localhost:7001/3",
        "LIVECOMMENTS_KAFKA__BOOTSTRAP": "broker:1234",
    }
    ports = Ports.from_settings(load(environ))
    assert ports.redis == 7001
    assert ports.kafka == 9092
