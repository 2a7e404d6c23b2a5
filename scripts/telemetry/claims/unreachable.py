"""What happens, and how long it takes, when the collector cannot be reached."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from telemetry.experiments import REPEATS, UNREACHABLE, delay_name
from telemetry.receiver import Network
from telemetry.trial import Claim, Evidence, Trial

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} ")

AT_ONCE = (Network.BAD_REQUEST, Network.NOT_FOUND, Network.ERROR)
SILENT = (Network.SILENT, Network.BLACK_HOLE)


@dataclass(frozen=True)
class Delay:
    """How much later a command ended than with telemetry off.

    Attributes:
        network: What it met.
        least: The shortest delay, in seconds.
        most: The longest delay, in seconds.
    """

    network: Network
    least: float
    most: float


def delays(evidence: Evidence) -> list[Delay]:
    """The delays in every network that was tried here."""
    off = [_at_exit(evidence, "off", repeat) for repeat in range(REPEATS)]
    if None in off:
        return []
    plain = min(seconds for seconds in off if seconds is not None)
    found = []
    for network in (Network.ANSWERS, *UNREACHABLE):
        seconds = [_at_exit(evidence, network, repeat) for repeat in range(REPEATS)]
        measured = [value - plain for value in seconds if value is not None]
        if len(measured) == REPEATS:
            found.append(Delay(network, max(min(measured), 0.0), max(measured)))
    return found


def _at_exit(evidence: Evidence, network: str, repeat: int) -> float | None:
    seen = evidence.by_name.get(delay_name(network, repeat))
    return None if seen is None or seen.not_tried or seen.timed_out else seen.seconds_at_exit


def _delays(trial: Trial, networks: Sequence[Network]) -> list[Delay]:
    trial.runs("unreachable", where=lambda seen: seen.run.network in {*networks, Network.ANSWERS})
    found = [delay for delay in delays(trial.evidence) if delay.network in networks]
    trial.expect(len(found) == len(networks), "not every network was tried")
    return found


def same_behaviour(trial: Trial) -> None:
    for repeat in range(REPEATS):
        off = trial.run(delay_name("off", repeat))
        for network in (Network.ANSWERS, *UNREACHABLE):
            seen = trial.run(delay_name(network, repeat))
            trial.expect(
                (seen.exit_status, seen.stdout) == (off.exit_status, off.stdout),
                f"{network}: exit status {seen.exit_status}, {len(seen.stdout)} characters",
            )
            trial.expect(
                _untimed(seen.stderr) == _untimed(off.stderr), f"{network}: says {seen.stderr!r}"
            )


def _untimed(text: str) -> list[str]:
    """The messages, without the times that stand before them."""
    return [line[27:] for line in text.splitlines() if TIME.match(line)]


def answers(trial: Trial) -> None:
    for delay in _delays(trial, (Network.ANSWERS,)):
        trial.expect(delay.least < 1, f"{delay.network}: at least {delay.least:.1f} s")


def no_network(trial: Trial) -> None:
    for delay in _delays(trial, (Network.NO_NETWORK,)):
        trial.expect(
            delay.most >= 1 and delay.least <= 6,
            f"{delay.network}: {delay.least:.1f} to {delay.most:.1f} s",
        )


def refused_at_once(trial: Trial) -> None:
    for delay in _delays(trial, AT_ONCE):
        trial.expect(delay.least < 1, f"{delay.network}: at least {delay.least:.1f} s")


def some_seconds(trial: Trial) -> None:
    others = [n for n in UNREACHABLE if n not in {*AT_ONCE, Network.SILENT_NAME_SERVER}]
    for delay in _delays(trial, others):
        trial.expect(
            delay.most >= 1 and delay.least <= 6,
            f"{delay.network}: {delay.least:.1f} to {delay.most:.1f} s",
        )


def silent_name_server(trial: Trial) -> None:
    for delay in _delays(trial, (Network.SILENT_NAME_SERVER,)):
        trial.expect(6 < delay.most < 40, f"{delay.network}: up to {delay.most:.1f} s")


CLAIMS = (
    Claim(
        "unreachable-same",
        "If the collector cannot be reached, or answers with an error, exit status, output and"
        " messages are those of a run without telemetry.",
        ("unreachable",),
        same_behaviour,
    ),
    Claim(
        "delay-none",
        "If the collector answers, a run ends less than a second later than without telemetry.",
        ("unreachable",),
        answers,
    ),
    Claim(
        "delay-errors",
        "The answers 400, 404 and 500 are taken as they are, without another try.",
        ("unreachable",),
        refused_at_once,
    ),
    Claim(
        "delay-seconds",
        "If the collector cannot be reached, the command ends some seconds later.",
        ("unreachable",),
        some_seconds,
        "The exporter tries again until its time-out, and the program waits for it at its end.",
        "opentelemetry-exporter-otlp-proto-http",
    ),
    Claim(
        "delay-no-network",
        "On a compute node without any network, too, each command ends some seconds later.",
        ("unreachable",),
        no_network,
        "Looking a name up fails at once there, and is tried again.",
        "opentelemetry-exporter-otlp-proto-http",
    ),
    Claim(
        "delay-name-server",
        "If a name server does not answer, it takes longer than the time-out.",
        ("unreachable",),
        silent_name_server,
        "The time-out does not cover the look-up of the name, which takes as long as the system"
        " lets it.",
        "requests",
    ),
)
