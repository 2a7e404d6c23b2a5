"""The environment variables that StripePy or its libraries may read, with values to test.

Some names are found in the installed code of StripePy, OpenTelemetry and its HTTP libraries. The
lists here add what code does not spell out, and what other libraries ask for during a run.
"""

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path

from telemetry.capture.folder import run_paths

PACKAGES = (
    *("stripepy", "opentelemetry", "requests", "urllib3", "certifi", "ssl", "netrc"),
    "urllib.request",
)

NAME = re.compile(r"(_OTEL_|_PYTHON_)?[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|NETRC|SSLKEYLOGFILE")

LOOK_UPS = frozenset({"get", "getenv", "pop", "setdefault"})

SET_ALWAYS = frozenset(
    {
        *("COLUMNS", "HOME", "HOSTNAME", "LC_ALL", "LD_LIBRARY_PATH", "LOGNAME", "PATH"),
        *("PYTHONPATH", "TMPDIR", "TZ", "USER", "ZQX"),
        # For building Python itself; some of them keep it from starting.
        *("_PYTHON_HOST_PLATFORM", "_PYTHON_PROJECT_BASE", "_PYTHON_SUBPROCESS_USE_POSIX_SPAWN"),
        *("_PYTHON_SYSCONFIGDATA_NAME", "_PYTHON_SYSCONFIGDATA_PATH"),
    }
)
"""Variables that are not tested: runs set them themselves, or only Python's developers do."""

OTHERS = frozenset(
    {
        *("FORCE_COLOR", "HDF5_PLUGIN_PATH", "LANG", "LANGUAGE", "LC_MESSAGES", "LINES"),
        *("MATPLOTLIBRC", "MPLBACKEND", "MPLCONFIGDIR", "MPL_IGNORE_SYSTEM_FONTS", "NO_COLOR"),
        *("NPY_PROMOTION_STATE", "NUMPY_MADVISE_HUGEPAGE", "OPENBLAS_MAIN_FREE"),
        *("PANDAS_COPY_ON_WRITE", "PANDAS_DATA_MANAGER", "PANDAS_FUTURE_INFER_STRING"),
        *("PILLOW_ALIGNMENT", "PILLOW_BLOCKS_MAX", "PILLOW_BLOCK_SIZE"),
        *("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "PYPARSINGENABLEALLWARNINGS"),
        *("PYTHONBREAKPOINT", "PYTHONDOCS", "PYTHONTZPATH", "PYTHONUSERBASE", "PYTHON_COLORS"),
        *("REQUEST_METHOD", "SCIPY_ARRAY_API", "SCIPY_DEVICE", "SOURCE_DATE_EPOCH", "TEMP"),
        *("TERM", "TMP", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
    }
)
"""Variables of libraries that take no part in telemetry."""

UNNAMED = frozenset({"NO_PROXY", "no_proxy", "SSL_CERT_FILE"})
"""Variables that no Python code spells out; the others for proxies are tested with a proxy."""

# Values to test, by a pattern of the name; the first that matches counts. A variable of no known
# kind gets a meaningless text: where that shows up, it is sent.
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
    (r"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", ("process", "host", "*")),
    (r"OTEL_\w*_COUNT_LIMIT", ("0",)),
    (r"OTEL_\w*(INTERVAL|DELAY|TIMEOUT|SIZE|PORT|_LENGTH_LIMIT)", ("1",)),
    (r"OTEL_EXPORTER_OTLP_(\w+_)?COMPRESSION", ("none", "deflate")),
    (r"OTEL_\w*ENDPOINT", ("http://zqx.example:4318/ZqxPath",)),
    (r"OTEL_\w*CLIENT_(CERTIFICATE|KEY)", ("{certificate}",)),
    (r"OTEL_\w*(INSECURE|ENABLED)", ("true",)),
    (r"OTEL_\w*PROTOCOL", ("http/protobuf",)),
    (r"OTEL_LOG_LEVEL", ("debug",)),
    (r"OTEL_(LOGS|METRICS)_EXPORTER", ("otlp",)),
    (r"OTEL_\w*CERTIFICATE|(REQUESTS|CURL)_CA_BUNDLE|SSL_CERT_\w+", ("{authority}",)),
    (r"SSLKEYLOGFILE|NETRC|MPLCONFIGDIR|XDG_\w+", ("{home}/ZqxKeys",)),
    (r"MPLBACKEND", ("pdf",)),
    (r"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", ("upb",)),
    (r"PYTHONTZPATH|MATPLOTLIBRC", ("/ZqxNowhere",)),
    (r"PANDAS_DATA_MANAGER", ("block",)),
    (r"(NPY|NUMPY|OPENBLAS|PANDAS|PILLOW)_\w+|SCIPY_ARRAY_API|SOURCE_DATE_EPOCH|LINES", ("1",)),
    (r"(NO_PROXY|no_proxy)", ("*",)),
    (r"\w+", ("ZqxAmbient",)),
)

TRUST = re.compile(
    r"OTEL_EXPORTER_OTLP_(TRACES_)?CERTIFICATE|(REQUESTS|CURL)_CA_BUNDLE|SSL_CERT\w+"
)
"""Variables that could decide which certificates are trusted: tested where ours is not."""

WAIT = re.compile(r"OTEL_(EXPORTER_OTLP_(TRACES_)?|BSP_EXPORT_)TIMEOUT")
"""Variables that could decide how long to wait: tested where nobody answers, too."""

EFFECTIVE: Mapping[str, frozenset[str]] = {
    "CURL_CA_BUNDLE": frozenset({"trust"}),
    "OTEL_ATTRIBUTE_COUNT_LIMIT": frozenset({"field"}),
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": frozenset({"field"}),
    "OTEL_BSP_MAX_QUEUE_SIZE": frozenset({"nothing"}),
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": frozenset({"field"}),
    "OTEL_EXPORTER_OTLP_CERTIFICATE": frozenset({"trust"}),
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": frozenset({"client certificate"}),
    "OTEL_EXPORTER_OTLP_HEADERS": frozenset({"header"}),
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": frozenset({"trust"}),
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE": frozenset({"client certificate"}),
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": frozenset({"header"}),
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": frozenset({"nothing"}),
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER": frozenset({"nothing"}),
    "OTEL_PYTHON_METER_PROVIDER": frozenset({"nothing"}),
    "OTEL_RESOURCE_ATTRIBUTES": frozenset({"field"}),
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": frozenset({"field"}),
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": frozenset({"field"}),
    "REQUESTS_CA_BUNDLE": frozenset({"trust"}),
    "SSLKEYLOGFILE": frozenset({"files"}),
}
"""What each variable that has an effect is known to affect; these are tested one by one.

All others are set together, so that few runs suffice to show that none of them has an effect.
"""

WITHOUT_EFFECT = "all without an effect"


def settings(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return environments that test each variable, by name, in alphabetical order.

    Args:
        names: Variables that the installed code mentions; those listed here are added.
    """
    single, together = dict[str, dict[str, str]](), dict[str, dict[str, str]]()
    for name in sorted({*names, *OTHERS, *UNNAMED} - SET_ALWAYS):
        values = next(values for pattern, values in VALUES if re.fullmatch(pattern, name))
        for number, value in enumerate(values):
            if name in EFFECTIVE or TRUST.fullmatch(name):
                single[f"{name}={value}"] = {name: value}
                continue
            others = f"{WITHOUT_EFFECT}, {number + 1}" if number else WITHOUT_EFFECT
            together.setdefault(others, {})[name] = value
            # Where nobody answers, nothing shows but how long it waits.
            if WAIT.fullmatch(name):
                together.setdefault("all for waiting", {})[name] = value
    return single | together


def named() -> set[str]:
    """Return the names that the installed code of `PACKAGES` mentions as environment variables."""
    return {name for package in PACKAGES for path in _modules(package) for name in named_in(path)}


def _modules(package: str) -> Iterator[Path]:
    spec = PathFinder.find_spec(package, run_paths()) or importlib.util.find_spec(package)
    if spec is None:
        return
    if spec.submodule_search_locations:
        for folder in spec.submodule_search_locations:
            yield from sorted(Path(folder).rglob("*.py"))
    elif spec.origin:
        yield Path(spec.origin)


def named_in(path: Path) -> Iterator[str]:
    """Yield the names that a module looks up: any mapping may be a copy of the environment."""
    declares = "environment_variables" in path.parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Assign(value=ast.Constant(name)) if declares:
                pass
            case ast.Call(
                func=ast.Name(id=function) | ast.Attribute(attr=function),
                args=[ast.Constant(name), *_],
            ) if function in LOOK_UPS:
                pass
            case ast.Subscript(slice=ast.Constant(name)) | ast.Compare(left=ast.Constant(name)):
                pass
            case _:
                continue
        text = name.decode(errors="replace") if isinstance(name, bytes) else name
        if isinstance(text, str) and NAME.fullmatch(text):
            yield text
