"""Every line of the installed stripepy that sets or sends telemetry, found in its syntax tree."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path

from telemetry.capture.folder import run_paths
from telemetry.capture.process import installing
from telemetry.records.claims import LineResult
from telemetry.records.exits import Exit, UserError

# What a line of code does, by the name of what it calls.
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

# The calls that set fields which are no attributes, or whose keys StripePy does not spell out.
SETTERS: Mapping[str, tuple[str, ...]] = {
    "name": ("start_span", "update_name"),
    "start_time_unix_nano": ("start_span",),
    "status.code": ("set_status",),
    "event.name": ("record_exception",),
    "event.time_unix_nano": ("record_exception",),
    "exception.type": ("record_exception",),
    "exception.escaped": ("record_exception",),
    "scope.name": ("get_tracer",),
    "os.type": ("OsResourceDetector",),
    "os.version": ("OsResourceDetector",),
}

# Modules for networking that have nothing to do with OpenTelemetry.
CLIENTS = frozenset(
    {
        *("aiohttp", "asyncio", "ftplib", "http", "httpx", "imaplib", "poplib", "pycurl"),
        *("requests", "smtplib", "socket", "socketserver", "ssl", "telnetlib", "urllib"),
        *("urllib3", "websockets", "xmlrpc"),
    }
)


def find() -> list[LineResult]:
    """Find these lines in the installed package, in order of file and line.

    Raises:
        UserError: If stripepy is not installed.
    """
    found = {(file, line, what) for file, tree in _trees() for line, what in _in(tree)}
    return [LineResult(file=file, line=line, what=what) for file, line, what in sorted(found)]


def setters(fields: Iterable[str]) -> dict[str, list[str]]:
    """Return where StripePy sets each field, as file:line; nothing for what OpenTelemetry sets.

    Args:
        fields: Names of fields, as the dictionary has them.

    Raises:
        UserError: If stripepy is not installed.
    """
    fields = list(fields)
    found: dict[str, set[tuple[str, int]]] = {field: set() for field in fields}
    for file, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.expr) and (sets := _sets(node)):
                for field in fields:
                    if sets(field):
                        found[field].add((file, node.lineno))
    return {
        field: [f"{file}:{line}" for file, line in sorted(lines)] for field, lines in found.items()
    }


def _sets(node: ast.expr) -> Callable[[str], bool] | None:
    """Return a test of whether an expression sets a given field; None if it sets none at all."""
    match node:
        case ast.Constant(value=str(text)) if "." in text:
            return lambda field: field == text
        case ast.JoinedStr(values=pieces):
            # f"dependency.{name}.version" stands for all keys of that form; f"{number}s" is no key.
            written = [str(p.value) if isinstance(p, ast.Constant) else None for p in pieces]
            if any(re.search(r"[a-z]\.|\.[a-z]", text) for text in written if text):
                form = "".join(".+" if text is None else re.escape(text) for text in written)
                return lambda field: re.fullmatch(form, field) is not None
        case ast.Name(id=name, ctx=ast.Load()) if name.isupper():
            # OpenTelemetry's constants are named after their keys.
            return lambda field: "." in field and name == field.replace(".", "_").upper()
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return lambda field: name in SETTERS.get(field, ())
    return None


def package() -> Path:
    """Return the folder of the installed package.

    Raises:
        UserError: If stripepy is not installed.
    """
    spec = PathFinder.find_spec("stripepy", run_paths())
    if spec is None or spec.origin is None:
        raise UserError("stripepy is not installed", installing(), Exit.NOT_CAPTURED)
    return Path(spec.origin).parent


def _trees() -> list[tuple[str, ast.Module]]:
    """Return each file of the installed package, as its path there and its syntax tree."""
    folder = package()
    return [
        (path.relative_to(folder).as_posix(), ast.parse(path.read_bytes()))
        for path in sorted(folder.rglob("*.py"))
    ]


def _blanks(call: ast.Call) -> bool:
    """Whether a call passes attributes whose values are all empty texts."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "attributes"]
    values = [v for value in given if isinstance(value, ast.Dict) for v in value.values]
    return bool(values) and all(isinstance(v, ast.Constant) and v.value == "" for v in values)


def _in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in CALLS:
                kept = "" if name != "record_exception" or _blanks(node) else ", with its text"
                yield node.lineno, CALLS[name] + kept
            if name == "Status" and (node.args[1:] or node.keywords):
                yield node.lineno, "says how the run ended, with its text"
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
