"""What this machine and this installation say of themselves.

A value that varies by machine or installation cannot be compared with an earlier run; it can be
compared with what the Python standard library says here and now.
"""

import platform
from importlib.metadata import PackageNotFoundError, version

MACHINE = {
    "host.arch": lambda: [platform.machine()],
    # OpenTelemetry asks for either, by system.
    "os.version": lambda: [platform.release(), platform.version()],
    "os.type": lambda: [platform.system().lower()],
    "process.runtime.name": lambda: [platform.python_implementation()],
    "process.runtime.version": lambda: [platform.python_version()],
    "process.runtime.description": lambda: [platform.python_compiler()],
}


def expected(field: str) -> list[str]:
    """What a field may hold here; empty if nothing is known of it."""
    if field in MACHINE:
        return MACHINE[field]()
    package = {"telemetry.sdk.version": "opentelemetry-sdk", "service.version": "stripepy-hic"}.get(
        field, field.removeprefix("dependency.").removesuffix(".version")
    )
    try:
        return [version(package)]
    except PackageNotFoundError:
        return []
