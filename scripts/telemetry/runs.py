"""One run of stripepy under a described condition, and what was observed of it."""

import base64
import shlex
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from telemetry.receiver import Network, Request


class Mode(StrEnum):
    """How a run is observed.

    In memory, the exporter is replaced; on the wire, only the address is changed to which it sends.
    Watched and unmodified runs have the collector's own name and certificate in a network of their
    own, and nothing is replaced; the unmodified one is moreover not even looked at from inside.
    """

    MEMORY = "in memory"
    WIRE = "on the wire"
    WATCHED = "watched"
    UNMODIFIED = "unmodified"

    @property
    def is_real(self) -> bool:
        """Whether the run meets the collector's own name, port and certificate."""
        return self in {Mode.WATCHED, Mode.UNMODIFIED}


class Ending(StrEnum):
    """How a run is brought to its end."""

    NORMAL = "by itself"
    CLOSED_PIPE = "whoever reads its output has gone"
    SIGINT = "SIGINT"
    SIGTERM = "SIGTERM"
    SIGHUP = "SIGHUP"
    SIGKILL = "SIGKILL"

    @property
    def signal(self) -> int | None:
        """The signal that ends it; None for none."""
        number = getattr(signal, self.value, None)
        return None if number is None else int(number)


@dataclass(frozen=True)
class Run:
    """A run and its condition.

    Attributes:
        name: What the run is called; tells it apart from every other.
        argv: Arguments after `stripepy`.
        mode: How the run is observed.
        environment: Variables to set on top; `{home}` stands for the home folder, `{authority}`
            for the path of the collector's authority.
        inputs: Files to find in the working directory, by name: names of the stage's files.
        home_files: Files to find in the home folder: text by name.
        network: What the run meets when it wants to reach its collector.
        ending: How the run is brought to its end.
        keep: Files to take into the stage: name there by name in the working directory.
        prefix: Words before `stripepy`, for the unmodified program.
        trusts: Whether the unmodified program is told to trust the collector's certificate.
        ask: Whether to record the program's parser.
        asks_for: Names of hosts that the command line itself asks to be contacted.
        timeout: Seconds after which the run is ended.
    """

    name: str
    argv: tuple[str, ...]
    mode: Mode = Mode.WIRE
    environment: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    home_files: Mapping[str, str] = field(default_factory=dict)
    network: Network = Network.ANSWERS
    ending: Ending = Ending.NORMAL
    keep: Mapping[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    trusts: bool = True
    ask: bool = False
    asks_for: tuple[str, ...] = ()
    timeout: float = 120.0

    @property
    def subcommand(self) -> str:
        """The subcommand, for plots with their kind."""
        return " ".join(self.argv[: 2 if self.argv[:1] == ("plot",) else 1])

    @property
    def command(self) -> str:
        """The command line as a reader would type it."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*variables, shlex.join([*self.prefix, "stripepy", *self.argv])])

    @property
    def condition(self) -> str:
        """What is special about the run, beyond its command line; empty for nothing."""
        parts = [] if self.network is Network.ANSWERS else [self.network.value]
        parts += [] if self.ending is Ending.NORMAL else [f"ended by: {self.ending.value}"]
        parts += [f"with ~/{name}" for name in self.home_files]
        return ", ".join(parts)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Run":
        data |= {
            "argv": tuple(data["argv"]),
            "prefix": tuple(data["prefix"]),
            "asks_for": tuple(data["asks_for"]),
            "mode": Mode(data["mode"]),
            "network": Network(data["network"]),
            "ending": Ending(data["ending"]),
        }
        return cls(**data)


@dataclass(frozen=True)
class Stage:
    """What all runs of one session have around them.

    Attributes:
        files: Folder of the files that runs take and leave.
        folder: Name of the working directory.
        home: Name of the home folder.
        host_name: Name of the machine, where there are namespaces.
        environment: Variables of every run.
        covers: Files to put over the system's: path by path, where there are namespaces.
        collector_host: Name of the collector, for the unmodified program.
        collector_port: Port of the collector, for the unmodified program.
        certificates: For each name of a certificate the path of its key and chain (PEM).
        authority: Path of the certificate that the unmodified program is told to trust (PEM).
    """

    files: str
    folder: str
    home: str
    host_name: str
    environment: Mapping[str, str]
    covers: Mapping[str, str]
    collector_host: str
    collector_port: int
    certificates: Mapping[str, str]
    authority: str


@dataclass(frozen=True)
class Observation:
    """What was seen of a run.

    Attributes:
        run: The run and its condition.
        exit_status: Exit status; minus the number of the signal that ended it.
        timed_out: Whether it had to be ended.
        started: When its process was started, in seconds since the epoch.
        ended: When its process had ended, in seconds since the epoch.
        stdout: What it printed.
        stderr: What it printed as messages and errors.
        records: What was recorded from inside: exporters, bodies, attempts, variables, ...
        requests: What reached the collector.
        look_ups: Names that the name server was asked for.
        tunnels: What the proxy was asked for, with the headers of the question.
        connections: Connections that the collector accepted.
        counts: What the kernel counted; empty without namespaces.
        files: SHA-256 of each file that it made or changed, by path in its private folder.
        left_running: Command lines of processes that it left behind.
        namespaces: Whether it had a network of its own.
        host_name: What the machine was called.
        collector_host: Name of the collector, which may be looked up.
        not_tried: Why the run could not be made here; empty if it was.
    """

    run: Run
    exit_status: int = 0
    timed_out: bool = False
    started: float = 0.0
    ended: float = 0.0
    stdout: str = ""
    stderr: str = ""
    records: Sequence[Mapping[str, Any]] = ()
    requests: Sequence[Request] = ()
    look_ups: Sequence[str] = ()
    tunnels: Sequence[tuple[str, Mapping[str, str]]] = ()
    connections: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    left_running: Sequence[str] = ()
    namespaces: bool = False
    host_name: str = ""
    collector_host: str = ""
    not_tried: str = ""

    @classmethod
    def from_json(cls, run: Run, data: dict[str, Any]) -> "Observation":
        data["requests"] = [Request.from_json(request) for request in data.get("requests", ())]
        return cls(run=run, **data)

    def _recorded(self, key: str) -> list[Any]:
        return [record[key] for record in self.records if key in record]

    @cached_property
    def bodies(self) -> list[bytes]:
        """The ExportTraceServiceRequest of each message, serialised."""
        if self.run.mode is Mode.MEMORY:
            return [base64.b64decode(body) for body in self._recorded("body")]
        return [request.body for request in self.requests]

    @property
    def body(self) -> bytes:
        """All bodies as one ExportTraceServiceRequest: concatenation is how protobuf merges."""
        return b"".join(self.bodies)

    @property
    def exporters(self) -> list[Mapping[str, Any]]:
        """Settings that each OTLP exporter was constructed with."""
        return self._recorded("exporter")

    @property
    def sendings(self) -> list[Mapping[str, Any]]:
        """What the HTTP library was told to send, and where to, before the address was changed."""
        return self._recorded("sending")

    @property
    def variables(self) -> list[str]:
        """Environment variables that were asked for by name."""
        return self._recorded("variable")

    @property
    def written_elsewhere(self) -> list[str]:
        """Files that were written outside of the run's private folder."""
        return self._recorded("written")

    @property
    def attempts(self) -> list[str]:
        """Attempts to reach anything but the collector, by whatever saw them."""
        attempts = list(self._recorded("attempt"))
        attempts += [f"look-up of {name}" for name in self.look_ups]
        asked = {f"look-up of {name}" for name in (self.collector_host, *self.run.asks_for)}
        attempts = [attempt for attempt in attempts if attempt not in asked]
        unrouted = self.counts.get("unrouted", 0)
        if unrouted and self.run.network is not Network.NO_NETWORK:
            attempts.append(f"{unrouted} packets that had no way out")
        surplus = self.counts.get("tcp", 0) - self.connections
        if surplus > 0 and self.run.network is Network.ANSWERS:
            attempts.append(f"{surplus} connections to something else on this machine")
        return attempts

    @property
    def seconds_at_exit(self) -> float:
        """Seconds from when stripepy was done to the end of its process.

        Raises:
            ValueError: If nobody watched when it was done.
        """
        done = self._recorded("done")
        if not done:
            raise ValueError(f"{self.run.name}: nobody watched when it was done")
        return self.ended - float(done[0])


def order(number: int, result: str, run: Run, stage: Stage) -> dict[str, Any]:
    """An order for `nursery`, as JSON can hold it."""
    return {"number": number, "result": result, "run": asdict(run), "stage": asdict(stage)}
