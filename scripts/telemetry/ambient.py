"""The environment variables that something below stripepy reads, found in the installed code.

Two lists are put together: names that the code of OpenTelemetry and of its HTTP libraries mentions
as variables, and names that were asked for while stripepy ran.
"""

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

PACKAGES = ("opentelemetry", "requests", "urllib3", "certifi", "ssl", "netrc", "urllib.request")

NAME = re.compile(r"_?[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|NETRC|SSLKEYLOGFILE")

# Asked for by what has no part in telemetry; each with whom to blame.
UNRELATED = {
    "LANGUAGE": "translations of argparse",
    "LC_ALL": "translations of argparse",
    "LC_MESSAGES": "translations of argparse",
    "LANG": "translations of argparse",
    "COLUMNS": "width of the terminal",
    "LINES": "height of the terminal",
    "PATH": "search for programs",
    "PYTHONPATH": "set for every run; copied for workers",
    "HOME": "home folder",
    "TMPDIR": "folder for temporary files",
    "TZ": "time zone",
    "USER": "copied for workers",
    "LOGNAME": "copied for workers",
    "HOSTNAME": "copied for workers",
    "ZQX": "planted; copied for workers",
    "LD_LIBRARY_PATH": "copied for workers",
    "REQUEST_METHOD": "tells CGI scripts from others",
    "MPLBACKEND": "choice of matplotlib",
    "MPL_IGNORE_SYSTEM_FONTS": "fonts of matplotlib",
    "MPLCONFIGDIR": "folder of matplotlib",
    "MATPLOTLIBRC": "settings of matplotlib",
    "XDG_CACHE_HOME": "folder of matplotlib",
    "XDG_CONFIG_HOME": "folder of matplotlib",
    "PYTHONBREAKPOINT": "Python's debugger",
    "NO_COLOR": "colours of messages",
    "FORCE_COLOR": "colours of messages",
    "SOURCE_DATE_EPOCH": "date in pictures",
    "HDF5_PLUGIN_PATH": "plug-ins of HDF5",
}

# Telling values for variables whose kind is known; the first expression that matches counts. A text
# that means nothing does for the others: where it shows up, it is sent.
VALUES = (
    (r"_?OTEL_EXPORTER_OTLP_(\w+_)?HEADERS", ("x-zqx=ZqxToken", "user-agent=ZqxAgent")),
    (
        r"OTEL_RESOURCE_ATTRIBUTES",
        (
            "zqx.key=ZqxValue",
            "service.name=ZqxName,host.arch=ZqxArch",
            "service.instance.id=ZqxInstance",
            "params.k=ZqxK",
        ),
    ),
    (r"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", ("process", "host", "os", "*")),
    (r"OTEL_SDK_DISABLED", ("true",)),
    (r"OTEL_TRACES_SAMPLER", ("always_off", "always_on", "traceidratio")),
    (r"OTEL_\w*_LENGTH_LIMIT", ("1",)),
    (r"OTEL_\w*_COUNT_LIMIT", ("0",)),
    (r"OTEL_\w*(INTERVAL|DELAY|TIMEOUT|SIZE|PORT)", ("1",)),
    (r"OTEL_EXPORTER_OTLP_(\w+_)?COMPRESSION", ("none", "deflate")),
    (r"OTEL_\w*ENDPOINT", ("http://zqx.example:4318/ZqxPath",)),
    (r"OTEL_\w*(CERTIFICATE|CLIENT_KEY)", ("{authority}",)),
    (r"OTEL_\w*(INSECURE|ENABLED)", ("true",)),
    (r"OTEL_\w*EXPORTER", ("none", "console")),
    (r"(REQUESTS|CURL)_CA_BUNDLE|SSL_CERT_\w+", ("{authority}",)),
    (r"SSLKEYLOGFILE|NETRC", ("{home}/ZqxKeys",)),
    (r"(NO_PROXY|no_proxy)", ("*",)),
    (r"", ("ZqxAmbient",)),
)


def named() -> set[str]:
    """Names that the installed code of `PACKAGES` mentions as environment variables."""
    return {name for package in PACKAGES for path in _modules(package) for name in _named_in(path)}


def values(names: Iterable[str]) -> dict[str, Sequence[str]]:
    """Telling values for each variable, in alphabetical order; unrelated ones are left out."""
    return {
        name: next(values for pattern, values in VALUES if re.fullmatch(pattern or r"\w+", name))
        for name in sorted(set(names) - set(UNRELATED))
    }


def _modules(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        return
    if spec.submodule_search_locations:
        for folder in spec.submodule_search_locations:
            yield from sorted(Path(folder).rglob("*.py"))
    elif spec.origin:
        yield Path(spec.origin)


def _named_in(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_bytes())
    declares = "environment_variables" in path.parts
    for node in ast.walk(tree):
        candidates: list[ast.expr] = []
        if declares and isinstance(node, ast.Assign):
            candidates = [node.value]
        elif isinstance(node, ast.Call) and _is_about_environment(node.func):
            candidates = node.args[:1]
        elif isinstance(node, ast.Subscript) and _is_environment(node.value):
            candidates = [node.slice]
        elif isinstance(node, ast.Compare) and any(map(_is_environment, node.comparators)):
            candidates = [node.left]
        for candidate in candidates:
            name = candidate.value if isinstance(candidate, ast.Constant) else None
            if isinstance(name, str) and NAME.fullmatch(name):
                yield name


def _is_environment(node: ast.expr) -> bool:
    return ast.unparse(node) in {"os.environ", "environ"}


def _is_about_environment(node: ast.expr) -> bool:
    return ast.unparse(node) in {"os.environ.get", "environ.get", "os.getenv", "getenv"}
