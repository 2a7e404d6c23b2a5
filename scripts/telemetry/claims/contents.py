"""What a run sends: how much, of what, and whether it is true."""

import re

from telemetry import findings
from telemetry.rows import read_time
from telemetry.runs import Ending, Mode, Observation
from telemetry.trial import Claim, Trial, outcome

# Clocks are read at slightly different moments.
TOLERANCE_SECONDS = 0.05

SENDING = ("commands", "failures", "downloads", "options")


def _sends(seen: Observation) -> bool:
    return "STRIPEPY_NO_TELEMETRY" not in seen.run.environment


def one_span(trial: Trial) -> None:
    for seen in trial.runs(*SENDING, where=_sends):
        spans = sum(row.field == "span_id" for row in trial.evidence.rows(seen))
        trial.expect(
            len(seen.bodies) == 1 and spans == 1 and len(seen.exporters) == 1,
            f"`{seen.run.command}` sent {spans} spans in {len(seen.bodies)} messages,"
            f" with {len(seen.exporters)} exporters",
        )


def workers(trial: Trial) -> None:
    alone, together = trial.run("call"), trial.run("call, two processes")
    trial.control(alone)
    for seen in (alone, together):
        trial.expect(
            len(seen.bodies) == 1 and not seen.attempts,
            f"`{seen.run.command}` sent {len(seen.bodies)} messages",
        )
    different = {
        name
        for name, value in trial.evidence.settled(together).items()
        if trial.evidence.settled(alone).get(name) != value
    }
    trial.expect(different == {"params.nproc"}, f"other values differ too: {sorted(different)}")


def documented(trial: Trial) -> None:
    for seen in trial.runs(*SENDING, "endings", where=_sends):
        if seen.run.ending is Ending.NORMAL or seen.bodies:
            _expect_documented(trial, seen)


def _expect_documented(trial: Trial, seen: Observation) -> None:
    for finding in findings.against_dictionary(
        trial.evidence.rows(seen),
        trial.evidence.dictionary,
        seen.run.subcommand,
        outcome=outcome(seen),
        versions=trial.evidence.versions,
    ):
        trial.expect(False, f"`{seen.run.command}`: {finding}")
    trial.counts["checks"] += 1
    trial.counts["fields"] += len(trial.evidence.rows(seen))


def true_values(trial: Trial) -> None:
    for seen in trial.runs(*SENDING, where=_sends):
        for finding in findings.against_surroundings(
            trial.evidence.rows(seen), trial.evidence.dictionary
        ):
            trial.expect(False, f"`{seen.run.command}`: {finding}")
        trial.counts["checks"] += 1
        name = trial.evidence.values(seen).get("name")
        trial.expect(
            name in {seen.run.subcommand, seen.run.subcommand.partition(" ")[0]},
            f"`{seen.run.command}` is named {name!r}",
        )


def defaults(trial: Trial) -> None:
    """Parameters nobody typed have the values that the program's parser gives them."""
    run = trial.run("call")
    values = trial.evidence.values(run)
    [call] = [command for command in trial.evidence.commands if command.name == "call"]
    known = {f"params.{option.dest}": option.default for option in call.options}
    for name, value in values.items():
        if known.get(name) is not None:
            trial.expect(
                value == str(known[name]).replace("False", "false"),
                f"{name} is {value}, not the default {known[name]}",
            )
    expected = {"params.contact_map_format": "hic", "params.contact_map_resolution": "10000"}
    for name, value in expected.items():
        trial.expect(values.get(name) == value, f"{name} is {values.get(name)}, not {value}")
    for form in ("cool", "mcool"):
        seen = trial.evidence.values(trial.run(f"call .{form}"))
        trial.expect(
            seen.get("params.contact_map_format") == form,
            f"a .{form} file is called {seen.get('params.contact_map_format')}",
        )


def times(trial: Trial) -> None:
    for seen in trial.runs(*SENDING, where=_sends):
        values = trial.evidence.values(seen)
        try:
            start, end = (
                read_time(values[name]) / 1e9
                for name in ("start_time_unix_nano", "end_time_unix_nano")
            )
        except (KeyError, ValueError) as error:
            trial.expect(False, f"`{seen.run.command}`: no such time: {error}")
            continue
        trial.expect(
            seen.started - TOLERANCE_SECONDS <= start <= end <= seen.ended + TOLERANCE_SECONDS,
            f"`{seen.run.command}` ran from {seen.started} to {seen.ended}, sent {start} to {end}",
        )
        # `stripepy call` itself says how long it took, and it says so before the span ends.
        if said := re.search(r"processed \d+ chromosomes in ([\d.]+)(m?s)\b", seen.stderr):
            took = float(said[1]) / (1000 if said[2] == "ms" else 1)
            trial.expect(
                took <= end - start <= took + 60,
                f"`{seen.run.command}` says that it took {took} s, and sent {end - start} s",
            )
            trial.counts["durations compared"] += 1
        event = values.get("event.time_unix_nano")
        if event is not None:
            trial.expect(
                start <= read_time(event) / 1e9 <= end, f"`{seen.run.command}`: an event at {event}"
            )


def status(trial: Trial) -> None:
    for seen in trial.runs(*SENDING, where=_sends):
        expected = "STATUS_CODE_ERROR" if seen.exit_status else "STATUS_CODE_OK"
        sent = trial.evidence.values(seen).get("status.code")
        trial.expect(
            sent == expected,
            f"`{seen.run.command}` ended with {seen.exit_status}, and sent {sent}",
        )


def nothing_for_help(trial: Trial) -> None:
    trial.control(trial.run("call"))
    for seen in trial.runs("refusals"):
        trial.expect_silence(seen)


def interrupted(trial: Trial) -> None:
    for seen in trial.runs("endings", where=lambda seen: seen.run.ending is Ending.SIGINT):
        trial.expect(len(seen.bodies) == 1, f"{seen.run.name} sent {len(seen.bodies)} messages")
        sent = trial.evidence.values(seen).get("status.code")
        trial.expect(sent is None, f"{seen.run.name} sent the status {sent}")


def killed(trial: Trial) -> None:
    trial.control(trial.run("download"))
    ended = {Ending.SIGTERM, Ending.SIGHUP, Ending.SIGKILL}
    for seen in trial.runs("endings", where=lambda seen: seen.run.ending in ended):
        trial.expect(bool(seen.exporters), f"{seen.run.name} was over before telemetry was set up")
        trial.expect(not seen.bodies, f"{seen.run.name} sent {len(seen.bodies)} messages")


def closed_pipe(trial: Trial) -> None:
    closed = Ending.CLOSED_PIPE
    for seen in trial.runs("endings", where=lambda seen: seen.run.ending is closed):
        trial.expect(len(seen.bodies) == 1, f"{seen.run.name} sent {len(seen.bodies)} messages")


def same_every_way(trial: Trial) -> None:
    """The ways of observing agree: in memory, on the wire, and the unmodified program."""
    pairs = [
        (trial.run(name.partition(": ")[2]), seen)
        for seen in trial.runs("memory", "witness", where=lambda seen: not seen.run.environment)
        if (name := seen.run.name).partition(": ")[2] in trial.evidence.by_name
    ]
    for watched, other in pairs:
        ours, theirs = trial.evidence.settled(watched), trial.evidence.settled(other)
        different = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        trial.expect(
            not different, f"{other.run.name} and {watched.run.name} differ in {different}"
        )
        trial.expect(
            watched.exit_status == other.exit_status,
            f"{other.run.name} ended with {other.exit_status}, watched with {watched.exit_status}",
        )
        if other.run.mode is Mode.UNMODIFIED:
            headers = [
                [
                    {(name.lower(), _steady(name, value)) for name, value in request.headers}
                    for request in seen.requests
                ]
                for seen in (watched, other)
            ]
            trial.expect(headers[0] == headers[1], f"{other.run.name}: other headers: {headers}")
            lines = [[request.line for request in seen.requests] for seen in (watched, other)]
            trial.expect(lines[0] == lines[1], f"{other.run.name}: other requests: {lines}")


def _steady(name: str, value: str) -> str:
    # Compressed, the same number of bytes differs by what is in them.
    return "" if name.lower() == "content-length" else value


def no_parameters_by_long_name(trial: Trial) -> None:
    short, long = trial.run("plot cm"), trial.run("plot contact-map")
    trial.expect(_has_parameters(trial, short), f"`{short.run.command}` sends no parameters")
    trial.expect(not _has_parameters(trial, long), f"`{long.run.command}` sends parameters")


def _has_parameters(trial: Trial, seen: Observation) -> bool:
    return any(name.startswith("params.") for name in trial.evidence.values(seen))


def raw_interactions(trial: Trial) -> None:
    for seen in trial.runs("options", where=lambda seen: "--normalization" in seen.run.argv):
        if seen.run.subcommand == "call":
            sent = trial.evidence.values(seen).get("params.contact_map_raw_interactions")
            trial.expect(sent == "false", f"`{seen.run.command}` sends {sent}")
    plain = trial.run("call")
    sent = trial.evidence.values(plain).get("params.contact_map_raw_interactions")
    trial.expect(sent == "false", f"`{plain.run.command}` sends {sent}")


def instance_id(trial: Trial) -> None:
    for seen in trial.runs("commands"):
        sent = trial.evidence.values(seen).get("service.instance.id")
        trial.expect(sent is not None, f"`{seen.run.command}` sends no service.instance.id")
    settings = trial.run("call").exporters
    trial.expect(
        "service.instance.id" not in str(settings), "stripepy sets service.instance.id itself"
    )


def not_in_their_table(trial: Trial) -> None:
    values = trial.evidence.values(trial.run("call"))
    for name in ("params.low_memory", "service.instance.id"):
        trial.expect(name in values, f"{name} is no longer sent")


def four_kinds(trial: Trial) -> None:
    """Each of the maintainers' four kinds has fields, and the rest is what carries them."""
    sent = {
        name for seen in trial.runs("commands", "failures") for name in trial.evidence.values(seen)
    }
    dictionary = trial.evidence.dictionary
    kinds = {dictionary[name].category for name in sent if name in dictionary}
    for kind in ("installation", "system", "invocation", "execution"):
        trial.expect(kind in kinds, f"nothing is sent of the kind {kind!r}")
    protocol = sorted(
        name
        for name in sent
        if name in dictionary
        and dictionary[name].category == "protocol"
        and not re.fullmatch(
            r"trace_id|span_id|kind|flags|scope\.name|service\.instance\.id"
            r"|telemetry\.sdk\.(name|language|version)",
            name,
        )
    )
    trial.expect(not protocol, f"of none of the four kinds: {protocol}")
    trial.expect(sent <= set(dictionary), f"not described: {sorted(sent - set(dictionary))}")


CLAIMS = (
    Claim(
        "one-span",
        "Each run sends one OpenTelemetry span, in one message.",
        SENDING,
        one_span,
    ),
    Claim(
        "workers",
        "Worker processes send nothing of their own.",
        ("commands",),
        workers,
    ),
    Claim(
        "fields",
        "What is sent is what the tables of this page list: nothing else, and nothing less.",
        (*SENDING, "endings"),
        documented,
    ),
    Claim(
        "true-values",
        "Versions and descriptions of the system are those that Python itself reports.",
        SENDING,
        true_values,
    ),
    Claim(
        "parameters",
        "Parameters that nobody typed are sent with their default values.",
        ("commands",),
        defaults,
    ),
    Claim(
        "times",
        "The times sent are those of the run, by the machine's own clock.",
        SENDING,
        times,
    ),
    Claim(
        "status",
        "The status sent is that of the run: an error for every exit status but 0.",
        SENDING,
        status,
    ),
    Claim(
        "nothing-for-help",
        "`stripepy --help`, `--version`, `--cite`, `--license` and command lines that `stripepy`"
        " does not accept send nothing.",
        ("commands", "refusals"),
        nothing_for_help,
    ),
    Claim(
        "interrupted",
        "A run that is interrupted with Ctrl-C sends its span too, without a status.",
        ("endings",),
        interrupted,
    ),
    Claim(
        "killed",
        "A run that SIGTERM, SIGHUP or SIGKILL ends sends nothing.",
        ("commands", "endings"),
        killed,
    ),
    Claim(
        "closed-pipe",
        "A run whose output nobody reads to its end sends its span.",
        ("endings",),
        closed_pipe,
    ),
    Claim(
        "same-every-way",
        "The unmodified program sends the same as the runs that were watched from inside.",
        ("commands", "failures", "endings", "memory", "witness"),
        same_every_way,
    ),
    Claim(
        "four-kinds",
        "Every field is of one of the four kinds that the maintainers name, or needed by"
        " OpenTelemetry to carry them.",
        ("commands", "failures"),
        four_kinds,
    ),
    Claim(
        "raw-interactions",
        "`params.contact_map_raw_interactions` is false whether or not interactions were"
        " normalised.",
        ("commands", "options"),
        raw_interactions,
        "StripePy gives the missing normalisation a name before it looks whether there is one.",
        "cli/call.py",
    ),
    Claim(
        "long-name-of-plots",
        "`stripepy plot contact-map` sends no parameters; `stripepy plot cm`, its short form,"
        " does.",
        ("commands",),
        no_parameters_by_long_name,
        "StripePy compares the name of the plot with the short form only.",
        "cli/plot.py",
    ),
    Claim(
        "instance-id",
        "Each run carries a random identifier, `service.instance.id`, which StripePy itself does"
        " not ask for.",
        ("commands",),
        instance_id,
        "opentelemetry-sdk adds it by itself since release 1.43.0.",
        "opentelemetry-sdk",
    ),
    Claim(
        "their-table",
        "`params.low_memory` and `service.instance.id` are sent, though the table in StripePy's own"
        " documentation of July 2025 does not list them.",
        ("commands",),
        not_in_their_table,
        "Both came after that table was made.",
        "cli/call.py",
    ),
)
