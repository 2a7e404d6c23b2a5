"""The world of unmodified runs: names of the machine and its user, certificates, files."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from telemetry.capture.folder import caller_paths, scratch_folder

DATA_HOSTS = ("zenodo.org",)
"""Hosts of the data sets that `stripepy download` fetches; source: its own list of data sets."""


@dataclass(frozen=True)
class Names:
    """What the machine and its user are called."""

    work: str = "work"  # name of the working directory
    home: str = "home"  # name of the home folder
    host: str = "machine"  # name of the machine
    user: str = "user"  # name of the user
    person: str = "User"  # the user's full name
    machine: str = "0" * 32  # the machine's identifier, 32 hexadecimal digits
    hardware: str = "02:00:00:00:00:00"  # the hardware (MAC) address of its network interface
    variables: Mapping[str, str] = field(default_factory=dict)  # further variables of every run

    @property
    def environment(self) -> dict[str, str]:
        """Variables of every run."""
        user = {"USER": self.user, "LOGNAME": self.user, "HOSTNAME": self.host}
        return {**user, **self.variables}


@dataclass(frozen=True)
class World:
    """What all runs of one session have around them."""

    files: Path  # folder that runs take files from and leave files in
    interpreter: Path  # the Python whose stripepy is run
    names: Names  # what the machine and its user are called
    host: str  # name of the collector
    port: int  # port of the collector
    # Folders for PYTHONPATH: the caller's, which decide which stripepy is run.
    paths: tuple[str, ...]
    # Whether the root folder and the machine's folders for temporary files are private, to show
    # what a run leaves there; the paths on its command line must then lead elsewhere.
    empties_temporary: bool = False

    def certificate(self, kind: str) -> Path:
        """PEM file: of the kind "authority", or key and chain of "right", "wrong" or "client"."""
        return self.files / f"{kind}.pem"


@contextlib.contextmanager
def made(
    endpoint: str,
    interpreter: Path = Path(sys.executable),
    names: Names | None = None,
    fill: Callable[[Path], None] = lambda _: None,
    empties_temporary: bool = False,
) -> Iterator[World]:
    """Make a world that lasts as long as the context.

    Args:
        endpoint: Address of the collector, as stripepy gives it to its exporter.
        fill: Puts further files into the world's folder.
    """
    address = urlsplit(endpoint)
    with tempfile.TemporaryDirectory(prefix="tw-", dir=scratch_folder()) as name:
        world = World(
            files=Path(name),
            interpreter=interpreter,
            names=names or Names(),
            host=address.hostname or "",
            port=address.port or 443,
            paths=tuple(caller_paths()),
            empties_temporary=empties_temporary,
        )
        authority = trustme.CA()
        authority.cert_pem.write_to_path(world.certificate("authority"))
        others = {"wrong": ["wrong.example"], "client": ["client.example"]}
        for kind, hosts in {"right": [world.host, *DATA_HOSTS], **others}.items():
            certificate = authority.issue_cert(*hosts)
            certificate.private_key_and_cert_chain_pem.write_to_path(world.certificate(kind))
        fill(world.files)
        yield world
