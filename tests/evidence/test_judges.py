"""Judges: invented observations show what no changed StripePy can show."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import test_gate
from test_gate import NOT, STALE, VOID

from conftest import protobuf
from telemetry.evidence import conditions, variables
from telemetry.evidence.claims import CLAIMS
from telemetry.evidence.judging import Evidence, Judgement, judge
from telemetry.evidence.subcommands import Subcommand
from telemetry.records import claims, fields, table
from telemetry.records.claims import LineResult, Verdict
from telemetry.records.runs import Observation, Request, Run, Wire

HOST = "stripepy-telemetry.paulsenlab.com:4319"
DOCUMENTED = table.load()


def message(added: str = "", removed: str = "", value: str = "x") -> bytes:
    """Return the committed message, with a span attribute added or any attribute removed."""
    tree = json.loads(DOCUMENTED.message)
    [resource] = tree["resourceSpans"]
    [span] = resource["scopeSpans"][0]["spans"]
    if added:
        span["attributes"].append({"key": added, "value": {"stringValue": value}})
    for holder in (span, resource["resource"]):
        holder["attributes"] = [a for a in holder["attributes"] if a["key"] != removed]
    return protobuf(json.dumps(tree))


COMMITTED = message()
CALL = ("call", "x.hic", "10000")
RUNS = conditions.plan(
    [Subcommand(name, CALL, (), (), "") for name in ("call", "download", "view")],
    (),
    variables.settings({*variables.EFFECTIVE, "SSL_CERT_FILE"}),
)


def seen(
    run: Run,
    body: bytes = COMMITTED,
    seconds: float = 0.1,
    fault: str = "",
    exit_status: int = 0,
    **headers: str,
) -> Observation:
    """Return an observation of one message; a run that is switched off takes 0.1 s."""
    request = Request("POST /v1/traces HTTP/1.1", (("Host", HOST), *headers.items()), body)
    return Observation(
        run,
        bodies=(body,),
        ended=0.1 if run.environment == conditions.OFF else seconds,
        fault=fault,
        exit_status=exit_status,
        seen_on_wire=Wire((request,), connections=1),
    )


def evidence(
    lines: Sequence[LineResult] = (), changed_files: Sequence[str] = (), **what: Any
) -> Evidence:
    """Return what judges look at if every run sends such a message."""
    return Evidence(
        topics=RUNS,
        observations={topic: [seen(run, **what) for run in runs] for topic, runs in RUNS.items()},
        subcommands=(),
        lines=lines,
        setters={},
        dictionary=fields.load(),
        documented=DOCUMENTED,
        versions=DOCUMENTED.provenance.versions,
        changed_files=changed_files,
    )


SLOW = {"seconds": 2.0}


def line(file: str, what: str) -> list[LineResult]:
    return [LineResult(file=file, line=1, what=what)]


ELSEWHERE = line("cli/other.py", "sends")
TEXT = line("cli/telemetry.py", "adds an event for an error, with its text")
SOCKET = line("cli/view.py", "imports socket, a way to the network")
ONE_FILE = line("cli/telemetry.py", "adds to the span")

# For each claim: what is special about the evidence, the verdict, and part of the reason.
OBSERVED: dict[str, tuple[dict[str, Any], Verdict, str]] = {
    "four-kinds": ({"body": message(added="zqx")}, NOT, "not described: ['zqx']"),
    "instance-id": ({"body": message(removed="service.instance.id")}, STALE, "sends no service"),
    "their-table": ({"body": message(removed="params.low_memory")}, STALE, "is no longer sent"),
    "canaries-in-place": ({}, NOT, "the machine is called: , expected ZqxMachine"),
    "proxies": ({}, NOT, "HTTPS_PROXY: asked of the proxy: [], expected [('CONNECT "),
    "trust": ({}, NOT, "it is trusted without a variable"),
    "key-log": ({}, NOT, "no keys were written"),
    "class-only": ({"exit_status": 1}, NOT, "sends '', which is not the class"),
    "redacted": ({"lines": TEXT, "exit_status": 1}, NOT, "may send the text of some errors"),
    "netrc-another": ({"Authorization": "Basic Wm"}, NOT, "netrc: for another: ['Basic Wm']"),
    "netrc": ({}, STALE, "netrc: default: [None], expected ['Basic "),
    "provider-first": ({}, STALE, "messages to StripePy's collector: 1, expected 0"),
    "leaks-unset": ({}, NOT, "with the variables set, the same is sent"),
    "ambient-detectors": ({}, STALE, "`process` does not send process.pid"),
    "ambient-headers": ({}, STALE, "OTEL_EXPORTER_OTLP_TRACES_HEADERS: [None], expected"),
    "delay-none": (SLOW, NOT, "the collector answers 404: 1.9 s"),
    "delay-seconds": ({}, STALE, "the connection is refused: 0.0 s"),
    "delay-no-network": ({}, STALE, "no network: 0.0 s"),
    "delay-name-server": ({}, STALE, "the name server is silent: 0.0 s"),
    "nothing-stored": ({"changed_files": ["zqx.h5"]}, NOT, "the installed packages: zqx.h5"),
    "files": ({"lines": ELSEWHERE}, NOT, "'cli/other.py'"),
    "ways-out": ({"lines": SOCKET}, NOT, "ways out: ['cli/view.py']"),
    "not-one-file": ({"lines": ONE_FILE}, STALE, "only ['cli/telemetry.py'] add to the span"),
}


def judged(claim: str, evidence: Evidence) -> Judgement:
    [chosen] = [one for one in CLAIMS if one.id == claim]
    return judge(chosen, evidence)


@pytest.mark.parametrize("claim", OBSERVED)
def test_a_judge_goes_red_for(claim: str) -> None:
    what, expected, reason = OBSERVED[claim]
    judgement = judged(claim, evidence(**what))
    assert judgement.verdict is expected
    assert any(reason in ground for ground in judgement.grounds), judgement.grounds


def test_a_message_that_cannot_be_read_and_a_run_that_died_are_no_verdicts() -> None:
    for odd in ({"body": b"odd"}, {"fault": "its supervisor ended with SIGKILL"}):
        assert judged("instance-id", evidence(**odd)).verdict is VOID


def without_namespaces(evidence: Evidence) -> Evidence:
    """Return what a machine without namespaces sees: some runs in memory, and no others."""
    observations = {
        topic: [
            replace(o, seen_on_wire=None)
            if o.run.fits_memory
            else Observation(o.run, not_tried="x")
            for o in all_
        ]
        for topic, all_ in evidence.observations.items()
    }
    return replace(evidence, observations=observations)


@pytest.mark.parametrize("claim", ["ambient-no-others", "ambient-covered"])
def test_what_only_some_runs_can_show_here_is_not_tested(claim: str) -> None:
    assert judged(claim, without_namespaces(evidence())).verdict is Verdict.NOT_TRIED


def test_what_is_wrong_counts_even_if_not_everything_could_be_tested() -> None:
    body = message(added="zqx", value="::1")
    assert judged("no-place", without_namespaces(evidence(body=body))).verdict is NOT


def test_a_bit_that_all_identifiers_share_is_noticed() -> None:
    drawn = random.Random(7)
    documented = dict(DOCUMENTED.table)
    old = {name: bytes.fromhex(documented[name]) for name in ("trace_id", "span_id")}
    runs = []
    for number in range(64):
        new = {name: drawn.randbytes(len(value)) for name, value in old.items()}
        new["trace_id"] = bytes([new["trace_id"][0] | 0x80]) + new["trace_id"][1:]
        body = message(removed="service.instance.id")
        for name, value in old.items():
            body = body.replace(value, new[name])
        runs.append(seen(Run(f"call {number}", CALL), body))
    grounds = judged(
        "random-identifiers", replace(evidence(), observations={"commands": runs})
    ).grounds
    assert [ground for ground in grounds if "bit" in ground] == [
        "bit 0 of trace_id is 1 in 64 of 64"
    ]


def test_every_claim_has_something_that_turns_it_red() -> None:
    changed = {
        change.claim for changes in test_gate.PROGRAMS.values() for change in changes.values()
    }
    assert changed | set(OBSERVED) == {claim.id for claim in CLAIMS}


def test_a_machine_that_can_test_less_compares_what_it_tested() -> None:
    committed = claims.load()
    first, second, *others = committed.claims
    lacking = first.model_copy(update={"verdict": Verdict.NOT_TRIED})
    changed = second.model_copy(update={"sentence": "another"})
    less = committed.model_copy(update={"claims": [lacking, second, *others]})
    other = committed.model_copy(update={"claims": [lacking, changed, *others]})
    assert less.not_tried() == {first.id}
    assert less.settled(tested_as=less) == committed.settled(tested_as=less)
    assert other.settled(tested_as=other) != committed.settled(tested_as=other)
