"""The sealed process in which stripepy runs in memory: what it may do, and what is recorded.

Multiprocessing imports this module again in every worker that stripepy spawns, so the guard, which
is added at module level, works there too. Records are appended at once, one JSON object a line, to
the file that `RECORD_VARIABLE` names, so that none is lost when a process dies.
"""

import atexit
import base64
import contextlib
import importlib.metadata
import inspect
import json
import os
import platform
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from telemetry.capture import namespaces
from telemetry.capture.folder import RECORD_VARIABLE

# Run by the standard library's `platform` and by matplotlib's font search; neither can send.
HARMLESS_PROGRAMS = frozenset({"uname", "fc-list"})


def record(**entry: Any) -> None:
    """Append one entry to the record, in a single write, so that processes do not mix lines."""
    with Path(os.environ[RECORD_VARIABLE]).open("ab", buffering=0) as file:
        file.write(json.dumps(entry).encode() + b"\n")


def refuse(kind: str, target: object) -> NoReturn:
    """Record an attempt to reach something outside, and refuse it.

    Raises:
        PermissionError: Always; an OSError, so that libraries take it for a network failure.
    """
    record(attempt=f"{kind} {target}")
    raise PermissionError(f"sealed: {kind} {target}")


def _connection(sock: socket.socket, address: Any) -> None:
    if address is None or sock.family == socket.AF_UNIX:
        # Multiprocessing's managers talk over sockets in the private temporary folder.
        if address is None or os.fsdecode(address).startswith(os.environ["TMPDIR"]):
            return
        refuse("socket", os.fsdecode(address))
    host = ":".join(str(part) for part in address[:2]) if isinstance(address, tuple) else address
    refuse("connection to", host)


CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
LOOK_UPS = frozenset(
    f"socket.{name}" for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo")
)
PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"})


def guard(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook that refuses whatever leads outside."""
    if event in CONNECTIONS:
        _connection(*arguments)
    elif event in LOOK_UPS and (host := arguments[0]) is not None:
        refuse("look-up of", host.decode() if isinstance(host, bytes) else host)
    elif event in PROGRAMS:
        program = os.fsdecode(arguments[0])
        if event != "subprocess.Popen" or program not in HARMLESS_PROGRAMS:
            refuse("program", program)


def record_unrouted() -> None:
    """Record attempts that the kernel refused in the namespace, and that no audit hook can see."""
    unrouted, _ = namespaces.kernel_counts()
    if unrouted:
        record(attempt=f"{unrouted} packets from a C library or another program")


def replace_exporter() -> None:
    """Put an in-memory span exporter where stripepy will import its OTLP exporter from.

    It encodes what it is given as the real one would, and records one ExportTraceServiceRequest
    for each request that would have been posted. If OpenTelemetry cannot be imported, there is
    nothing to replace, and stripepy cannot send anything either.
    """
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        from opentelemetry.exporter.otlp.proto.http import trace_exporter
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import SpanExportResult
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    except ImportError as error:
        record(missing=str(error))
        return

    # With this variable set, merely asking for the provider would set one.
    if "OTEL_PYTHON_TRACER_PROVIDER" not in os.environ:
        record(provided=not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider))
    signature = inspect.signature(trace_exporter.OTLPSpanExporter)

    class SealedExporter(InMemorySpanExporter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__()
            settings = signature.bind(*args, **kwargs).arguments
            record(exporter={name: _plain(value) for name, value in settings.items()})

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = super().export(spans)
            # After a shutdown it takes none.
            if finished := self.get_finished_spans():
                self.clear()
                body = encode_spans(finished).SerializeToString()
                record(body=base64.b64encode(body).decode())
            return result

    trace_exporter.OTLPSpanExporter = SealedExporter  # type: ignore[misc, assignment]


def _plain(value: Any) -> Any:
    """Convert an exporter setting to something that JSON can hold."""
    value = getattr(value, "value", value)
    return value if isinstance(value, str | int | float | dict | None) else repr(value)


def record_versions() -> None:
    """Record the versions of Python and, if installed, of StripePy and OpenTelemetry."""
    versions = {"python": platform.python_version()}
    for package in ("stripepy-hic", "opentelemetry-sdk"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    record(versions=versions)


def main(argv: Sequence[str]) -> int:
    """Run `stripepy ARGV...` as its console script does, but without any network."""
    if namespaces.enter_empty():
        # Registered first, hence run last, after the tracer provider has shut down.
        atexit.register(record_unrouted)
    replace_exporter()
    record_versions()
    try:
        from stripepy.main import main as stripepy_main
    except ImportError as error:
        record(missing=str(error))
        return 1
    # Called without arguments, as by the console script: with them, main() would raise errors
    # for which the command prints a message and returns 1.
    sys.argv = ["stripepy", *argv]
    try:
        status: int = stripepy_main()
        return status
    finally:
        record(finished=True)


# "__mp_main__" in a worker. A mere import adds no hook, since a hook can never be removed.
if __name__ in {"__main__", "__mp_main__"}:
    sys.addaudithook(guard)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
