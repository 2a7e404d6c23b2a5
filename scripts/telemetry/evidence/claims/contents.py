"""What a run sends, and when: how many messages, which fields, and whether they are true."""

import ipaddress
import json
import math
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from telemetry.evidence.judging import Trial, claim, outcome
from telemetry.evidence.subcommands import together_name
from telemetry.records.runs import Ending, Observation
from telemetry.table import machine, otlp

# The clock is read at slightly different moments.
TOLERANCE_SECONDS = 0.05

SENDING = ("commands", "failures", "downloads", "options")

DEFAULTS = {
    "coefficient_of_variation_threshold": str(math.nextafter(math.inf, 0)),
    "name": "unknown",
    "relative_change_threshold": "0",
    "stripepy_hdf5": "not-applicable",
    "with_biodescriptors": '["chrom1", "start1", "end1", "chrom2", "start2", "end2"]',
}
"""What StripePy fills in for options without a default of their own, by `dest`."""

# Fields that OpenTelemetry needs to carry a message: they are of none of the four kinds.
CARRIER = re.compile(
    r"trace_id|span_id|kind|flags|scope\.name|service\.instance\.id"
    r"|telemetry\.sdk\.(name|language|version)"
)

KEY = re.compile('"key": "(.*)"')

ADDRESS = re.compile(r"(?<![\d.])\d+(?:\.\d+){3}(?!\.?\d)|[\da-f]*(?::[\da-f]*){2,}", re.IGNORECASE)


def _sends(seen: Observation) -> bool:
    run = seen.run
    return not (run.ending.kills or run.waits or "STRIPEPY_NO_TELEMETRY" in run.environment)


@claim(
    "Each run of a `stripepy` subcommand sends one message, unless it is killed or telemetry is"
    " switched off; the message holds one OpenTelemetry span.",
    (*SENDING, "endings", "unreachable", "results"),
)
def one_span(trial: Trial) -> None:
    for seen in trial.runs(*SENDING, "endings", "unreachable", "results", where=_sends):
        spans = sum(row.field == "span_id" for row in otlp.rows(seen.body))
        trial.expect(
            len(seen.bodies) == 1 and spans == 1,
            f"`{seen.run.command}` sent {spans} spans in {len(seen.bodies)} messages",
        )


@claim(
    "Worker processes send nothing of their own.",
    ("commands", "options"),
)
def workers(trial: Trial) -> None:
    for processes, name in (("1", "call"), ("2", together_name("call"))):
        seen = trial.run(name)
        sent = trial.evidence.values(seen).get("params.nproc")
        trial.expect_equal(sent, processes, f"processes of `{seen.run.command}`")
        trial.expect_message(seen)
        trial.expect(not seen.attempts, f"`{seen.run.command}`: {', '.join(seen.attempts)}")


@claim(
    "Each message holds the fields that this site lists for its subcommand, and no others, unless"
    " your own OpenTelemetry settings change it.",
    (*SENDING, "endings", "transport", "unreachable", "results"),
)
def fields(trial: Trial) -> None:
    orders: dict[frozenset[str], list[str]] = {}
    for seen in trial.runs(where=lambda seen: bool(seen.bodies) or _sends(seen)):
        # After an error, the message may be sent again, but with nothing added.
        for body in {*seen.bodies} or {b""}:
            rows, versions = otlp.rows(body), trial.evidence.versions
            found = trial.evidence.dictionary.compare(
                rows, seen.run.subcommand, outcome=outcome(seen), versions=versions
            )
            trial.expect(not found, f"`{seen.run.command}`: {'; '.join(map(str, found))}")
            trial.counts["fields"] += len(rows)
            # The order of the fields could tell something, too.
            order = KEY.findall(otlp.otlp_json(body))
            usual = orders.setdefault(frozenset(order), order)
            trial.expect(order == usual, f"`{seen.run.command}` sends, in the order: {order}")


@claim(
    "The message holds no network address, and nothing in it changes with the time zone or the"
    " language.",
    (*SENDING, "surroundings"),
)
def no_place(trial: Trial) -> None:
    for seen in trial.runs(where=_sends):
        for row in otlp.rows(seen.body):
            found = [word for word in ADDRESS.findall(row.value) if _is_address(word)]
            trial.expect(not found, f"`{seen.run.command}` sends {found} in {row.field}")
    elsewhere = trial.runs(
        "surroundings",
        where=lambda seen: _sends(seen) and not {"LANG", "TZ"}.isdisjoint(seen.run.environment),
    )
    for seen in elsewhere:
        different = trial.evidence.differing(trial.run(seen.run.subcommand), seen)
        trial.expect(not different, f"`{seen.run.command}` sends {different}")


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


@claim(
    "Package versions and system details are those that Python itself reports.",
    SENDING,
)
def true_values(trial: Trial) -> None:
    for seen in trial.runs(where=_sends):
        found = machine.compare(otlp.rows(seen.body), trial.evidence.dictionary)
        trial.expect(not found, f"`{seen.run.command}`: {'; '.join(map(str, found))}")
        name = trial.evidence.values(seen).get("name")
        # A plot that fails early is only called "plot".
        early = seen.run.subcommand.partition(" ")[0] if seen.exit_status else ""
        known = name in {seen.run.subcommand, early}
        trial.expect(known, f"`{seen.run.command}` is named {name!r}")


@claim(
    "Parameters that you leave out are sent with their default values.",
    ("commands", "downloads", "failures", "options"),
)
def parameters(trial: Trial) -> None:
    for subcommand in trial.evidence.subcommands:
        if subcommand.name not in trial.evidence.by_name:
            continue
        values = trial.evidence.values(trial.run(subcommand.name))
        for option in subcommand.options:
            if option.field in values and option.flag not in subcommand.argv():
                filled_in = "" if option.default else DEFAULTS.get(option.dest)
                default = filled_in or str(option.default).lower()
                what = f"{option.field} of `stripepy {subcommand.name}`"
                trial.expect_equal(values[option.field], default, what)
    data_sets = trial.data_sets()
    for seen in trial.runs("commands", "downloads", "failures", where=_sends):
        _expect_typed_or_plain(trial, seen, data_sets)
    for form, name in {"hic": "call", "cool": "call .cool", "mcool": "call .mcool"}.items():
        told = trial.evidence.values(trial.run(name)).get("params.contact_map_format")
        trial.expect(told == form, f"a .{form} file is called {told}")
    view = trial.run(together_name("view"))
    columns = json.dumps(view.stdout.partition("\n")[0].split("\t"))
    told = trial.evidence.values(view).get("params.columns")
    trial.expect_equal(told, columns, f"columns of `{view.run.command}`")


def _expect_typed_or_plain(trial: Trial, seen: Observation, data_sets: Iterable[str]) -> None:
    """Expect each parameter to be as typed, as in the plain run, or a listed data set's name."""
    plain = trial.evidence.by_name.get(seen.run.subcommand)
    known = {"true", "false", *seen.run.argv, *data_sets}
    usual = trial.evidence.values(plain) if plain else {}
    # The resolution has no default, so it has to be as typed.
    usual.pop("params.contact_map_resolution", None)
    for name, value in trial.evidence.values(seen).items():
        # The dictionary lists every format, so `fields` checks those.
        if name.startswith("params.") and not name.endswith("_format"):
            expected = value in {usual.get(name), *known}
            trial.expect(expected, f"`{seen.run.command}` sends {name} = {value}")


@claim(
    "The start and end times are those of the run, by the machine's own clock.",
    (*SENDING, "surroundings"),
)
def times(trial: Trial) -> None:
    for seen in trial.runs(where=_sends):
        values = trial.evidence.values(seen)
        try:
            start, end = (
                datetime.fromisoformat(values[name]).timestamp()
                for name in ("start_time_unix_nano", "end_time_unix_nano")
            )
        except (KeyError, ValueError) as error:
            trial.expect(False, f"`{seen.run.command}`: no such time: {error}")
            continue
        trial.expect(
            seen.started - TOLERANCE_SECONDS <= start <= end <= seen.ended + TOLERANCE_SECONDS,
            f"`{seen.run.command}` ran from {seen.started} to {seen.ended}, sent {start} to {end}",
        )
        # `stripepy call` itself says how long it took, shortly before its span ends.
        if said := re.search(r"processed \d+ chromosomes in ([\d.]+)(m?s)\b", seen.stderr):
            took = float(said[1]) / (1000 if said[2] == "ms" else 1)
            trial.expect(
                took <= end - start <= took + 60,
                f"`{seen.run.command}` says that it took {took} s, and sent {end - start} s",
            )
            trial.counts["durations compared"] += 1
        event = values.get("event.time_unix_nano")
        if event is not None:
            at = datetime.fromisoformat(event).timestamp()
            trial.expect(start <= at <= end, f"`{seen.run.command}`: an event at {event}")


@claim(
    "Unless a run is interrupted, its status is an error if the exit status is not 0, and OK"
    " otherwise.",
    SENDING,
)
def status(trial: Trial) -> None:
    for seen in trial.runs(where=_sends):
        expected = "STATUS_CODE_ERROR" if seen.exit_status else "STATUS_CODE_OK"
        sent = trial.evidence.values(seen).get("status.code")
        trial.expect(
            sent == expected,
            f"`{seen.run.command}` ended with {seen.exit_status}, and sent {sent}",
        )


@claim(
    "`stripepy --help`, `--version`, `--cite`, `--license` and command lines that `stripepy`"
    " rejects send nothing.",
    ("commands", "refusals"),
)
def nothing_for_help(trial: Trial) -> None:
    trial.control(trial.run("call"))
    for seen in trial.runs("refusals"):
        trial.expect_silence(seen)


@claim(
    "A run interrupted with Ctrl-C still sends its span, without a status.",
    ("endings",),
)
def interrupted(trial: Trial) -> None:
    for seen in trial.runs(where=lambda seen: seen.run.ending is Ending.SIGINT):
        trial.expect_message(seen)
        sent = trial.evidence.values(seen).get("status.code")
        trial.expect(sent is None, f"{seen.run.name} sent the status {sent}")


@claim(
    "A run ended by SIGTERM, SIGHUP or SIGKILL sends nothing.",
    ("commands", "endings"),
)
def killed(trial: Trial) -> None:
    trial.control(trial.run("download"))
    for seen in trial.runs("endings", where=lambda seen: seen.run.ending.kills):
        # The signal came once output had begun, and so after telemetry was set up.
        trial.expect_equal(seen.exit_status, -int(seen.run.ending.signal or 0), "exit status")
        trial.expect(not seen.bodies, f"{seen.run.name} sent {len(seen.bodies)} messages")


@claim(
    "A run whose output goes to a pipe that closes early, as with `head`, still sends its span.",
    ("endings",),
)
def closed_pipe(trial: Trial) -> None:
    closed = Ending.CLOSED_PIPE
    for seen in trial.runs(where=lambda seen: seen.run.ending is closed):
        trial.expect_message(seen)


@claim(
    "The unmodified program sends the same message as one whose exporter is replaced, and as one"
    " that is watched from inside.",
    ("commands", "failures", "memory", "watched"),
)
def same_every_way(trial: Trial) -> None:
    for other in trial.runs("memory", "watched"):
        plain = trial.run(other.run.name.partition(": ")[2])
        if other.seen_on_wire is None:
            plain = replace(plain, seen_on_wire=None)
        trial.expect_no_effect(other, plain)


@claim(
    "`stripepy plot cm` sends parameters, but its long form, `stripepy plot contact-map`, sends"
    " none.",
    ("commands",),
    reason="StripePy compares the kind of plot only with its short form.",
    source="cli/plot.py",
)
def long_name_of_plots(trial: Trial) -> None:
    short, long = trial.run("plot cm"), trial.run("plot contact-map")
    trial.expect(_has_parameters(trial, short), f"`{short.run.command}` sends no parameters")
    trial.expect(not _has_parameters(trial, long), f"`{long.run.command}` sends parameters")


def _has_parameters(trial: Trial, seen: Observation) -> bool:
    return any(name.startswith("params.") for name in trial.evidence.values(seen))


@claim(
    "`params.contact_map_raw_interactions` is false whether or not interactions were normalised.",
    ("commands",),
    reason="StripePy gives a missing normalisation a name before it checks whether there is one.",
    source="cli/call.py",
)
def raw_interactions(trial: Trial) -> None:
    for name in ("call", "call .mcool"):
        seen = trial.run(name)
        sent = trial.evidence.values(seen).get("params.contact_map_raw_interactions")
        trial.expect_equal((sent, seen.exit_status), ("false", 0), f"`{seen.run.command}` sends")


@claim(
    "Each message carries an identifier, `service.instance.id`, that StripePy's own code does not"
    " set.",
    ("commands",),
    reason="opentelemetry-sdk has added it since release 1.43.0.",
    source="opentelemetry-sdk",
)
def instance_id(trial: Trial) -> None:
    for seen in trial.runs():
        sent = trial.evidence.values(seen).get("service.instance.id")
        trial.expect(sent is not None, f"`{seen.run.command}` sends no service.instance.id")
    lines = trial.evidence.setters.get("service.instance.id", ())
    trial.expect(not lines, f"stripepy sets service.instance.id itself: {lines}")


@claim(
    "`stripepy call` sends `params.low_memory` and `service.instance.id`.",
    ("commands",),
    reason="Both are newer than the table of fields in StripePy's own documentation.",
    source="cli/call.py",
)
def their_table(trial: Trial) -> None:
    values = trial.evidence.values(trial.run("call"))
    for name in ("params.low_memory", "service.instance.id"):
        trial.expect(name in values, f"{name} is no longer sent")


@claim(
    "The message says which versions of StripePy and its dependencies are installed, what system"
    " StripePy runs on, how it was invoked and how the run went; the rest is what OpenTelemetry"
    " needs to carry that.",
    ("commands", "failures"),
)
def four_kinds(trial: Trial) -> None:
    sent = {name for seen in trial.runs() for name in trial.evidence.values(seen)}
    dictionary = trial.evidence.dictionary
    kinds = {dictionary[name].category for name in sent if name in dictionary}
    for kind in ("installation", "system", "invocation", "execution"):
        trial.expect(kind in kinds, f"nothing is sent of the kind {kind!r}")
    others = sorted(
        name
        for name in sent
        if name in dictionary
        and dictionary[name].category == "protocol"
        and not CARRIER.fullmatch(name)
    )
    trial.expect(not others, f"of none of the four kinds: {others}")
    trial.expect(sent <= set(dictionary), f"not described: {sorted(sent - set(dictionary))}")
