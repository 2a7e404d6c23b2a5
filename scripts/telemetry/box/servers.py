"""Servers on loopback that stand in for the collector, a proxy, a name server and a web site.

They keep what reaches them to the byte: request lines, headers, bodies as they came over the wire,
and the names that were asked for. How they answer, or fail to, is the condition's choice.
"""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.rcode
import dns.rrset
from dns.rdatatype import RdataType

from telemetry.records.runs import Network, Request

LOOPBACK = "127.0.0.1"
PROXY_PORT = 3128
NAME_SERVER_PORT = 53
HTTPS_PORT = 443

ALL_PACKETS = 3
SYN, SYN_ACK = 0x02, 0x12

ADDRESSES = (RdataType.A, RdataType.AAAA)

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
    {
        Network.REFUSED,
        Network.HOSTS_ENTRY,
        Network.PROXY_REFUSES,
        Network.NO_NETWORK,
        Network.NO_ROUTE,
        Network.NO_SUCH_NAME,
        Network.NO_NAME_SERVER,
        Network.SILENT_NAME_SERVER,
    }
)


@dataclass
class Seen:
    """What reached the servers of one run."""

    requests: list[Request] = field(default_factory=list)
    look_ups: list[str] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    tunnels: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0
    other_connections: int = 0


class TlsServer(ThreadingHTTPServer):
    """An HTTPS server on loopback.

    Args:
        seen: Where to keep the names by which it is called.
        port: Port to listen on.
        certificate: PEM file with key and chain.
        authority: PEM file of the authority whose client certificates are accepted.
        handler: Answers requests.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, seen: Seen, port: int, certificate: Path, authority: Path, handler: Any
    ) -> None:
        self.seen = seen
        super().__init__((LOOPBACK, port), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(authority)
        context.sni_callback = lambda _, name, __: seen.server_names.append(name)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that hangs up, or distrusts the certificate, is an answer too."""


class _CollectorHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Collector"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        shown: Any = self.connection.getpeercert() or {}
        names = [value for _, value in shown.get("subjectAltName", ())]
        request = Request(self.requestline, tuple(self.headers.items()), body, ", ".join(names))
        self.server.seen.requests.append(request)
        network = self.server.network
        self.send_response(STATUS.get(network, 200))
        if network in HEADERS:
            self.send_header(*HEADERS[network])
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = do_POST  # noqa: N815

    def send_error(self, code: int, *_: Any) -> None:
        """Keep what is no request, too."""
        self.server.seen.requests.append(Request(self.requestline, (), b""))
        super().send_error(code)

    def log_message(self, *_: object) -> None:
        """Say nothing; what is seen is kept."""


class Collector(TlsServer):
    """An OTLP/HTTP receiver.

    Args:
        seen: Where to keep what comes.
        network: How to answer.
        port: Port to listen on.
        certificate: PEM file with key and chain.
        authority: PEM file of the authority whose client certificates are accepted.
    """

    def __init__(
        self, seen: Seen, network: Network, port: int, certificate: Path, authority: Path
    ) -> None:
        self.network = network
        super().__init__(seen, port, certificate, authority, _CollectorHandler)

    def get_request(self) -> tuple[socket.socket, Any]:
        accepted = super().get_request()
        self.seen.connections += 1
        return accepted


class WebSite(TlsServer):
    """A web site with one file, which it sends whatever is asked for.

    Args:
        seen: Where to count its connections.
        file: The file.
        certificate: PEM file with key and chain.
        authority: PEM file of the authority whose client certificates are accepted.
    """

    def __init__(self, seen: Seen, file: Path, certificate: Path, authority: Path) -> None:
        class Handler(SimpleHTTPRequestHandler):
            def translate_path(self, path: str) -> str:
                return str(file)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(seen, HTTPS_PORT, certificate, authority, Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        accepted = super().get_request()
        self.seen.other_connections += 1
        return accepted


class BlackHole:
    """A port whose queue is full: the kernel drops what comes, as a firewall does."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_server((LOOPBACK, port), backlog=0)
        self.callers = []
        for _ in range(4):
            caller = socket.socket()
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.connect(self.socket.getsockname())
            self.callers.append(caller)


class Proxy(threading.Thread):
    """An HTTP proxy that knows CONNECT, and leads every tunnel to one place.

    Args:
        seen: Where to keep which tunnels were asked for, with the headers of the question.
        target: Port on loopback to which tunnels lead; None if it refuses them.
    """

    def __init__(self, seen: Seen, target: int | None) -> None:
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
        if self.target is None:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        if self.target is None or not line.startswith("CONNECT "):
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


class Packets(threading.Thread):
    """Keeps where packets go in this network: each new connection and datagram, whoever sends it.

    Args:
        known: Ports on loopback of the servers for TCP.
    """

    def __init__(self, known: Collection[int]) -> None:
        super().__init__(daemon=True)
        self.known = {(socket.IPPROTO_TCP, f"{LOOPBACK}:{port}") for port in known}
        self.known.add((socket.IPPROTO_UDP, f"{LOOPBACK}:{NAME_SERVER_PORT}"))
        self.found: dict[str, None] = {}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PACKETS))

    def run(self) -> None:
        while True:
            self._take(self.socket.recv(128))

    def addresses(self) -> list[str]:
        """Return where packets went until now, but for the other servers."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._take(self.socket.recv(128, socket.MSG_DONTWAIT))
        return list(self.found)

    def _take(self, packet: bytes) -> None:
        if packet[0] >> 4 == 4:
            protocol, ends = packet[9], (packet[12:16], packet[16:20])
            family, form, rest = socket.AF_INET, "{}:{}", packet[(packet[0] & 15) * 4 :]
        else:
            protocol, ends = packet[6], (packet[8:24], packet[24:40])
            family, form, rest = socket.AF_INET6, "[{}]:{}", packet[40:]
        if protocol == socket.IPPROTO_UDP or (
            protocol == socket.IPPROTO_TCP and rest[13] & SYN_ACK == SYN
        ):
            ports = (int.from_bytes(rest[at : at + 2]) for at in (0, 2))
            source, target = (
                form.format(socket.inet_ntop(family, end), port)
                for end, port in zip(ends, ports, strict=True)
            )
            if not self.known & {(protocol, source), (protocol, target)}:
                self.found[target] = None


class NameServer(threading.Thread):
    """A DNS server: some names lead to one address, no other exists; all questions are kept.

    Args:
        seen: Where to keep the names.
        known: Names that have an address; None answers nothing at all.
        address: Their address.
    """

    def __init__(self, seen: Seen, known: Collection[str] | None, address: str = LOOPBACK) -> None:
        super().__init__(daemon=True)
        self.seen, self.known, self.address = seen, known, address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((LOOPBACK, NAME_SERVER_PORT))

    def run(self) -> None:
        while True:
            wire, client = self.socket.recvfrom(65536)
            try:
                question = dns.message.from_wire(wire)
            except dns.exception.DNSException:
                self.seen.look_ups.append(f"{wire!r}, which is no DNS query")
                continue
            answer = dns.message.make_response(question)
            for asked in question.question:
                name = asked.name.to_text(omit_final_dot=True)
                self.seen.look_ups.append(name)
                plain = dns.message.make_query(asked.name, asked.rdtype).to_wire()
                if asked.rdtype not in ADDRESSES or len(wire) != len(plain):
                    self.seen.look_ups.append(f"{wire!r}, which is more than an address")
                if self.known is None:
                    continue
                if name.lower() not in self.known:
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                elif asked.rdtype == RdataType.A:
                    answer.answer.append(
                        dns.rrset.from_text(asked.name, 60, "IN", "A", self.address)
                    )
            if self.known is not None:
                self.socket.sendto(answer.to_wire(), client)
