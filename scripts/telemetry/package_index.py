"""The package index: which releases of a package there are, and since when."""

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version
from pip._internal.models.index import PyPI

from telemetry.errors import Exit, UserError

FORMAT = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Release:
    """A release that can be installed without building it.

    Attributes:
        version: Its version.
        uploaded: When its first wheel was uploaded, ISO 8601; empty if the index does not tell.
    """

    version: Version
    uploaded: str


def address() -> str:
    """The index that uv installs from; where none is set, the one that pip knows of as well."""
    return os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or PyPI.simple_url


def releases(package: str) -> list[Release]:
    """Every release that has a wheel and was not withdrawn, oldest first.

    Raises:
        UserError: If the index cannot be reached, or does not speak JSON.
    """
    url = f"{address().rstrip('/')}/{canonicalize_name(package)}/"
    request = urllib.request.Request(url, headers={"Accept": FORMAT})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            files = json.load(answer)["files"]
    except (OSError, ValueError, KeyError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"the package index does not tell the releases of {package}: {reason}",
            "run it again with a network; what was run before is kept",
            Exit.NOT_CAPTURED,
        ) from None
    uploads: dict[Version, list[str]] = {}
    for file in files:
        try:
            _, version, *_ = parse_wheel_filename(file["filename"])
        except InvalidWheelFilename:
            continue
        if not file.get("yanked"):
            uploads.setdefault(version, []).append(file.get("upload-time", ""))
    return [Release(version, min(times)) for version, times in sorted(uploads.items())]
