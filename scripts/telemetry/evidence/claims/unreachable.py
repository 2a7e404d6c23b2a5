"""What happens, and how long it takes, when the collector cannot be reached."""

from collections.abc import Sequence
from dataclasses import dataclass

from telemetry.evidence.conditions import REPEATS, UNREACHABLE, delay_name
from telemetry.evidence.judging import Evidence, Trial, claim, untimed_messages
from telemetry.records.runs import Network

# The time-out, and what a busy machine takes to give up.
LONGEST_SECONDS = 7.5

AT_ONCE = (Network.BAD_REQUEST, Network.NOT_FOUND, Network.ERROR)


@dataclass(frozen=True)
class Delay:
    """How much later a command ended than with telemetry off."""

    network: Network  # what it met
    least: float  # the shortest delay, in seconds
    most: float  # the longest delay, in seconds

    def __str__(self) -> str:
        return f"{self.network}: {self.least:.1f} to {self.most:.1f} s"


def delays(evidence: Evidence) -> list[Delay]:
    """Return the delays in every network that was tested here."""
    off = _seconds(evidence, "off")
    if not off:
        return []
    return [
        Delay(network, *(max(end(seconds) - min(off), 0.0) for end in (min, max)))
        for network in (Network.ANSWERS, *UNREACHABLE)
        if (seconds := _seconds(evidence, network))
    ]


def _seconds(evidence: Evidence, network: str) -> list[float]:
    """How long each run in a network took."""
    runs = [evidence.by_name.get(delay_name(network, repeat)) for repeat in range(REPEATS)]
    return [seen.seconds_at_exit for seen in runs if seen and seen.ended and not seen.timed_out]


def _delays(trial: Trial, networks: Sequence[Network]) -> list[Delay]:
    trial.runs("unreachable", where=lambda seen: seen.run.network in {*networks, Network.ANSWERS})
    found = [delay for delay in delays(trial.evidence) if delay.network in networks]
    trial.expect(len(found) == len(networks), "not every network was tested")
    return found


def _expect_at_once(trial: Trial, *networks: Network) -> None:
    for delay in _delays(trial, networks):
        trial.expect(delay.least < 1, str(delay))


def _expect_delays(trial: Trial, *networks: Network) -> None:
    for delay in _delays(trial, networks):
        trial.expect(delay.most >= 1 and delay.least <= LONGEST_SECONDS, str(delay))


@claim(
    "If the collector cannot be reached, or answers with an error, the exit status and all that is"
    " printed are the same as without telemetry.",
    ("unreachable",),
)
def unreachable_same(trial: Trial) -> None:
    off = trial.run(delay_name("off", 0))
    for seen in trial.runs():
        found, expected = (
            (one.exit_status, one.stdout, untimed_messages(one)) for one in (seen, off)
        )
        what = f"exit status {seen.exit_status}, says {seen.stderr!r}"
        trial.expect(found == expected, f"{seen.run.network}: {what}")


@claim(
    "If the collector answers, a command ends less than a second later than without telemetry.",
    ("unreachable",),
)
def delay_none(trial: Trial) -> None:
    _expect_at_once(trial, Network.ANSWERS)


@claim(
    "Without any network, as on some compute nodes, each command ends {fact:delay.no-network}"
    " later than without telemetry.",
    ("unreachable",),
    reason="The DNS query fails at once, and is repeated.",
    source="opentelemetry-exporter-otlp-proto-http",
)
def delay_no_network(trial: Trial) -> None:
    _expect_delays(trial, Network.NO_NETWORK)


@claim(
    "The answers 400, 404 and 500 delay a command by less than a second.",
    ("unreachable",),
)
def delay_errors(trial: Trial) -> None:
    _expect_at_once(trial, *AT_ONCE)


@claim(
    "If the collector cannot be reached, or answers 429 or 503, the command ends {fact:delay}"
    " later than without telemetry.",
    ("unreachable",),
    reason="The exporter retries until its time-out, and the program waits for it before it ends.",
    source="opentelemetry-exporter-otlp-proto-http",
)
def delay_seconds(trial: Trial) -> None:
    others = {*UNREACHABLE} - {*AT_ONCE, Network.SILENT_NAME_SERVER}
    _expect_delays(trial, *others)


@claim(
    "If the name server never answers, each command ends {fact:delay.name-server} later than"
    " without telemetry.",
    ("unreachable",),
    reason="The time-out does not cover the DNS query, which takes as long as the system allows.",
    source="requests",
)
def delay_name_server(trial: Trial) -> None:
    for delay in _delays(trial, (Network.SILENT_NAME_SERVER,)):
        trial.expect(6 < delay.most < 40, str(delay))
