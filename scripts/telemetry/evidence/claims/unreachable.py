"""What happens, and how long it takes, when the collector cannot be reached."""

from telemetry.evidence.conditions import REPEATS, UNREACHABLE, delay_name
from telemetry.evidence.judging import Evidence, Trial, claim
from telemetry.records.runs import Network

# The time-out, plus some time for a busy machine to give up.
LONGEST_SECONDS = 20.0

AT_ONCE = (Network.BAD_REQUEST, Network.NOT_FOUND, Network.ERROR)


def delays(evidence: Evidence) -> dict[Network, float]:
    """Return how many seconds later than with telemetry off a command ended, by what it met."""
    off = _seconds(evidence, "off")
    met = {network: _seconds(evidence, network) for network in (Network.ANSWERS, *UNREACHABLE)}
    return {n: max(min(seconds) - min(off), 0.0) for n, seconds in met.items() if seconds and off}


def _seconds(evidence: Evidence, network: str) -> list[float]:
    """Return how long each run took to end after its last output; `network` can also be "off"."""
    runs = [evidence.by_name.get(delay_name(network, repeat)) for repeat in range(REPEATS)]
    return [seen.seconds_at_exit for seen in runs if seen and seen.ended and not seen.timed_out]


def _expect_delays(trial: Trial, least: float, most: float, *networks: Network) -> None:
    trial.runs("unreachable", where=lambda seen: seen.run.network in {*networks, Network.ANSWERS})
    found = delays(trial.evidence)
    trial.require_tested({*networks} - found.keys(), "the delay")
    for network in found.keys() & {*networks}:
        seconds = found[network]
        trial.expect(least <= seconds <= most, f"{network}: {seconds:.1f} s")


@claim(
    "If the collector cannot be reached, or answers with an error, the exit status and all that is"
    " printed are the same as without telemetry.",
    ("unreachable",),
)
def unreachable_same(trial: Trial) -> None:
    off = trial.run(delay_name("off", 0))
    for seen in trial.runs():
        trial.expect_same_outcome(seen, off)


@claim(
    "If the collector answers, even with 400, 404 or 500, a command ends less than a second later"
    " than without telemetry.",
    ("unreachable",),
)
def delay_none(trial: Trial) -> None:
    _expect_delays(trial, 0, 1, Network.ANSWERS, *AT_ONCE)
    # Telemetry could also delay the beginning.
    for network in (Network.ANSWERS, *AT_ONCE):
        later = _took(trial, network) - _took(trial, "off")
        trial.expect(later < 1, f"{network}: {later:.1f} s from beginning to end")


def _took(trial: Trial, network: str) -> float:
    """Return how long the fastest such run took from beginning to end, in seconds."""
    runs = [trial.run(delay_name(network, repeat)) for repeat in range(REPEATS)]
    return min(seen.ended - seen.started for seen in runs)


@claim(
    "Without any network, as on some compute nodes, a command ends {fact:delay.no-network}"
    " later than without telemetry.",
    ("unreachable",),
    reason="The DNS query fails at once, and is repeated.",
    source="opentelemetry-exporter-otlp-proto-http",
)
def delay_no_network(trial: Trial) -> None:
    _expect_delays(trial, 1, LONGEST_SECONDS, Network.NO_NETWORK)


@claim(
    "If the collector cannot be reached, or answers 429 or 503, a command ends {fact:delay}"
    " later than without telemetry.",
    ("unreachable",),
    reason="The exporter retries until its time-out, and the program waits for it before it ends.",
    source="opentelemetry-exporter-otlp-proto-http",
)
def delay_seconds(trial: Trial) -> None:
    others = {*UNREACHABLE} - {*AT_ONCE, Network.SILENT_NAME_SERVER}
    _expect_delays(trial, 1, LONGEST_SECONDS, *others)


@claim(
    "If the name server never answers, a command ends {fact:delay.name-server} later than"
    " without telemetry.",
    ("unreachable",),
    reason="The time-out does not cover the DNS query, which takes as long as the system allows.",
    source="requests",
)
def delay_name_server(trial: Trial) -> None:
    _expect_delays(trial, 6, 40, Network.SILENT_NAME_SERVER)
