"""What is never sent: planted values, searched for wherever they could have gone."""

from itertools import combinations
from pathlib import PurePosixPath

from telemetry import canaries
from telemetry.runs import Ending, Mode, Observation
from telemetry.trial import Claim, Trial, Void

# Runs of ordinary users: nothing in their environment is meant for OpenTelemetry.
ORDINARY = (
    "commands",
    "failures",
    "downloads",
    "refusals",
    "endings",
    "options",
    "switches",
    "memory",
    "witness",
    "unreachable",
    "results",
)

RANDOM = ("trace_id", "span_id", "service.instance.id")

# What the command lines of the experiments ask stripepy to write.
OUTPUTS = frozenset(
    {
        "ZqxResult.hdf5",
        "ZqxOther.hdf5",
        "ZqxOther.hic",
        "ZqxMatrix.10000.hdf5",
        "ZqxPlot.png",
        "ZqxLog.txt",
        "ZqxFigures",
        "ZqxMatrix.12345.hdf5",
        "ZqxCut.10000.hdf5",
    }
)


def _told(seen: Observation) -> bytes:
    """Everything that a run told anybody, or tried to."""
    parts: list[bytes] = [*seen.bodies]
    for request in seen.requests:
        parts += [request.line.encode(), request.wire]
        parts += [f"{name}: {value}".encode() for name, value in request.headers]
    parts += [text.encode() for text in (*seen.look_ups, *seen.attempts)]
    parts += [f"{line} {headers}".encode() for line, headers in seen.tunnels]
    parts += [str(sending).encode() for sending in seen.sendings]
    return b"\n".join(parts)


def _prove_detector(body: bytes) -> int:
    """Plant every canary in every form, and expect each to be found.

    Raises:
        Void: If one is not: the search that follows would prove nothing.
    """
    planted = 0
    for text in (*canaries.PLANTED.values(), canaries.TYPED):
        for form, needle in canaries.forms(text):
            planted += 1
            if not canaries.found(text, body + needle + body):
                raise Void(f"planted on purpose, {text} is not found: {form}")
    return planted


def nothing_planted(trial: Trial) -> None:
    runs = trial.runs(*ORDINARY)
    control = next((seen for seen in runs if seen.bodies), runs[0])
    trial.control(control)
    trial.counts["planted on purpose and found"] = _prove_detector(_told(control))
    for seen in runs:
        told = _told(seen)
        trial.counts["bytes searched"] += len(told)
        for where, text in canaries.PLANTED.items():
            form = canaries.found(text, told)
            trial.expect(not form, f"`{seen.run.command}` ({seen.run.name}) tells {where}: {form}")
    trial.counts["canaries"] = len(canaries.PLANTED)


def nothing_planted_was_there(trial: Trial) -> None:
    """The canaries were in place: without that, not finding them would prove nothing."""
    seen = trial.run("call")
    trial.expect(
        seen.host_name == canaries.PLANTED["the machine's name"] or not seen.namespaces,
        f"the machine is called {seen.host_name}",
    )
    result = canaries.PLANTED["the first chromosome's name"]
    shown = trial.run("results: view, telemetry on").stdout
    trial.expect(result in shown, "the planted chromosome is not in the result")


def random_identifiers(trial: Trial) -> None:
    values = [
        (seen, trial.evidence.values(seen))
        for seen in trial.runs("commands", "failures", "options")
    ]
    for name in RANDOM:
        drawn = [(seen, sent[name]) for seen, sent in values if name in sent]
        trial.expect(bool(drawn), f"no run sends {name}")
        for (one, first), (other, second) in combinations(drawn, 2):
            if first == second:
                trial.expect(
                    False, f"{name} is {first} in `{one.run.command}` and `{other.run.command}`"
                )
        trial.counts["checks"] += len(drawn)


def only_collector(trial: Trial) -> None:
    for seen in trial.runs(*ORDINARY, "transport", "ambient"):
        trial.expect(
            not seen.attempts, f"`{seen.run.command}`: {', '.join(dict.fromkeys(seen.attempts))}"
        )
        if seen.run.mode is Mode.WIRE and seen.run.network == "the collector answers":
            trial.expect(
                seen.connections == len(seen.requests) == len(seen.sendings) <= 1,
                f"`{seen.run.command}`: {seen.connections} connections for"
                f" {len(seen.requests)} messages",
            )


def nothing_stored(trial: Trial) -> None:
    for seen in trial.runs("commands", "failures", "refusals", "endings", "options", "witness"):
        trial.expect(
            not seen.written_elsewhere,
            f"`{seen.run.command}` wrote {', '.join(seen.written_elsewhere)}",
        )
        for path in map(PurePosixPath, seen.files):
            asked_for = path.parts[0] == canaries.PLANTED["the working directory"] and (
                path.parts[1] in OUTPUTS
            )
            trial.expect(
                asked_for or _is_font_list(seen, path), f"`{seen.run.command}` wrote {path}"
            )


def _is_font_list(seen: Observation, path: PurePosixPath) -> bool:
    """Matplotlib keeps a list of the fonts that it has found, on this machine and for itself."""
    return seen.run.argv[:1] == ("plot",) and path.match(".cache/matplotlib/fontlist-*.json")


def nothing_left_running(trial: Trial) -> None:
    ended_by_others = {Ending.SIGTERM, Ending.SIGHUP, Ending.SIGKILL}
    for seen in trial.runs(
        "commands",
        "failures",
        "refusals",
        "options",
        "endings",
        "witness",
        where=lambda seen: seen.run.ending not in ended_by_others,
    ):
        trial.expect(
            not seen.left_running,
            f"`{seen.run.command}` left running: {', '.join(seen.left_running)}",
        )


CLAIMS = (
    Claim(
        "nothing-planted",
        "Names and folders of files, names of chromosomes and of the assembly, a region, the"
        " names of the user and of the machine, the values of environment variables and the text of"
        " errors are not sent: neither as they are, nor encoded, nor hashed.",
        ORDINARY,
        nothing_planted,
    ),
    Claim(
        "canaries-in-place",
        "What is searched for was really there to be found.",
        ("commands", "results"),
        nothing_planted_was_there,
    ),
    Claim(
        "random-identifiers",
        "Identifiers are random: no two runs share one.",
        ("commands", "failures", "options"),
        random_identifiers,
    ),
    Claim(
        "only-collector",
        "Nothing but the collector is contacted, apart from the data that `stripepy download` is"
        " asked to fetch.",
        (*ORDINARY, "transport", "ambient"),
        only_collector,
    ),
    Claim(
        "nothing-stored",
        "Nothing is stored: besides the files that it was asked for, a run writes none; only"
        " matplotlib, when it plots, keeps a list of fonts.",
        ("commands", "failures", "refusals", "endings", "options", "witness"),
        nothing_stored,
    ),
    Claim(
        "nothing-left-running",
        "When `stripepy` has ended, nothing of it goes on.",
        ("commands", "failures", "refusals", "options", "endings", "witness"),
        nothing_left_running,
    ),
)
