"""Judges: what no changed stripepy can show is shown by observations that nobody made."""

import json
import random
from collections.abc import Mapping, Sequence

import pytest
import test_gate
from test_gate import NOT, STALE, VOID

from conftest import protobuf
from telemetry.evidence.claims import CLAIMS
from telemetry.evidence.conditions import REPEATS, UNREACHABLE, delay_name
from telemetry.evidence.judging import Evidence, Judgement, judge
from telemetry.evidence.source_lines import Line
from telemetry.records import claims, fields, table
from telemetry.records.claims import Verdict
from telemetry.records.runs import Network, Observation, Request, Run, Wire

HOST = "stripepy-telemetry.paulsenlab.com:4319"


def message(added: str = "", removed: str = "") -> bytes:
    """The committed message, with an attribute of the span added or one of any kind removed."""
    tree = json.loads(table.load().message)
    [resource] = tree["resourceSpans"]
    [span] = resource["scopeSpans"][0]["spans"]
    if added:
        span["attributes"].append({"key": added, "value": {"stringValue": "x"}})
    for holder in (span, resource["resource"]):
        holder["attributes"] = [a for a in holder["attributes"] if a["key"] != removed]
    return protobuf(json.dumps(tree))


def seen(
    name: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    ended: float = 0.0,
    fault: str = "",
) -> Observation:
    """An observation of one message, by default the committed one."""
    body = body or message()
    request = Request("POST /v1/traces HTTP/1.1", (("Host", HOST), *(headers or {}).items()), body)
    network = next((n for n in Network if n.value in name), Network.ANSWERS)
    return Observation(
        Run(name, ("call", "x.hic", "10000"), network=network),
        bodies=(body,),
        ended=ended,
        fault=fault,
        seen_on_wire=Wire((request,), connections=1),
    )


def delays(seconds: Mapping[str, float]) -> list[Observation]:
    """Runs in every network that ended after so many seconds; the others after none."""
    networks = ("off", Network.ANSWERS, *UNREACHABLE)
    return [
        seen(delay_name(network, repeat), ended=seconds.get(network, 0.0))
        for network in networks
        for repeat in range(REPEATS)
    ]


def with_headers(names: Sequence[str], **headers: str) -> list[Observation]:
    return [seen(name, headers=headers) for name in names]


DETECTORS = [f"ambient: OTEL_EXPERIMENTAL_RESOURCE_DETECTORS={n}" for n in ("process", "host", "*")]
HEADERS = [f"ambient: OTEL_EXPORTER_OTLP_{kind}HEADERS=x-zqx=ZqxToken" for kind in ("", "TRACES_")]
TRUST = [
    f"ambient: {name}={{authority}}"
    for name in (
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        "SSL_CERT_FILE",
    )
]
NETRC = ["netrc: for the collector", "netrc: default", "netrc: NETRC"]

# For each claim: what was seen, and what becomes of it.
OBSERVED: dict[str, tuple[Sequence[Observation | Line], Verdict]] = {
    "four-kinds": ([seen("call", message(added="zqx"))], NOT),
    "instance-id": ([seen("call", message(removed="service.instance.id"))], STALE),
    "their-table": ([seen("call", message(removed="params.low_memory"))], STALE),
    "canaries-in-place": ([seen("call"), seen("view")], NOT),
    "proxies": (with_headers(test_gate.PROXIED), NOT),
    "trust": ([seen("an authority that is not trusted"), *with_headers(TRUST)], NOT),
    "key-log": ([seen("keys: SSLKEYLOGFILE")], NOT),
    "netrc-another": (
        with_headers([NETRC[0], "netrc: for another"], Authorization="Basic Wm"),
        NOT,
    ),
    "netrc": (with_headers(["download", *NETRC]), STALE),
    "provider-first": ([seen("download"), seen("a provider that is there first")], STALE),
    "leaks-unset": (with_headers(["leaks", "leaks, unset", "download"]), NOT),
    "ambient-detectors": (with_headers(DETECTORS), STALE),
    "ambient-headers": (with_headers(HEADERS), STALE),
    "delay-none": (delays({Network.ANSWERS: 2.0}), NOT),
    "delay-errors": (delays({Network.NOT_FOUND: 2.0}), NOT),
    "delay-seconds": (delays({}), STALE),
    "delay-no-network": (delays({}), STALE),
    "delay-name-server": (delays({}), STALE),
    "files": ([Line("cli/other.py", 1, "sends")], NOT),
    "ways-out": ([Line("cli/view.py", 1, "imports socket, a way to the network")], NOT),
    "not-one-file": ([Line("cli/telemetry.py", 1, "adds to the span")], STALE),
}


def judged(
    claim: str, given: Sequence[Observation | Line], topics: Sequence[str] = ()
) -> Judgement:
    """Judge a claim by lines of code and observations of some topics, or of all it looks at."""
    [chosen] = [one for one in CLAIMS if one.id == claim]
    observations = [one for one in given if isinstance(one, Observation)]
    evidence = Evidence(
        observations=dict.fromkeys(topics or chosen.topics, observations),
        subcommands=(),
        settings=(),
        lines=[one for one in given if isinstance(one, Line)],
        setters={},
        dictionary=fields.load(),
        documented=table.load(),
        versions=table.load().provenance.versions,
    )
    return judge(chosen, evidence)


@pytest.mark.parametrize("claim", OBSERVED)
def test_a_judge_goes_red_for(claim: str) -> None:
    given, expected = OBSERVED[claim]
    assert judged(claim, given).verdict is expected


def test_a_message_that_cannot_be_read_and_a_run_that_died_are_no_verdicts() -> None:
    for odd in (seen("call", b"odd"), seen("call", fault="its supervisor ended with SIGKILL")):
        assert judged("instance-id", [odd]).verdict is VOID


def test_a_bit_that_all_identifiers_share_is_noticed() -> None:
    drawn = random.Random(7)
    documented = dict(table.load().table)
    old = {name: bytes.fromhex(documented[name]) for name in ("trace_id", "span_id")}
    bodies = []
    for _ in range(64):
        new = {name: drawn.randbytes(len(value)) for name, value in old.items()}
        new["trace_id"] = bytes([new["trace_id"][0] | 0x80]) + new["trace_id"][1:]
        body = message(removed="service.instance.id")
        for name, value in old.items():
            body = body.replace(value, new[name])
        bodies.append(body)
    runs = [seen(f"call {number}", body) for number, body in enumerate(bodies)]
    grounds = judged("random-identifiers", runs, topics=["commands"]).grounds
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
