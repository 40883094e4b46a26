"""A service for supervisor tests: answers /readyz as told, ends as told. Imports little, so starts fast."""

# ruff: noqa: T201 - what it prints is its log
import os
import socket
import subprocess
import sys

mode, port = sys.argv[1], int(sys.argv[2])
if mode == "broken":
    print("this is the last line")
    sys.exit(3)
if mode == "deaf":
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "parent":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(f"grandchild {child.pid}", flush=True)
status = "503 no" if mode == "unready" else "200 ok"
with socket.socket() as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(8)
    print(f"listening as {os.getpid()} with {os.environ.get('FAKE', '')}", flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
