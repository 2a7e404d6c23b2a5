"""The sealed process in which the real stripepy runs: what it may do, and what is kept of it.

`capture` starts it as a process; `nursery` calls it in processes that it forks. Multiprocessing
imports this module again in every worker that stripepy spawns, so what stands at module level (the
guard) holds there too. Whatever happens is appended at once, one JSON object a line, to the file
that `RECORD_VARIABLE` names: a process that dies takes nothing back.
"""

import atexit
import base64
import contextlib
import email
import gzip
import importlib.metadata
import inspect
import io
import json
import os
import platform
import socket
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

from telemetry import RECORD_VARIABLE, sandbox

# Asked by the standard library's `platform` and by matplotlib's font search; neither can send.
HARMLESS_PROGRAMS = frozenset({"uname", "fc-list"})

# The one address that a run may reach, where it is given one: a receiver on this machine.
allowed: set[tuple[str, int]] = set()


def record(**entry: Any) -> None:
    """Append one entry to the record; a single write, so that processes do not mix their lines."""
    line = json.dumps(entry).encode() + b"\n"
    descriptor = os.open(os.environ[RECORD_VARIABLE], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def refuse(kind: str, target: object) -> NoReturn:
    """Record an attempt to reach something outside, and prevent it.

    Raises:
        PermissionError: Always; an OSError, so that libraries take it for a network failure.
    """
    record(attempt=f"{kind} {target}")
    raise PermissionError(f"sealed: {kind} {target}")


def _connection(event: str, arguments: tuple[Any, ...]) -> None:
    sock, address = arguments
    if address is None or sock.family == getattr(socket, "AF_UNIX", None):
        # Multiprocessing's managers talk over sockets in the private temporary folder.
        if address is None or os.fsdecode(address).startswith(os.environ["TMPDIR"]):
            return
        refuse("socket", os.fsdecode(address))
    if isinstance(address, tuple) and address[:2] in allowed:
        return
    host = ":".join(str(part) for part in address[:2]) if isinstance(address, tuple) else address
    refuse("connection to", host)


def _look_up(event: str, arguments: tuple[Any, ...]) -> None:
    if arguments[0] is None:
        return
    host = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
    if host not in {name for name, _ in allowed}:
        refuse("look-up of", host)


def _program(event: str, arguments: tuple[Any, ...]) -> None:
    program = os.fsdecode(arguments[0])
    if event != "subprocess.Popen" or program not in HARMLESS_PROGRAMS:
        refuse("program", program)


CHECKED: dict[str, Callable[[str, tuple[Any, ...]], None]] = {
    "socket.connect": _connection,
    "socket.sendto": _connection,
    "socket.sendmsg": _connection,
    "socket.getaddrinfo": _look_up,
    "socket.gethostbyname": _look_up,
    "socket.gethostbyaddr": _look_up,
    "socket.getnameinfo": _look_up,
    "subprocess.Popen": _program,
    "os.system": _program,
    "os.exec": _program,
    "os.posix_spawn": _program,
}


def guard(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook that refuses whatever leads outside, but for the addresses in `allowed`."""
    if (check := CHECKED.get(event)) is not None:
        check(event, arguments)


def record_unrouted() -> None:
    """Record what the kernel refused in the namespace: attempts that no audit hook can see."""
    if count := sandbox.kernel_counts()["unrouted"]:
        record(attempt=f"{count} packets from a C library or another program")


def replace_exporter() -> None:
    """Put an in-memory span exporter where stripepy will import its OTLP exporter from.

    What it is asked to export is encoded as the real one would encode it, one
    ExportTraceServiceRequest for each request that would have been posted. Where OpenTelemetry
    cannot be imported there is nothing to replace: stripepy cannot send either.
    """
    try:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        from opentelemetry.exporter.otlp.proto.http import trace_exporter
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import SpanExportResult
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    except ImportError as error:
        record(no_opentelemetry=str(error))
        return

    signature = inspect.signature(trace_exporter.OTLPSpanExporter)

    class SealedExporter(InMemorySpanExporter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__()
            record_settings(signature.bind(*args, **kwargs).arguments)

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = super().export(spans)
            finished = self.get_finished_spans()
            self.clear()
            body = encode_spans(finished).SerializeToString()
            record(body=base64.b64encode(body).decode(), spans=len(finished))
            return result

    trace_exporter.OTLPSpanExporter = SealedExporter  # type: ignore[misc, assignment]


def readdress_exporter(address: tuple[str, int]) -> None:
    """Lead the real OTLP exporter to a receiver on this machine; nothing else of it is changed.

    The address is changed where the HTTP library is handed the finished request, so that all that
    was decided before (headers, compression, time-out, certificate checking, proxies) is what it
    would have been. That, and the true address, are recorded.

    Args:
        address: Host and port of the receiver, which speaks plain HTTP.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter
        from requests.adapters import HTTPAdapter
    except ImportError as error:
        record(no_opentelemetry=str(error))
        return
    allowed.add(address)
    construct, send = trace_exporter.OTLPSpanExporter.__init__, HTTPAdapter.send

    def construct_and_record(self: Any, *args: Any, **kwargs: Any) -> None:
        record_settings(inspect.signature(construct).bind(self, *args, **kwargs).arguments)
        construct(self, *args, **kwargs)

    def send_here(
        self: Any,
        request: Any,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Any:
        there = urlsplit(request.url)
        record(
            sending={
                "method": request.method,
                "url": request.url,
                "timeout": timeout,
                "verify": verify,
                "certificate": cert,
                "proxies": dict(proxies or {}),
            }
        )
        request.headers.setdefault("Host", there.netloc)
        request.url = urlunsplit(("http", f"{address[0]}:{address[1]}", *there[2:]))
        return send(self, request, stream, timeout, verify, cert)

    trace_exporter.OTLPSpanExporter.__init__ = construct_and_record  # type: ignore[method-assign]
    HTTPAdapter.send = send_here  # type: ignore[method-assign]


def keep_requests() -> None:
    """Keep each request of the real OTLP exporter, in the very bytes that would have gone out.

    urllib3 makes the connection for every exporter that there was, for most of them on behalf of
    requests. One that is to carry telemetry has no socket and takes what it is given; the answer
    is that of a collector that is content. Any other goes its way, which the guard bars.
    """
    try:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )
        from urllib3 import HTTPConnectionPool
    except ImportError as error:
        record(no_opentelemetry=str(error))
        return
    urlopen = HTTPConnectionPool.urlopen

    class Wire:
        """What stands in for the socket of a connection."""

        def __init__(self, pool: Any, connection: Any) -> None:
            self.pool = pool
            self.connection = connection
            self.written = b""

        def sendall(self, data: bytes) -> None:
            self.written += data

        def makefile(self, *modes: object) -> io.BytesIO:
            """The answer; who wants to read it has written the request."""
            head, _, body = self.written.partition(b"\r\n\r\n")
            line, fields = f"{head.decode('latin-1')}\r\n".split("\r\n", 1)
            method, path, _ = line.split()
            headers = dict(email.message_from_string(fields))
            encoding = headers.get("Content-Encoding", "")
            expand: dict[str, Callable[[bytes], bytes]]
            expand = {"gzip": gzip.decompress, "deflate": zlib.decompress}
            body = expand.get(encoding, bytes)(body)
            resources = ExportTraceServiceRequest.FromString(body).resource_spans
            spans = sum(
                len(scope.spans) for resource in resources for scope in resource.scope_spans
            )
            record(
                request={
                    "method": method,
                    "url": f"{self.pool.scheme}://{headers['Host']}{path}",
                    "headers": headers,
                    "timeout": self.connection.timeout,
                }
            )
            record(body=base64.b64encode(body).decode(), spans=spans)
            return io.BytesIO(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        def settimeout(self, seconds: float) -> None:
            """There is nothing to wait for."""

        def shutdown(self, how: int) -> None:
            """There is nothing to shut."""

        def close(self) -> None:
            """There is nothing to close."""

    def unconnected(pool: Any) -> Any:
        class Unconnected(type(pool).ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                self.sock = Wire(pool, self)
                self.is_verified = True

        return Unconnected

    def keep(
        self: Any, method: str, url: str, body: Any = None, headers: Any = None, **rest: Any
    ) -> Any:
        if (headers or {}).get("Content-Type") == "application/x-protobuf":
            self.ConnectionCls = unconnected(self)
        return urlopen(self, method, url, body, headers, **rest)

    HTTPConnectionPool.urlopen = keep  # type: ignore[method-assign, assignment]


def record_settings(settings: dict[str, Any]) -> None:
    """Record the settings that an OTLP exporter is constructed with."""
    named = {name: _plain(value) for name, value in settings.items() if name != "self"}
    record(exporter=named)


def record_variables() -> None:
    """Record every environment variable that is asked for by name from now on, once."""
    environ = type(os.environ)
    look_up = environ.__getitem__
    asked = set()

    def look_up_and_record(self: Any, name: Any) -> Any:
        if self is os.environ and isinstance(name, str) and name not in asked:
            asked.add(name)
            if name != RECORD_VARIABLE:
                record(variable=name)
        return look_up(self, name)

    environ.__getitem__ = look_up_and_record  # type: ignore[method-assign]


def record_writes(private: Path) -> None:
    """Record every file that is written from now on outside of a folder."""
    ours = (str(private), "/dev/", "/proc/")

    def write(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, str | bytes) or not flags & (os.O_WRONLY | os.O_RDWR):
                return
        elif event in {"os.mkdir", "os.rename", "os.link", "os.symlink"}:
            path = arguments[0] if event == "os.mkdir" else arguments[1]
        else:
            return
        absolute = str(Path(os.fsdecode(path)).absolute())
        # Python's own, for modules that it reads the first time.
        if not absolute.startswith(ours) and "__pycache__" not in absolute:
            record(written=absolute)

    sys.addaudithook(write)


def _plain(value: Any) -> Any:
    """An exporter setting as JSON can hold it."""
    value = getattr(value, "value", value)
    return value if isinstance(value, str | int | float | dict | None) else repr(value)


def record_versions() -> None:
    versions = {"python": platform.python_version()}
    for package in ("stripepy-hic", "opentelemetry-sdk"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    record(versions=versions)


def main(seam: str, argv: list[str]) -> int:
    """Run `stripepy ARGV...` without any network, and return what it returns.

    Args:
        seam: What stands in for the way out: "exporter" or "request".
        argv: Arguments after `stripepy`.
    """
    sealed = sandbox.enter_empty()
    record(sealed=sealed)
    if sealed:
        # Registered first, hence run last: after the tracer provider's own farewell.
        atexit.register(record_unrouted)
    {"exporter": replace_exporter, "request": keep_requests}[seam]()
    return run_stripepy(argv)


def run_stripepy(argv: list[str]) -> int:
    """Run `stripepy ARGV...` as its console script does, and return what it returns."""
    record_versions()
    try:
        from stripepy.main import main as stripepy_main
    except ImportError as error:
        record(no_stripepy=str(error))
        return 1

    # The console script calls main() without arguments; given some, main() raises where the
    # command would print and return 1.
    sys.argv = ["stripepy", *argv]
    try:
        status: int = stripepy_main()
        return status
    finally:
        record(done=time.time())


# "__mp_main__" in a worker. An audit hook cannot be taken out again.
if __name__ in {"__main__", "__mp_main__"}:
    sys.addaudithook(guard)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
