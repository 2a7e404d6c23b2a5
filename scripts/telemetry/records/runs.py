"""A run of StripePy and what was observed of it, in the form that every wing uses.

It imports only the standard library, so that a capture needs nothing beyond stripepy-hic.
"""

import gzip
import shlex
import signal
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Mode(StrEnum):
    """How a run is observed."""

    MEMORY = "in memory"  # its exporter is replaced by one that keeps what it is given
    UNMODIFIED = "unmodified"  # as installed, in Linux namespaces that hold only our servers


class Network(StrEnum):
    """What an unmodified run meets when it tries to reach its collector."""

    ANSWERS = "the collector answers"
    REFUSED = "the connection is refused"
    HOSTS_ENTRY = "/etc/hosts points the collector's name to this machine"
    PROXY_REFUSES = "a proxy refuses to connect to the collector"
    SILENT = "the collector accepts and never answers"
    BLACK_HOLE = "packets to the collector are dropped"
    NO_NETWORK = "there is no network"
    NO_ROUTE = "there is no route to the collector"
    NO_SUCH_NAME = "the name server knows no such name"
    NO_NAME_SERVER = "nothing answers on the name server's port"
    SILENT_NAME_SERVER = "the name server is silent"
    WRONG_CERTIFICATE = "the certificate is for another name"
    UNKNOWN_AUTHORITY = "the certificate's authority is not trusted"
    BAD_REQUEST = "the collector answers 400"
    NOT_FOUND = "the collector answers 404"
    TOO_MANY = "the collector answers 429 with Retry-After"
    ERROR = "the collector answers 500"
    UNAVAILABLE = "the collector answers 503"
    REDIRECT = "the collector redirects elsewhere"

    @property
    def waits(self) -> bool:
        """Whether a run spends most of its time waiting for an answer or between retries."""
        refusals = {Network.BAD_REQUEST, Network.NOT_FOUND, Network.ERROR, Network.REDIRECT}
        return self not in {Network.ANSWERS, *refusals}


class Ending(StrEnum):
    """How a run ends, or is made to end."""

    NORMAL = "by itself"
    CLOSED_PIPE = "whoever reads its output has gone"
    SIGINT = "SIGINT"
    SIGTERM = "SIGTERM"
    SIGHUP = "SIGHUP"
    SIGKILL = "SIGKILL"

    @property
    def signal(self) -> int | None:
        number: int | None = getattr(signal, self.value, None)
        return number

    @property
    def kills(self) -> bool:
        """Whether it kills a process at once; Python turns SIGINT into an exception."""
        return self.signal is not None and self is not Ending.SIGINT


Folder = Literal["work", "home", "temporary"]  # one of a run's own folders


@dataclass(frozen=True)
class Run:
    """A command to run, and the conditions under which it runs."""

    name: str  # unique name
    argv: tuple[str, ...]  # arguments after `stripepy`
    mode: Mode = Mode.UNMODIFIED  # how it is observed
    # Further variables; `{home}` stands for the home folder, `{files}` for the world's folder, and
    # `{authority}` and `{certificate}` for the PEM files of the collector's CA and of a client.
    environment: Mapping[str, str] = field(default_factory=dict)
    # Input files: path, absolute or from the world's folder, by name in the working directory.
    inputs: Mapping[str, str] = field(default_factory=dict)
    # Files in the home folder: text by name; `{host}` stands for the collector's host name.
    home_files: Mapping[str, str] = field(default_factory=dict)
    # Whether the home folder holds matplotlib's list of fonts, which takes time to make.
    fonts: bool = False
    network: Network = Network.ANSWERS  # what it meets on the way to its collector
    ending: Ending = Ending.NORMAL  # how it ends, or is made to end
    # Text on stderr after which the signal is sent; if empty, it is sent when output begins.
    ends_after: str = ""
    # Files to copy to the world's folder: name there, by name in the working directory.
    keep: Mapping[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()  # words before `stripepy`
    trusts: bool = True  # whether it is told to trust the collector's certificate
    timed: bool = False  # whether it is timed: it runs before others, and unbuffered
    watched: bool = False  # whether the watcher is loaded into it
    terminal: bool = False  # whether its input and output are a terminal
    read_only: tuple[Folder, ...] = ()  # which of its folders are read-only
    full: tuple[Folder, ...] = ()  # which of its folders have no space left
    user: int | None = None  # the user's id; None for the caller's
    markers: tuple[str, ...] = ()  # paths of empty files to create, in the root folder or /run
    hosts: tuple[str, ...] = ()  # hosts that its command line needs, and that exist
    missing_hosts: tuple[str, ...] = ()  # hosts that it needs, and that do not exist
    changed: str = ""  # what is not as installed, in words; empty if everything is
    timeout: float = 120.0  # seconds after which it is killed
    typed: tuple[str, ...] = ()  # the arguments as the user typed them

    @property
    def subcommand(self) -> str:
        """The subcommand as the dictionary names it, including the kind of plot."""
        return " ".join(self.argv[: 2 if self.argv[:1] == ("plot",) else 1])

    @property
    def command(self) -> str:
        """The command line as a reader would type it."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*variables, shlex.join([*self.prefix, "stripepy", *self.argv])])

    @property
    def waits(self) -> bool:
        return self.network.waits or not self.trusts

    @property
    def fits_memory(self) -> bool:
        """Whether capturing it in memory would still show what this run is for."""
        return (
            self.network is Network.ANSWERS
            and self.ending is Ending.NORMAL
            and self.trusts
            and not (self.timed or self.terminal or self.prefix or self.home_files or self.markers)
            and not (self.read_only or self.full)
            and self.user is None
            and not (self.hosts or self.missing_hosts)
        )


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came over the wire."""

    line: str  # method, path and version
    headers: tuple[tuple[str, str], ...]  # names and values, in the order in which they came
    wire: bytes  # the body as it came, compressed or not
    client: str = ""  # name in the certificate that the client showed; empty if it showed none

    def header(self, name: str) -> str | None:
        """Return the value of a header by its name in lower case."""
        return {key.lower(): value for key, value in self.headers}.get(name)

    @property
    def body(self) -> bytes:
        """The body, decompressed if possible."""
        try:
            match self.header("content-encoding"):
                case "gzip":
                    return gzip.decompress(self.wire)
                case "deflate":
                    return zlib.decompress(self.wire)
        except (OSError, EOFError, zlib.error):
            pass
        return self.wire


@dataclass(frozen=True)
class Wire:
    """What an unmodified run did to the world around it."""

    requests: tuple[Request, ...] = ()  # what reached the collector
    fetches: tuple[Request, ...] = ()  # what reached the hosts of data sets
    look_ups: tuple[str, ...] = ()  # names that the name server was asked for
    tunnels: tuple[tuple[str, Mapping[str, str]], ...] = ()  # requests to the proxy, with headers
    connections: int = 0  # how many connections the collector accepted
    hellos: tuple[bytes, ...] = ()  # how each connection to a server began, unencrypted
    waited: tuple[float, ...] = ()  # seconds after which a client that got no answer hung up
    left_running: tuple[str, ...] = ()  # command lines of processes that it left behind
    host_name: str = ""  # what the machine was called


class NotTried(Exception):  # noqa: N818 -- an answer, not an error
    """This machine cannot show what was asked for."""


NO_NAMESPACES = "this machine allows no network namespaces"


@dataclass(frozen=True)
class Observation:
    """What was seen of a run."""

    run: Run
    exit_status: int = 0  # minus the signal's number if a signal ended it
    timed_out: bool = False  # whether it was killed at its time-out
    started: float = 0.0  # when its process was started, in seconds since the epoch
    ended: float = 0.0  # when its process had ended, in seconds since the epoch
    last_output: float = 0.0  # when its standard output last changed, likewise; 0 in memory
    stdout: str = ""  # what it printed
    stderr: str = ""  # what it printed as messages and errors
    bodies: tuple[bytes, ...] = ()  # the ExportTraceServiceRequest of each message, serialised
    attempts: tuple[str, ...] = ()  # what it tried to reach besides the collector and its hosts
    # SHA-256 of each file that it created, changed or removed, by path in its private folder; empty
    # for removed files and for empty folders.
    files: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""  # absolute path of its working directory
    seen_on_wire: Wire | None = None  # what only an unmodified run shows; None for one in memory
    # In memory only:
    exporters: tuple[Mapping[str, Any], ...] = ()  # what each OTLP exporter was constructed with
    versions: Mapping[str, str] = field(default_factory=dict)  # installed, by package or "python"
    missing: str = ""  # why stripepy or OpenTelemetry could not be imported
    provided: bool = False  # whether a tracer provider was set before StripePy's
    finished: bool = False  # whether stripepy's main function returned or raised
    # If it was watched:
    variables: tuple[str, ...] = ()  # names of environment variables that it read
    parser: tuple[Mapping[str, Any], ...] = ()  # its argument parser, command by command
    # What it added to or removed from the private root folder and temporary folders; if it was
    # watched, also the files that it changed anywhere else.
    written_elsewhere: tuple[str, ...] = ()
    not_tried: str = ""  # why the run could not be made here; empty if it was
    fault: str = ""  # why nothing was seen of it, though it was made; empty if something was

    @property
    def body(self) -> bytes:
        """All bodies as one ExportTraceServiceRequest: protobuf merges by concatenation."""
        return b"".join(self.bodies)

    @property
    def wire(self) -> Wire:
        """What only an unmodified run shows; raises NotTried for one in memory."""
        if self.seen_on_wire is None:
            raise NotTried(NO_NAMESPACES)
        return self.seen_on_wire

    @property
    def seconds_at_exit(self) -> float:
        """Seconds from its last output to its end; only for timed runs, which do not buffer."""
        return self.ended - self.last_output
