"""What the user's own settings change: environment variables that were meant for other programs."""

from collections.abc import Mapping

from telemetry import ambient
from telemetry.experiments import LEAKS, OTHER_SWITCHES, SWITCHES
from telemetry.runs import Observation
from telemetry.trial import Claim, Evidence, Trial

# What each variable that has an effect has an effect on.
EFFECTIVE: Mapping[str, frozenset[str]] = {
    "CURL_CA_BUNDLE": frozenset({"trust"}),
    "OTEL_ATTRIBUTE_COUNT_LIMIT": frozenset({"field"}),
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": frozenset({"field"}),
    "OTEL_BSP_MAX_QUEUE_SIZE": frozenset({"nothing"}),
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": frozenset({"field"}),
    "OTEL_EXPORTER_OTLP_CERTIFICATE": frozenset({"trust"}),
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": frozenset({"own certificate"}),
    "OTEL_EXPORTER_OTLP_HEADERS": frozenset({"header"}),
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": frozenset({"trust"}),
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE": frozenset({"own certificate"}),
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": frozenset({"header"}),
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": frozenset({"nothing"}),
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER": frozenset({"nothing"}),
    "OTEL_PYTHON_METER_PROVIDER": frozenset({"nothing"}),
    "OTEL_RESOURCE_ATTRIBUTES": frozenset({"field"}),
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": frozenset({"field"}),
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": frozenset({"field"}),
    "REQUESTS_CA_BUNDLE": frozenset({"trust"}),
}


def describe(evidence: Evidence, seen: Observation) -> dict[str, str]:
    """What a run did, by aspect, as far as it does not differ from run to run."""
    aspects = {f"field {name}": value for name, value in evidence.settled(seen).items()}
    for request in seen.requests:
        for name, value in request.headers:
            if name.lower() != "content-length":
                aspects[f"header {name.lower()}"] = value
    for sending in seen.sendings:
        aspects |= {
            "address": sending["url"],
            "time-out": f"{sending['timeout']:.0f} s",
            "trust": "a file" if isinstance(sending["verify"], str) else str(sending["verify"]),
            "own certificate": "none" if sending["certificate"] is None else "a file",
            "proxies": str(sorted(sending["proxies"])) if sending["proxies"] else "none",
        }
    aspects["messages"] = str(len(seen.bodies))
    aspects["exit status"] = str(seen.exit_status)
    aspects["other attempts"] = ", ".join(seen.attempts) or "none"
    aspects["files"] = ", ".join(sorted(seen.files)) or "none"
    return aspects


def effects(evidence: Evidence, seen: Observation) -> list[tuple[str, str]]:
    """What its variable changed about a run: kinds of change, each with the words of the page."""
    plain, changed = describe(evidence, evidence.by_name["download"]), describe(evidence, seen)
    if changed["messages"] == "0":
        return [("nothing", "nothing is sent")]
    return [
        _effect(aspect, plain.get(aspect), changed.get(aspect))
        for aspect in sorted({*plain, *changed})
        if plain.get(aspect) != changed.get(aspect)
    ]


def _effect(aspect: str, before: str | None, after: str | None) -> tuple[str, str]:
    kind, _, name = aspect.partition(" ")
    if kind in {"field", "header"}:
        # What nobody planted is of this machine, and nobody's business.
        planted = f", `{after}`" if after is not None and "Zqx" in after else ""
        if after is None:
            return kind, f"leaves the {kind} `{name}` out"
        verb = "adds" if before is None else "changes"
        return kind, f"{verb} the {kind} `{name}`{planted}"
    words = {
        "trust": "decides whose certificates are trusted",
        "own certificate": "shows the collector a certificate",
    }
    return aspect, words.get(aspect, f"{aspect}: {after} instead of {before}")


def _of(trial: Trial, variable: str) -> list[Observation]:
    return trial.runs("ambient", where=lambda seen: variable in seen.run.environment)


def resource_attributes(trial: Trial) -> None:
    sent = [trial.evidence.values(seen) for seen in _of(trial, "OTEL_RESOURCE_ATTRIBUTES")]
    trial.expect(
        any(values.get("zqx.key") == "ZqxValue" for values in sent), "a new key is not sent"
    )
    trial.expect(
        any("ZqxInstance" in str(values.get("service.instance.id")) for values in sent),
        "service.instance.id is not overridden",
    )
    overridden = {
        name
        for values in sent
        for name, value in values.items()
        if name != "zqx.key" and str(value).startswith("Zqx")
    }
    trial.expect(
        not overridden & {"service.name", "params.k"}
        or overridden <= {"service.name", "service.instance.id", "params.k"},
        f"overridden: {sorted(overridden)}",
    )


def detectors(trial: Trial) -> None:
    sent = {
        name: set(
            trial.evidence.values(
                trial.run(f"ambient: OTEL_EXPERIMENTAL_RESOURCE_DETECTORS={name}")
            )
        )
        for name in ("process", "host", "*")
    }
    for field in ("process.pid", "process.executable.path"):
        trial.expect(field in sent["process"], f"`process` does not send {field}")
    for field in ("host.name", "host.id"):
        trial.expect(field in sent["host"], f"`host` does not send {field}")
    trial.expect(sent["process"] | sent["host"] <= sent["*"], "`*` does not send them all")
    known = set(trial.evidence.dictionary)
    found = sorted((sent["process"] | sent["host"] | sent["*"]) - known)
    trial.facts["fields"] = ", ".join(f"`{name}`" for name in found)


def headers(trial: Trial) -> None:
    for variable in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
        seen = trial.run(f"ambient: {variable}=x-zqx=ZqxToken")
        found = {n.lower(): v for request in seen.requests for n, v in request.headers}
        trial.expect(found.get("x-zqx") == "ZqxToken", f"{variable} is not sent: {found}")


def no_others(trial: Trial) -> None:
    switches = {*SWITCHES, *OTHER_SWITCHES}
    changing: dict[str, set[str]] = {}
    for seen in trial.runs("ambient"):
        [variable] = seen.run.environment
        if variable in switches:
            continue
        kinds = {kind for kind, _ in effects(trial.evidence, seen)}
        if kinds:
            changing.setdefault(variable, set()).update(kinds)
        trial.counts["checks"] += 1
    trial.counts["variables"] = len(trial.evidence.variables)
    for variable in {*changing, *EFFECTIVE}:
        trial.expect(
            changing.get(variable, set()) == set(EFFECTIVE.get(variable, ())),
            f"{variable} changes {sorted(changing.get(variable, set()))},"
            f" expected {sorted(EFFECTIVE.get(variable, ()))}",
        )
    addresses = {s["url"] for seen in trial.runs("ambient") for s in seen.sendings}
    trial.expect(len(addresses) == 1, f"the message goes to {sorted(addresses)}")
    trial.facts["variables"] = str(len(trial.evidence.variables))
    trial.facts["effective"] = str(len(EFFECTIVE))


def covered(trial: Trial) -> None:
    known = {*trial.evidence.variables, *SWITCHES, *OTHER_SWITCHES, *ambient.UNRELATED}
    for seen in trial.runs("commands", "failures", "options", "memory"):
        unknown = sorted(set(seen.variables) - known)
        trial.expect(
            not unknown, f"`{seen.run.command}` asks for {unknown}, which no experiment covers"
        )
        trial.counts["variables asked for"] += len(seen.variables)


def helps_off(trial: Trial) -> None:
    trial.control(trial.run("leaks"))
    trial.expect_silence(trial.run("leaks, switched off"))


def helps_unset(trial: Trial) -> None:
    trial.control(trial.run("leaks"))
    unset, plain = trial.run("leaks, unset"), trial.run("unmodified: download")
    ours, theirs = (describe(trial.evidence, seen) for seen in (unset, plain))
    trial.expect(ours == theirs, f"they differ: {sorted(set(ours.items()) ^ set(theirs.items()))}")
    trial.facts["command"] = f"env -u {' -u '.join(LEAKS)} stripepy"


CLAIMS = (
    Claim(
        "ambient-covered",
        "Every environment variable that is asked for during a run was tried.",
        ("commands", "failures", "options", "memory"),
        covered,
    ),
    Claim(
        "ambient-no-others",
        "Of the {variables} variables that OpenTelemetry and its HTTP library could read,"
        " {effective} besides the switches have an effect on the message; none of them leads it"
        " elsewhere.",
        ("commands", "ambient"),
        no_others,
    ),
    Claim(
        "leaks-off",
        "With `STRIPEPY_NO_TELEMETRY`, none of this is sent.",
        ("mitigations",),
        helps_off,
    ),
    Claim(
        "leaks-unset",
        "With the variables unset for this one command, StripePy sends what it sends to everybody.",
        ("mitigations", "witness"),
        helps_unset,
    ),
    Claim(
        "ambient-resource",
        "What `OTEL_RESOURCE_ATTRIBUTES` defines is sent to StripePy's maintainers.",
        ("commands", "ambient"),
        resource_attributes,
        "OpenTelemetry adds these attributes to whatever a program says of itself.",
        "opentelemetry-sdk",
    ),
    Claim(
        "ambient-detectors",
        "With `OTEL_EXPERIMENTAL_RESOURCE_DETECTORS`, so are {fields}.",
        ("commands", "ambient"),
        detectors,
        "OpenTelemetry asks the detectors that the variable names.",
        "opentelemetry-sdk",
    ),
    Claim(
        "ambient-headers",
        "The headers in `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_TRACES_HEADERS`, which"
        " can hold an access token, are sent along.",
        ("commands", "ambient"),
        headers,
        "OpenTelemetry's exporter adds them to every request, whatever its address.",
        "opentelemetry-exporter-otlp-proto-http",
    ),
)
