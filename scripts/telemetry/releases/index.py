"""The package index: which releases of a package there are, and since when."""

import os
from dataclasses import dataclass

from packaging.version import Version
from pypi_simple import PYPI_SIMPLE_ENDPOINT, NoSuchProjectError, PyPISimple
from requests import RequestException

from telemetry.records.exits import Exit, UserError

MEND = "run it again with a network; what was run before is kept"


@dataclass(frozen=True)
class Release:
    """A release that can be installed without building it.

    Attributes:
        version: Its version.
        uploaded: When its first wheel was uploaded, ISO 8601; empty if the index does not tell.
    """

    version: Version
    uploaded: str = ""


def address() -> str:
    """Return the index that the user has chosen; empty for the usual one."""
    variables = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
    return next(filter(None, map(os.environ.get, variables)), "")


def releases(package: str) -> list[Release]:
    """Return every release that has a wheel and was not withdrawn, oldest first.

    Raises:
        UserError: If the index cannot be reached, or has no such package.
    """
    try:
        with PyPISimple(address() or PYPI_SIMPLE_ENDPOINT) as index:
            files = index.get_project_page(package, timeout=60).packages
    except (RequestException, NoSuchProjectError, ValueError) as error:
        message = f"the package index does not list the releases of {package}: {error}"
        raise UserError(message, MEND, Exit.NOT_CAPTURED) from None
    uploads: dict[Version, list[str]] = {}
    for file in files:
        if file.package_type == "wheel" and file.version and not file.is_yanked:
            uploaded = file.upload_time.isoformat() if file.upload_time else ""
            uploads.setdefault(Version(file.version), []).append(uploaded)
    return [Release(version, min(times)) for version, times in sorted(uploads.items())]
