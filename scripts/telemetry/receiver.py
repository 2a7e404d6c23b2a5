"""Servers on loopback that stand in for the collector, a proxy and a name server.

They keep what reaches them to the byte: request lines, headers, bodies as they came over the wire,
and the names that were asked for. How they answer, or fail to, is the experiment's choice.
"""

import base64
import contextlib
import gzip
import select
import socket
import ssl
import threading
import time
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
PROXY_PORT = 3128
NAME_SERVER_PORT = 53


class Network(StrEnum):
    """What a run meets when it wants to reach its collector."""

    ANSWERS = "the collector answers"
    REFUSED = "the connection is refused"
    SILENT = "the collector accepts and never answers"
    BLACK_HOLE = "packets to the collector are dropped"
    NO_NETWORK = "there is no network"
    NO_NAME_SERVER = "no name server answers its port"
    SILENT_NAME_SERVER = "the name server is silent"
    WRONG_CERTIFICATE = "the certificate is for another name"
    UNKNOWN_AUTHORITY = "the certificate's authority is not trusted"
    BAD_REQUEST = "the collector answers 400"
    NOT_FOUND = "the collector answers 404"
    TOO_MANY = "the collector answers 429 with Retry-After"
    ERROR = "the collector answers 500"
    UNAVAILABLE = "the collector answers 503"
    REDIRECT = "the collector redirects elsewhere"


STATUS = {
    Network.BAD_REQUEST: 400,
    Network.NOT_FOUND: 404,
    Network.TOO_MANY: 429,
    Network.ERROR: 500,
    Network.UNAVAILABLE: 503,
    Network.REDIRECT: 307,
}
HEADERS = {
    Network.TOO_MANY: ("Retry-After", "1"),
    Network.REDIRECT: ("Location", "https://elsewhere.example/v1/traces"),
}

NOBODY_LISTENS = frozenset(
    {Network.REFUSED, Network.NO_NETWORK, Network.NO_NAME_SERVER, Network.SILENT_NAME_SERVER}
)


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came over the wire.

    Attributes:
        line: Method, path and version.
        headers: Names and values, in the order in which they came.
        wire: The body as it came, compressed or not.
        time: When it had come, in seconds since the epoch.
        proxied: Whether it came through the proxy.
    """

    line: str
    headers: tuple[tuple[str, str], ...]
    wire: bytes
    time: float
    proxied: bool = False

    @property
    def body(self) -> bytes:
        """The body, decompressed."""
        encoding = {name.lower(): value for name, value in self.headers}.get(
            "content-encoding", "identity"
        )
        if encoding == "gzip":
            return gzip.decompress(self.wire)
        if encoding == "deflate":
            return zlib.decompress(self.wire)
        return self.wire

    def to_json(self) -> dict[str, Any]:
        wire = base64.b64encode(self.wire).decode()
        return {**self.__dict__, "headers": [list(pair) for pair in self.headers], "wire": wire}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Request":
        headers = tuple((name, value) for name, value in data["headers"])
        return cls(**{**data, "headers": headers, "wire": base64.b64decode(data["wire"])})


@dataclass
class Seen:
    """What reached the servers of one run."""

    requests: list[Request] = field(default_factory=list)
    look_ups: list[str] = field(default_factory=list)
    tunnels: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Collector"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.seen.requests.append(
            Request(
                self.requestline, tuple(self.headers.items()), self.rfile.read(length), time.time()
            )
        )
        network = self.server.network
        self.send_response(STATUS.get(network, 200))
        if network in HEADERS:
            self.send_header(*HEADERS[network])
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing; what is seen is kept."""


class Collector(ThreadingHTTPServer):
    """An OTLP/HTTP receiver on loopback.

    Args:
        seen: Where to keep what comes.
        network: How to answer.
        port: Port to listen on; 0 for any that is free.
        certificate: PEM file with key and chain, for TLS; None for plain HTTP.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, seen: Seen, network: Network, port: int = 0, certificate: Path | None = None
    ) -> None:
        self.seen, self.network = seen, network
        super().__init__((LOOPBACK, port), _Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def get_request(self) -> tuple[socket.socket, Any]:
        accepted = super().get_request()
        self.seen.connections += 1
        return accepted

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that hangs up, or distrusts the certificate, is an answer too."""


class BlackHole:
    """A port whose queue is full: the kernel drops what comes, as a firewall does."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.create_server((LOOPBACK, port), backlog=0)
        self.server_address = self.socket.getsockname()
        self.callers = []
        for _ in range(4):
            caller = socket.socket()
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.connect(self.server_address)
            self.callers.append(caller)
        self.opened = len(self.callers)


class Silence:
    """A port that accepts connections, in the kernel, and never answers."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.create_server((LOOPBACK, port))
        self.server_address = self.socket.getsockname()


class Proxy(threading.Thread):
    """An HTTP proxy that knows CONNECT, and leads every tunnel to one place.

    Args:
        seen: Where to keep which tunnels were asked for, with the headers of the question.
        target: Port on loopback to which tunnels lead.
    """

    def __init__(self, seen: Seen, target: int) -> None:
        super().__init__(daemon=True)
        self.seen, self.target = seen, target
        self.socket = socket.create_server((LOOPBACK, PROXY_PORT))

    def run(self) -> None:
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (piece := client.recv(65536)):
            head += piece
        line, *fields = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (f.partition(":") for f in fields)}
        self.seen.tunnels.append((line, headers))
        if not line.startswith("CONNECT "):
            client.close()
            return
        server = socket.create_connection((LOOPBACK, self.target))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ends = {client: server, server: client}
        while True:
            for end in select.select(list(ends), [], [])[0]:
                if not (piece := end.recv(65536)):
                    for sock in ends:
                        sock.close()
                    return
                ends[end].sendall(piece)


class NameServer(threading.Thread):
    """A DNS server: one name leads to loopback, every other does not exist; all are kept.

    Args:
        seen: Where to keep the names.
        known: The name that has an address; None answers nothing at all.
    """

    def __init__(self, seen: Seen, known: str | None) -> None:
        super().__init__(daemon=True)
        self.seen, self.known = seen, known
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((LOOPBACK, NAME_SERVER_PORT))

    def run(self) -> None:
        import dns.message
        import dns.rcode
        import dns.rrset

        while True:
            wire, client = self.socket.recvfrom(65536)
            question = dns.message.from_wire(wire)
            answer = dns.message.make_response(question)
            for asked in question.question:
                name = asked.name.to_text(omit_final_dot=True)
                self.seen.look_ups.append(name)
                if self.known is None:
                    break
                if name.lower() != self.known.lower():
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                elif asked.rdtype == 1:
                    answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "A", LOOPBACK))
            else:
                self.socket.sendto(answer.to_wire(), client)
