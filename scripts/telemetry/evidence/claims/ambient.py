"""What environment variables that users set for other programs change."""

from pathlib import Path

from telemetry.evidence.conditions import OFF, OTHER_SWITCHES, SWITCHES, delay_name
from telemetry.evidence.judging import Evidence, Trial, claim
from telemetry.evidence.variables import EFFECTIVE, SET_ALWAYS
from telemetry.records.runs import Network, NotTried, Observation
from telemetry.records.words import listed
from telemetry.table.differences import Effect, effects

# The documented fields that `OTEL_RESOURCE_ATTRIBUTES` sets; StripePy's own attributes prevail.
OVERRIDDEN = {"service.instance.id", "params.k"}

# More than the waiting times of two runs in the same network can differ by.
WAIT_SECONDS = 2.0


def effects_of(evidence: Evidence, seen: Observation) -> list[Effect]:
    """Return what its variables changed about a run, compared with one without them."""
    if seen.run.network is Network.SILENT:
        plain = evidence.by_name.get(delay_name(Network.SILENT, 0))
        changed = plain and abs(_waited(seen) - _waited(plain)) > WAIT_SECONDS
        return [Effect("wait", "changes how long it waits")] if changed else []
    plain = evidence.by_name.get(seen.run.subcommand)
    others = effects(plain, seen, evidence.dictionary) if plain else []
    if seen.run.trusts:
        return others
    trust = Effect("trust", "decides whose certificates are trusted")
    return [trust, *others] if seen.bodies else []


def _every_run(trial: Trial) -> list[Observation]:
    """Return the runs that set variables; raises NotTried if any of them cannot be made here."""
    return [trial.run(seen.run.name) for seen in trial.evidence.observations["ambient"]]


def _waited(seen: Observation) -> float:
    return sum(seen.seen_on_wire.waited) if seen.seen_on_wire else 0.0


@claim(
    "Attributes in `OTEL_RESOURCE_ATTRIBUTES` are sent to StripePy's maintainers, except those"
    " that StripePy sets itself.",
    ("commands", "ambient"),
    reason="OpenTelemetry adds these attributes to those that a program sets itself.",
    source="opentelemetry-sdk",
)
def ambient_resource(trial: Trial) -> None:
    variable = "OTEL_RESOURCE_ATTRIBUTES"
    runs = trial.runs("ambient", where=lambda seen: variable in seen.run.environment)
    sent = [trial.evidence.values(seen) for seen in runs]
    new = any(values.get("zqx.key") == "ZqxValue" for values in sent)
    trial.expect(new, "a new key is not sent")
    plain = trial.run("download")
    changed = {name for seen in runs for name in trial.evidence.differing(plain, seen)}
    trial.expect_equal(sorted(changed - {"zqx.key"}), sorted(OVERRIDDEN), "overridden")


@claim(
    "`OTEL_EXPERIMENTAL_RESOURCE_DETECTORS` can add {fields}.",
    ("commands", "ambient"),
    reason="OpenTelemetry runs the detectors that the variable names.",
    source="opentelemetry-sdk",
)
def ambient_detectors(trial: Trial) -> None:
    if not Path("/etc/machine-id").exists():
        raise NotTried("this machine has no `/etc/machine-id`: systemd-machine-id-setup")
    named = "ambient: OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="
    runs = {name: trial.run(named + name) for name in ("process", "host", "*")}
    sent = {name: set(trial.evidence.values(seen)) for name, seen in runs.items()}
    for field in ("process.pid", "process.executable.path", "host.name", "host.id"):
        name = field.partition(".")[0]
        trial.expect(field in sent[name], f"`{name}` does not send {field}")
    trial.expect(sent["process"] | sent["host"] <= sent["*"], "`*` does not send them all")
    found = sorted((sent["process"] | sent["host"] | sent["*"]) - set(trial.evidence.dictionary))
    trial.facts["fields"] = listed([f"`{name}`" for name in found]) or "nothing"


@claim(
    "Headers in `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_TRACES_HEADERS`, which can"
    " hold an access token, are sent with the message.",
    ("commands", "ambient"),
    reason="OpenTelemetry's exporter adds them to every request, whatever its address.",
    source="opentelemetry-exporter-otlp-proto-http",
)
def ambient_headers(trial: Trial) -> None:
    for variable in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
        seen = trial.run(f"ambient: {variable}=x-zqx=ZqxToken")
        found = [request.header("x-zqx") for request in seen.wire.requests]
        trial.expect_equal(found, ["ZqxToken"], f"the header in {variable}")


@claim(
    "We tested {variables} environment variables that StripePy or its libraries could read. Proxies"
    " and switches aside, {effective} of them change the message, how it is sent, or which files"
    " are written; none sends the message elsewhere. `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` shows"
    " the collector your client certificate.",
    ("commands", "ambient", "unreachable"),
)
def ambient_no_others(trial: Trial) -> None:
    trial.control(trial.run("download"))
    changing: dict[str, set[str]] = {}
    tested: set[str] = set()
    for seen in _every_run(trial):
        tested |= set(seen.run.environment)
        kinds = {effect.kind for effect in effects_of(trial.evidence, seen)}
        for variable in seen.run.environment if kinds else ():
            changing.setdefault(variable, set()).update(kinds)
        trial.expect(not seen.attempts, f"`{seen.run.command}`: {', '.join(seen.attempts)}")
    for variable in sorted({*changing, *EFFECTIVE} - {*SWITCHES, *OTHER_SWITCHES}):
        expected = EFFECTIVE.get(variable, frozenset())
        what = f"what {variable} changes"
        trial.expect_equal(sorted(changing.get(variable, ())), sorted(expected), what)
    trial.counts["variables"] = len(tested)
    trial.facts |= {"variables": str(len(tested)), "effective": str(len(EFFECTIVE))}


@claim(
    "Every environment variable that a run asks for was tested.",
    ("ambient", "watched"),
)
def ambient_covered(trial: Trial) -> None:
    tested = {name for seen in _every_run(trial) for name in seen.run.environment}
    known = {*tested, *SWITCHES, *OTHER_SWITCHES, *SET_ALWAYS}
    for seen in trial.runs("watched"):
        trial.expect(bool(seen.variables), f"`{seen.run.command}` was not watched")
        unknown = sorted(set(seen.variables) - known)
        trial.expect(
            not unknown, f"`{seen.run.command}` asks for {unknown}, which no condition covers"
        )
        trial.counts["variables asked for"] += len(seen.variables)


@claim(
    "If OpenTelemetry is already set up in the same process, as by its auto-instrumentation, the"
    " message goes where that set-up sends its own, and not to StripePy's collector.",
    ("commands", "mitigations"),
    reason="OpenTelemetry keeps the first tracer provider that a process sets.",
    source="opentelemetry-api",
)
def provider_first(trial: Trial) -> None:
    trial.control(trial.run("download"))
    seen = trial.run("a provider that is there first")
    trial.expect_equal(len(seen.wire.requests), 0, "messages to StripePy's collector")
    elsewhere = any("127.0.0.1:4318" in attempt for attempt in seen.attempts)
    trial.expect(elsewhere, f"the other address is not contacted: {seen.attempts}")
    trial.expect('"params.list_only"' in seen.stdout, "the other set-up does not get the span")


@claim(
    "With `STRIPEPY_NO_TELEMETRY` set, nothing is sent, whatever OpenTelemetry's variables for"
    " attributes, detectors and headers hold.",
    ("mitigations",),
)
def leaks_off(trial: Trial) -> None:
    trial.control(trial.run("leaks"))
    for seen in trial.runs(where=lambda seen: seen.run.environment.keys() >= OFF.keys()):
        trial.expect_silence(seen)


@claim(
    "With `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPERIMENTAL_RESOURCE_DETECTORS`,"
    " `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_TRACES_HEADERS` unset for one command,"
    " StripePy sends the same as if they had never been set.",
    ("commands", "mitigations"),
)
def leaks_unset(trial: Trial) -> None:
    leaked = effects(trial.run("download"), trial.run("leaks"), trial.evidence.dictionary)
    trial.expect(bool(leaked), "with the variables set, the same is sent as without them")
    trial.expect_no_effect(trial.run("leaks, unset"))
