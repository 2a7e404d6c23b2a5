"""Every place in the installed stripepy that sets or sends telemetry, found in its syntax tree."""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What a line of code does, by the name that it calls.
CALLS = {
    "set_attribute": "adds to the span",
    "set_attributes": "adds to the span",
    "update_name": "names the span",
    "set_status": "says how the run ended",
    "record_exception": "adds an event for an error",
    "add_event": "adds an event",
    "add_link": "adds a link",
    "start_span": "starts a span",
    "start_as_current_span": "starts a span",
    "OTLPSpanExporter": "sends",
    "TracerProvider": "sets telemetry up",
    "BatchSpanProcessor": "sets telemetry up",
    "SimpleSpanProcessor": "sets telemetry up",
    "set_tracer_provider": "sets telemetry up",
    "Resource": "describes the system",
    "OsResourceDetector": "describes the system",
}

# Ways out that have nothing to do with OpenTelemetry.
CLIENTS = frozenset(
    {
        "requests",
        "urllib",
        "urllib3",
        "http",
        "socket",
        "httpx",
        "aiohttp",
        "ftplib",
        "smtplib",
        "ssl",
    }
)


@dataclass(frozen=True, order=True)
class Place:
    """A line of stripepy that takes part in telemetry, or could.

    Attributes:
        file: Path in the package, with slashes.
        line: Its number, from 1.
        what: What it does there.
    """

    file: str
    line: int
    what: str


def find() -> list[Place]:
    """Search the installed package, in order of file and line.

    Raises:
        ModuleNotFoundError: If stripepy is not installed.
    """
    spec = importlib.util.find_spec("stripepy")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("stripepy is not installed", name="stripepy")
    folder = Path(spec.origin).parent
    places = set()
    for path in sorted(folder.rglob("*.py")):
        file = path.relative_to(folder).as_posix()
        tree = ast.parse(path.read_bytes())
        places |= {Place(file, line, what) for line, what in _in(tree)}
    return sorted(places)


def _in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in CALLS:
                yield node.lineno, CALLS[name]
            if ast.unparse(node.func).startswith("telemetry."):
                yield node.lineno, "calls telemetry"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            for module in modules:
                if module.partition(".")[0] == "opentelemetry":
                    yield node.lineno, "imports OpenTelemetry"
                elif module.partition(".")[0] in CLIENTS:
                    yield node.lineno, f"imports {module}, a way to the network"
