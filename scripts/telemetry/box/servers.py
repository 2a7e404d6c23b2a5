"""Servers on loopback that stand in for the collector, a proxy, a name server and a web site.

They keep what reaches them as it came over the wire: request lines, headers, bodies, and the names
that were looked up. How they answer, or fail to, depends on the network of the run.
"""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.rcode
import dns.rrset
from dns.rdatatype import RdataType

from telemetry.box.world import World
from telemetry.capture import namespaces
from telemetry.records.runs import Network, Request, Run

LOOPBACK = "127.0.0.1"
PROXY_PORT = 3128
NAME_SERVER_PORT = 53
HTTPS_PORT = 443

# The address given for servers that cannot be reached; reserved for documentation (RFC 5737).
NOWHERE = "192.0.2.53"

WITHOUT_ROUTES = frozenset({Network.NO_NETWORK, Network.NO_ROUTE})

ALL_PACKETS = 3
SYN, SYN_ACK = 0x02, 0x12
PINGS = {(socket.IPPROTO_ICMP, 8), (socket.IPPROTO_ICMPV6, 128)}
# Protocols of packets that the kernel sends by itself.
ITS_OWN = {socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6}

ADDRESSES = (RdataType.A, RdataType.AAAA)

# What the collector answers; in any other network, it does not.
STATUS = {
    Network.ANSWERS: 200,
    Network.WRONG_CERTIFICATE: 200,
    Network.UNKNOWN_AUTHORITY: 200,
    Network.BAD_REQUEST: 400,
    Network.NOT_FOUND: 404,
    Network.TOO_MANY: 429,
    Network.ERROR: 500,
    Network.UNAVAILABLE: 503,
    Network.REDIRECT: 307,
}
HEADERS = {
    # What a client could keep and send back the next time.
    Network.ANSWERS: {"Set-Cookie": "zqx=1; Max-Age=86400", "ETag": '"zqx"'},
    Network.TOO_MANY: {"Retry-After": "1"},
    Network.REDIRECT: {"Location": "https://elsewhere.example/v1/traces"},
}


def start(target: Callable[..., object], *arguments: object) -> threading.Thread:
    """Start a thread that ends with this process at the latest."""
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


@dataclass
class Servers:
    """The servers of one run, and what reaches them."""

    run: Run
    world: World
    requests: list[Request] = field(default_factory=list)
    fetches: list[Request] = field(default_factory=list)
    look_ups: list[str] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    tunnels: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    connections: Counter[int] = field(default_factory=Counter)  # encrypted ones, by port
    waited: list[float] = field(default_factory=list)
    hellos: list[bytes] = field(default_factory=list)
    # Sockets that nothing serves; kept here, since garbage collection would close them.
    unserved: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        """Open the ports that the run finds, and start watching where packets go."""
        network, port = self.run.network, self.world.port
        if network not in WITHOUT_ROUTES:
            namespaces.lead_everything_here()
        ports = {port, PROXY_PORT} | ({HTTPS_PORT} if self.run.hosts else set())
        self.packets = _Packets(ports)
        if network in STATUS:
            kind = "wrong" if network is Network.WRONG_CERTIFICATE else "right"
            _TlsServer(self, port, self.world.certificate(kind), _Collector)
        elif network is Network.SILENT:
            start(self._keep_waiting, socket.create_server((LOOPBACK, port)))
        elif network is Network.BLACK_HOLE:
            self._fill_queue(port)
        if self.run.hosts:
            _TlsServer(self, HTTPS_PORT, self.world.certificate("right"), _WebSite)
        if network not in {Network.NO_NETWORK, Network.NO_NAME_SERVER}:
            name_server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            name_server.bind((LOOPBACK, NAME_SERVER_PORT))
            start(self._answer_queries, name_server)
        start(self._accept_tunnels, socket.create_server((LOOPBACK, PROXY_PORT)))

    def attempts(self) -> Iterator[str]:
        """Yield every attempt to reach anything but the collector and the hosts of the run."""
        served = {self.world.host, *self.run.hosts}
        for name in self.look_ups:
            if name not in served.union(self.run.missing_hosts):
                yield f"look-up of {name}"
        for called in self.server_names:
            # The name is not encrypted: anyone who forwards the connection can read it.
            if called not in served:
                yield f"connection to a server called {called}"
        unrouted, opened = namespaces.kernel_counts()
        if unrouted and self.run.network not in WITHOUT_ROUTES:
            yield f"{unrouted} packets that had no way out"
        addresses = self.packets.addresses()
        yield from (f"connection to {address}" for address in addresses)
        # Each connection through the proxy was opened twice: by the client, and by the proxy.
        others = opened - self.connections.total() - len(self.tunnels)
        if not addresses and others > 0 and self.run.network is Network.ANSWERS:
            yield f"{others} connections to something else on this machine"

    def _keep_waiting(self, server: socket.socket) -> None:
        """Accept clients one by one, never answer, and keep how long each waits."""
        while True:
            client, _ = server.accept()
            began = time.monotonic()
            with client:
                while client.recv(65536):
                    pass
            self.waited.append(time.monotonic() - began)

    def _fill_queue(self, port: int) -> None:
        """Fill the queue of a port, so that the kernel drops what comes, as a firewall does."""
        server = socket.create_server((LOOPBACK, port), backlog=0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        self.unserved += [server, *callers]

    def _accept_tunnels(self, proxy: socket.socket) -> None:
        while True:
            client, _ = proxy.accept()
            start(self._tunnel, client)

    def _tunnel(self, client: socket.socket) -> None:
        """Connect a tunnel to the collector, whatever address the client asks for, or refuse it."""
        head = b""
        while b"\r\n\r\n" not in head and (piece := client.recv(65536)):
            head += piece
        line, *fields = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (f.partition(":") for f in fields)}
        self.tunnels.append((line, headers))
        refuses = self.run.network is Network.PROXY_REFUSES
        if refuses:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        if refuses or not line.startswith("CONNECT "):
            client.close()
            return
        server = socket.create_connection((LOOPBACK, self.world.port))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ends = {client: server, server: client}
        with client, server:
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    if not (piece := end.recv(65536)):
                        return
                    ends[end].sendall(piece)

    def _answer_queries(self, name_server: socket.socket) -> None:
        """Answer DNS queries: the collector and the run's hosts have one address, others none."""
        network = self.run.network
        known = {*self.run.hosts}
        if network is not Network.NO_SUCH_NAME:
            known.add(self.world.host.lower())
        address = NOWHERE if network is Network.NO_ROUTE else LOOPBACK
        while True:
            wire, client = name_server.recvfrom(65536)
            try:
                query = dns.message.from_wire(wire)
                answer = dns.message.make_response(query)
            except dns.exception.DNSException:
                self.look_ups.append(f"{wire!r}, which is no DNS query")
                continue
            for asked in query.question:
                name = asked.name.to_text(omit_final_dot=True)
                self.look_ups.append(name)
                plain = dns.message.make_query(asked.name, asked.rdtype).to_wire()
                if asked.rdtype not in ADDRESSES or len(wire) != len(plain):
                    self.look_ups.append(f"{wire!r}, which is more than an address")
                if name.lower() not in known:
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                elif asked.rdtype == RdataType.A:
                    record = dns.rrset.from_text(asked.name, 60, "IN", "A", address)
                    answer.answer.append(record)
            if network is not Network.SILENT_NAME_SERVER:
                name_server.sendto(answer.to_wire(), client)


class _TlsServer(ThreadingHTTPServer):
    """An HTTPS server on loopback; `certificate` is a PEM file with its key and chain."""

    def __init__(self, servers: Servers, port: int, certificate: Path, handler: Any) -> None:
        self.servers = servers
        super().__init__((LOOPBACK, port), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(servers.world.certificate("authority"))
        context.sni_callback = lambda _, name, __: servers.server_names.append(name)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        start(self.serve_forever)

    def get_request(self) -> tuple[socket.socket, Any]:
        accepted = super().get_request()
        self.servers.connections[self.server_port] += 1
        return accepted

    def handle_error(self, *_: object) -> None:
        """Print nothing: a client that hangs up or distrusts the certificate is a result, too."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _TlsServer

    def setup(self) -> None:
        # The plain socket's method: the TLS handshake has not begun, and SSLSocket cannot peek.
        hello = socket.socket.recv(self.request, 4096, socket.MSG_PEEK)
        self.server.servers.hellos.append(hello)
        super().setup()

    def take(self) -> Request:
        """Read the request, and the names in the client's certificate."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        shown: Any = self.connection.getpeercert() or {}
        names = [value for _, value in shown.get("subjectAltName", ())]
        return Request(self.requestline, tuple(self.headers.items()), body, ", ".join(names))

    def answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing: requests are kept instead."""


class _Collector(_Handler):
    """An OTLP/HTTP receiver."""

    def do_POST(self) -> None:
        self.server.servers.requests.append(self.take())
        network = self.server.servers.run.network
        self.answer(STATUS[network], HEADERS.get(network, {}))

    do_GET = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = do_POST  # noqa: N815

    def send_error(self, code: int, *_: Any) -> None:
        """Keep what is not a valid request, too."""
        self.server.servers.requests.append(Request(self.requestline, (), b""))
        super().send_error(code)


class _WebSite(_Handler):
    """A web site that sends the same file, whatever is asked for."""

    def do_GET(self) -> None:
        self.server.servers.fetches.append(self.take())
        self.answer(200, {}, (self.server.servers.world.files / "data").read_bytes())

    do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815


class _Packets:
    """Keeps where connections, datagrams and pings in this network go, whoever sends them.

    `known` are the TCP ports of our own servers on loopback.
    """

    def __init__(self, known: Collection[int]) -> None:
        self.known = {(socket.IPPROTO_TCP, f"{LOOPBACK}:{port}") for port in known}
        self.known.add((socket.IPPROTO_UDP, f"{LOOPBACK}:{NAME_SERVER_PORT}"))
        self.found: dict[str, None] = {}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PACKETS))
        start(self._take_all)

    def addresses(self) -> list[str]:
        """Return where packets have gone so far, apart from our own servers."""
        with contextlib.suppress(BlockingIOError):
            self._take_all(socket.MSG_DONTWAIT)
        return list(self.found)

    def _take_all(self, flags: int = 0) -> None:
        while True:
            self._take(self.socket.recv(128, flags))

    def _take(self, packet: bytes) -> None:
        if packet[0] >> 4 == 4:
            protocol, ends = packet[9], (packet[12:16], packet[16:20])
            family, form, rest = socket.AF_INET, "{}:{}", packet[(packet[0] & 15) * 4 :]
        else:
            protocol, ends = packet[6], (packet[8:24], packet[24:40])
            family, form, rest = socket.AF_INET6, "[{}]:{}", packet[40:]
        if protocol == socket.IPPROTO_HOPOPTS:
            protocol, rest = rest[0], rest[8 * (rest[1] + 1) :]
        rest = rest.ljust(14, b"\0")  # a packet can hold less than a header of TCP
        addresses = [socket.inet_ntop(family, end) for end in ends]
        if (protocol, rest[0]) in PINGS:
            self.found[f"{addresses[1]}, as a ping"] = None
        elif protocol not in {socket.IPPROTO_TCP, socket.IPPROTO_UDP, *ITS_OWN}:
            self.found[f"{addresses[1]}, by protocol {protocol}"] = None
        elif protocol == socket.IPPROTO_UDP or (
            protocol == socket.IPPROTO_TCP and rest[13] & SYN_ACK == SYN
        ):
            ports = (int.from_bytes(rest[at : at + 2]) for at in (0, 2))
            source, target = map(form.format, addresses, ports)
            if not self.known & {(protocol, source), (protocol, target)}:
                self.found[target] = None
