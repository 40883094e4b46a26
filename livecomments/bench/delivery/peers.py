"""The peers that are no Python: nchan (nginx, C) and Centrifuge (Go), where they can be found or built."""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

CENTRIFUGE_MODULE = "github.com/centrifugal/centrifuge"
CENTRIFUGE_VERSION = "v0.38.0"
BUILD_SECONDS = 300
NCHAN_MODULES = ("/usr/lib/nginx/modules/ngx_nchan_module.so", "/usr/share/nginx/modules/ngx_nchan_module.so")
SOURCE = Path(__file__).parent / "centrifuge" / "main.go"

_NGINX = """\
load_module {module};
worker_processes 1;
worker_rlimit_nofile 100000;
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 60000; }}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /sub {{ nchan_subscriber websocket; nchan_channel_id bench; }}
    location /pub {{ nchan_publisher http; nchan_channel_id bench; nchan_store_messages off; }}
  }}
}}
"""


class MissingError(Exception):
    """The peer is not on this machine, and cannot be had here; the text says what it would take."""


def centrifuge_server(cache: Path) -> Path:
    """Return the Go server, built once; raises MissingError."""
    binary = cache / f"centrifuge-{CENTRIFUGE_VERSION}"
    if binary.is_file():
        return binary
    go = shutil.which("go")
    if go is None:
        raise MissingError("needs Go on the PATH")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="centrifuge-") as folder:
        home = Path(folder)
        shutil.copy(SOURCE, home / "main.go")
        for command in (
            (go, "mod", "init", "bench"),
            (go, "get", f"{CENTRIFUGE_MODULE}@{CENTRIFUGE_VERSION}"),
            (go, "build", "-o", str(binary), "."),
        ):
            done = subprocess.run(
                command, cwd=home, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
            )
            if done.returncode:
                raise MissingError(f"could not be built: {done.stderr.strip().splitlines()[-1:]}")
    return binary


@contextlib.contextmanager
def nchan() -> Iterator[tuple[int, int]]:
    """Run nginx with nchan; yields its port and the worker's pid."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    module = next((path for path in NCHAN_MODULES if Path(path).is_file()), None)
    if module is None or not Path(nginx).is_file():
        raise MissingError("needs nginx with nchan (Debian: libnginx-mod-nchan)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="nchan-") as home:
        config = Path(home) / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        config.write_text(user + _NGINX.format(module=module, home=home, port=port), encoding="utf-8")
        server = subprocess.Popen([nginx, "-p", home, "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            yield port, _worker_of(server, port)
        finally:
            server.terminate()
            server.wait(10)


def publish_nchan(port: int, text: str) -> None:
    """Send one message to all subscribers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/pub", text)
    connection.getresponse().read()
    connection.close()


def _worker_of(server: "subprocess.Popen[bytes]", port: int) -> int:
    for _ in range(200):
        if server.poll() is not None:
            raise MissingError(f"nginx ended with {server.returncode}")
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="utf-8").split()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.05):
            if children:
                return int(children[0])
    raise MissingError("nginx did not start")
