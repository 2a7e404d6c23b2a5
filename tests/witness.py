"""The witness: stripepy exactly as installed, and the request that it really sends.

Nothing is replaced. The program runs in a network namespace of its own, where there is nothing but
loopback; there its collector's name leads to a TLS server with a throw-away certificate. Without
such namespaces nothing is started at all.
"""

import fcntl
import gzip
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import trustme

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


@dataclass(frozen=True)
class Request:
    """One HTTP request as it reached the server.

    Attributes:
        line: Method and path.
        headers: As sent, by lower-case name.
        body: The OTLP message, decompressed.
    """

    line: str
    headers: Mapping[str, str]
    body: bytes


def namespaces_are_allowed() -> bool:
    """Whether this machine lets us make the namespaces that the witness needs."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    command = [unshare, "-rmn", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def witness(
    argv: Sequence[str],
    folder: Path,
    host: str,
    port: int,
    *,
    trusted: bool = True,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, list[Request]]:
    """Run `stripepy ARGV...` unmodified, and keep what it sends to its collector.

    Args:
        argv: Arguments after `stripepy`.
        folder: Where it runs; certificates and what was received are kept there.
        host: Name of the collector.
        port: Port of the collector.
        trusted: Whether the program is told to trust the server's certificate.
        environment: Variables to set on top.

    Returns:
        The exit status, and the requests.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    authority.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    variables = {
        "PATH": os.defpath,
        "HOME": str(folder),
        **({"REQUESTS_CA_BUNDLE": str(folder / "authority.pem")} if trusted else {}),
        **(environment or {}),
    }
    order = {"argv": [*argv], "host": host, "port": port, "environment": variables}
    command = ["unshare", "-rmn", sys.executable, __file__, json.dumps(order)]
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=True
    )
    answer = json.loads(run.stdout)
    requests = [
        Request(line, {name.lower(): value for name, value in headers}, bytes.fromhex(body))
        for line, headers, body in answer["requests"]
    ]
    return answer["exit_status"], requests


class _Handler(BaseHTTPRequestHandler):
    received: list[tuple[str, list[tuple[str, str]], str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        line = f"{self.command} {self.path}"
        self.received.append((line, self.headers.items(), body.hex()))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing: stdout is for the answer."""


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh", b"lo", 0)
        _, flags = struct.unpack("16sh", fcntl.ioctl(sock, SIOCGIFFLAGS, request))
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def _inside(argv: list[str], host: str, port: int, environment: dict[str, str]) -> None:
    """What runs in the namespace: the server, and the program."""
    _raise_loopback()
    Path("hosts").write_text(f"127.0.0.1 localhost {host}\n")
    subprocess.run(["mount", "--bind", "hosts", "/etc/hosts"], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("server.pem")
    _Handler.received = []
    with HTTPServer(("127.0.0.1", port), _Handler) as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stripepy = Path(sys.executable).with_name("stripepy")
        run = subprocess.run(
            [stripepy, *argv], env=environment, stdout=subprocess.DEVNULL, check=False
        )
        server.shutdown()
    json.dump({"exit_status": run.returncode, "requests": _Handler.received}, sys.stdout)


if __name__ == "__main__":
    _inside(**json.loads(sys.argv[1]))
