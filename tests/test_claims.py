"""The gate: a stripepy whose telemetry is changed in any one way turns it red, with the finding."""

import json
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, Doctor, python
from telemetry import verification
from telemetry.claims import CLAIMS

Edits = dict[str, tuple[str, str]]

TELEMETRY = "cli/telemetry.py"
CALL, VIEW, PLOT, DOWNLOAD = (f"cli/{name}.py" for name in ("call", "view", "plot", "download"))

SPAN = "        return tracer.start_span("
LIST = "    if list_only:\n        _list_datasets()"
PARAMETER = '                "params.unit_test": unit_test,\n'
VIEWING = "        skip_telemetry = telem_span is None"
MACHINE = "HOST_ARCH: platform.machine(),"
EXPORTER = (
    '                    endpoint="https://stripepy-telemetry.paulsenlab.com:4319/v1/traces",\n'
    "                    timeout=5,\n"
)


def before(line: str, code: str) -> tuple[str, str]:
    """An edit that lets some code run before a line, at the same depth."""
    depth = line[: len(line) - len(line.lstrip())]
    return line, f"{depth}exec({code!r}, globals() | locals())\n{line}"


def gate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return python("scripts/telemetry_claims.py", *arguments, env=environment)


# Each: what is changed, the claim that has to notice, the finding's name, a part of its text, and
# the only subcommand that is run, where that is enough.
NOT, STALE, NOTHING = "claim-does-not-hold", "limit-no-longer-occurs", "nothing-observed"
MUTANTS: dict[str, tuple[Edits, str, str, str, str]] = {
    "a field is added": (
        {DOWNLOAD: (PARAMETER, PARAMETER + '                "params.zqx": 1,\n')},
        "fields", NOT, "undocumented-field: params.zqx", "download",
    ),
    "a field is removed": (
        {DOWNLOAD: (PARAMETER, "")},
        "fields", NOT, "documented-but-never-sent: params.unit_test", "download",
    ),
    "a field is renamed": (
        {DOWNLOAD: ('"params.unit_test"', '"params.unit"')},
        "fields", NOT, "undocumented-field: params.unit", "download",
    ),
    "a field has another type": (
        {DOWNLOAD: ('"params.unit_test": unit_test', '"params.unit_test": str(unit_test)')},
        "fields", NOT, "is of type string", "download",
    ),
    "a field has another value": (
        {CALL: ('"params.genomic_belt": genomic_belt', '"params.genomic_belt": genomic_belt + 1')},
        "parameters", NOT, "not the default 5000000", "call",
    ),
    "a field comes with one option only": (
        {DOWNLOAD: (PARAMETER, PARAMETER + '                **({"params.zqx": 1} if unit_test else {}),\n')},
        "options", NOT, "params.zqx", "download",
    ),
    "an option changes another field as well": (
        {VIEW: ('span.set_attribute("params.relative_change_threshold", relative_change_threshold)',
                'span.set_attribute("params.relative_change_threshold", relative_change_threshold + (coefficient_of_variation_threshold < 99))')},
        "options", NOT, "--coefficient-of-variation-threshold", "view",
    ),
    "an option is there that nobody can try": (
        {"cli/setup.py": ('        "--with-header",\n', '        "--zqx", type=lambda text: {}[text])\n    sc.add_argument(\n        "--with-header",\n')},
        "options", NOT, "--zqx` is an option that no experiment tries", "view",
    ),
    "a file's name leaks": (
        {TELEMETRY: (MACHINE, 'HOST_ARCH: __import__("sys").argv[-1],')},
        "nothing-planted", NOT, "the result's name: as it is", "view",
    ),
    "the working directory leaks, encoded": (
        {TELEMETRY: (MACHINE, 'HOST_ARCH: __import__("base64").b64encode(("x" + os.getcwd()).encode()).decode(),')},
        "nothing-planted", NOT, "the working directory: base64", "view",
    ),
    "the user's name leaks, hashed and cut short": (
        {TELEMETRY: (MACHINE, 'HOST_ARCH: __import__("hashlib").sha256(os.environ["USER"].encode()).hexdigest()[:16],')},
        "nothing-planted", NOT, "the user's name: sha256", "view",
    ),
    "the machine's name leaks in an identifier": (
        {TELEMETRY: (MACHINE, MACHINE + ' "service.instance.id": str(__import__("uuid").uuid5(__import__("uuid").NAMESPACE_DNS, platform.node())),')},
        "random-identifiers", NOT, "service.instance.id is", "download",
    ),
    "a value is not what the machine says": (
        {TELEMETRY: (MACHINE, 'HOST_ARCH: platform.machine()[::-1],')},
        "true-values", NOT, "host.arch", "download",
    ),
    "a header is added": (
        {TELEMETRY: (EXPORTER, EXPORTER + '                    headers={"x-zqx": "1"},\n')},
        "headers", NOT, "x-zqx", "download",
    ),
    "a second span is sent": (
        {TELEMETRY: before(SPAN, "tracer.start_span('zqx').end()")},
        "one-span", NOT, "sent 2 spans", "download",
    ),
    "an event is added": (
        {DOWNLOAD: before(LIST, "telem_span.add_event('zqx')")},
        "fields", NOT, "event.name", "download",
    ),
    "a second exporter sends to another host": (
        {TELEMETRY: before(SPAN, "provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint='https://zqx.example/')))")},
        "destination", NOT, "https://zqx.example/", "download",
    ),
    "the address is another": (
        {TELEMETRY: ("paulsenlab.com:4319", "zqx.example:4319")},
        "destination", NOT, "zqx.example", "download",
    ),
    "the connection is not encrypted": (
        {TELEMETRY: ('endpoint="https:', 'endpoint="http:')},
        "encrypted", NOTHING, "sent nothing", "download",
    ),
    "another certificate is trusted": (
        {TELEMETRY: (EXPORTER, EXPORTER + '                    certificate_file=__import__("certifi").where(),\n')},
        "certificate", NOT, "verify=", "download",
    ),
    "the time-out is longer": (
        {TELEMETRY: ("timeout=5", "timeout=50")}, "time-out", NOT, "waits 4", "download",
    ),
    "the message is not compressed": (
        {TELEMETRY: ("Compression.Gzip", "Compression.NoCompression")},
        "compressed", NOT, "bytes", "download",
    ),
    "something is fetched over HTTP": (
        {VIEW: before(VIEWING, "try: __import__('urllib.request').request.urlopen('https://zqx.example/')\nexcept Exception: pass")},
        "only-collector", NOT, "look-up of zqx.example", "view",
    ),
    "a name is looked up": (
        {VIEW: before(VIEWING, "try: __import__('socket').gethostbyname('zqx.example')\nexcept Exception: pass")},
        "only-collector", NOT, "look-up of zqx.example", "view",
    ),
    "a C library connects": (
        {VIEW: before(VIEWING, "import ctypes; c = ctypes.CDLL(None); c.connect(c.socket(2, 1, 0), b'\\x02\\x00\\x01\\xbb\\xc0\\x00\\x02\\x01' + bytes(8), 16)")},
        "only-collector", NOT, "had no way out", "view",
    ),
    "one switch is gone": (
        {TELEMETRY: ('elif "NO_TELEMETRY" in os.environ:', "elif False:")},
        "off-by-presence", NOT, "NO_TELEMETRY=", "download",
    ),
    "a switch is narrower": (
        {TELEMETRY: ('if "STRIPEPY_NO_TELEMETRY" in os.environ:', 'if os.environ.get("STRIPEPY_NO_TELEMETRY", "0") != "0":')},
        "off-by-presence", NOT, "STRIPEPY_NO_TELEMETRY=0", "download",
    ),
    "a switch is ignored by one subcommand": (
        {TELEMETRY: ('if "STRIPEPY_NO_TELEMETRY" in os.environ:', 'if subcommand != "view" and "STRIPEPY_NO_TELEMETRY" in os.environ:')},
        "off-by-presence", NOT, "stripepy view", "view",
    ),
    "a common switch is heeded": (
        {TELEMETRY: ('if "STRIPEPY_NO_TELEMETRY" in os.environ:', 'if {"STRIPEPY_NO_TELEMETRY", "DO_NOT_TRACK"} & {*os.environ}:')},
        "do-not-track", STALE, "rewrite the sentence in docs/", "download",
    ),
    "another variable is asked for": (
        {DOWNLOAD: before(LIST, "__import__('os').environ.get('STRIPEPY_EXTRA')")},
        "ambient-covered", NOT, "STRIPEPY_EXTRA", "download",
    ),
    "the text of an error is sent": (
        {TELEMETRY: ('"exception.message": ""', '"exception.message": str(exc)')},
        "redacted", NOT, "exception.message", "download",
    ),
    "the trace of an error is sent": (
        {TELEMETRY: (', "exception.stacktrace": ""', "")},
        "redacted", NOT, "exception.stacktrace", "view",
    ),
    "the class of an error is made up": (
        {TELEMETRY: ('attributes={"exception.message"', 'attributes={"exception.type": "zqx", "exception.message"')},
        "class-only", NOT, "which is no error", "view",
    ),
    "a failure is called a success": (
        {TELEMETRY: ("Status(StatusCode.ERROR))\n        span.record", "Status(StatusCode.OK))\n        span.record")},
        "status", NOT, "sent STATUS_CODE_OK", "download",
    ),
    "the run began earlier": (
        {TELEMETRY: ("            subcommand,\n            record", "            subcommand, start_time=10**18,\n            record")},
        "times", NOT, "ran from", "download",
    ),
    "an identifier is stored": (
        {VIEW: before(VIEWING, "p = pathlib.Path.home() / '.zqx'; p.write_text('1')")},
        "nothing-stored", NOT, ".zqx", "view",
    ),
    "an identifier is stored among temporary files": (
        {VIEW: before(VIEWING, "import tempfile; p = pathlib.Path(tempfile.gettempdir(), 'zqx'); p.write_text('1')")},
        "nothing-stored", NOT, "wrote t/zqx", "view",
    ),
    "the message cannot be read": (
        {TELEMETRY: before(SPAN, "from opentelemetry.exporter.otlp.proto.http import trace_exporter as t\nclass Odd:\n    SerializePartialToString = lambda self: b'odd'\nt.encode_spans = lambda spans: Odd()")},
        "one-span", NOTHING, "could not be judged", "view",
    ),
    "a process goes on": (
        {VIEW: before(VIEWING, "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(30); os._exit(0)")},
        "nothing-left-running", NOT, "left running", "view",
    ),
    "asking for the version sends": (
        {"main.py": before("    from stripepy.cli import setup, telemetry", "try: __import__('socket').gethostbyname('zqx.example')\nexcept Exception: pass")},
        "nothing-for-help", NOT, "look-up of zqx.example", "",
    ),
    "a collector that fails breaks the run": (
        {TELEMETRY: before(SPAN, "export = OTLPSpanExporter.export\ndef strict(self, spans):\n    if export(self, spans).value:\n        import os; os._exit(9)\nOTLPSpanExporter.export = strict")},
        "unreachable-same", NOT, "exit status 9", "download",
    ),
    "results depend on telemetry": (
        {VIEW: ("    try:\n        _configure_telemetry(", "    relative_change_threshold += 99 * (telem_span is None)\n    try:\n        _configure_telemetry(")},
        "same-results", NOT, "other output", "",
    ),
    "a known limit is mended": (
        {CALL: ('"params.contact_map_raw_interactions": normalization is None', '"params.contact_map_raw_interactions": normalization == "NONE"')},
        "raw-interactions", STALE, "rewrite the sentence in docs/", "call",
    ),
    "a typed name is no longer sent": (
        {DOWNLOAD: ('"unknown" if name is None else name', '"unknown"')},
        "typed-name", STALE, "rewrite the sentence in docs/", "download",
    ),
    "nothing is sent any more": (
        {TELEMETRY: ("    if no_telemetry:", "    if True:")},
        "off-by-presence", NOTHING, "the control", "download",
    ),
}  # fmt: skip

NEEDS_NAMESPACES = frozenset(
    {
        "a C library connects", "a collector that fails breaks the run",
        "the connection is not encrypted", "another certificate is trusted",
    }
)  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_the_gate_goes_red_when(doctor: Doctor, name: str) -> None:
    if name in NEEDS_NAMESPACES and not NAMESPACES:
        pytest.skip("this machine allows no network namespaces")
    edits, claim, kind, text, subcommand = MUTANTS[name]
    arguments = ["--only", claim, *(["--subcommand", subcommand] if subcommand else [])]
    run = gate(*arguments, PYTHONPATH=str(doctor(edits)))
    assert run.returncode == 1, run.stdout + run.stderr
    [finding] = [line for line in run.stdout.splitlines() if line.startswith(f"{kind}: {claim}")]
    assert text in finding


def _namespaces_are_allowed() -> bool:
    code = "from telemetry import sandbox; raise SystemExit(not sandbox.enter_empty())"
    return python("-c", code, folder=ROOT / "scripts").returncode == 0


NAMESPACES = _namespaces_are_allowed()


def test_the_gate_is_green_for_the_installed_program() -> None:
    run = gate("--only", "fields", "--only", "off-by-presence", "--subcommand", "view")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 claims (2 holds)" in run.stdout


def test_every_claim_is_in_the_published_verification_and_none_is_void() -> None:
    published = verification.load()
    assert [claim.id for claim in published.claims] == [claim.id for claim in CLAIMS]
    assert {claim.verdict for claim in published.claims} <= {
        "holds",
        "known limit",
        "not tried here",
    }


def test_the_published_schema_is_the_models_and_the_verification_keeps_to_it() -> None:
    import jsonschema

    schema = json.loads((ROOT / "assets/telemetry_claims.schema.json").read_text())
    assert json.loads(verification.render_schema()) == schema
    jsonschema.validate(json.loads((ROOT / "assets/telemetry_claims.json").read_text()), schema)


def test_a_claim_that_is_not_there_is_one_line_with_its_mend() -> None:
    run = gate("--only", "no-such-claim")
    assert run.returncode == 2
    assert run.stderr.splitlines() == [
        "error: no claim is called no-such-claim -- mend: python scripts/telemetry_claims.py --list"
    ]


def test_claims_are_listed_without_running_anything() -> None:
    run = gate("--list")
    assert run.returncode == 0
    assert len(run.stdout.splitlines()) == len(CLAIMS)


def test_a_run_that_differs_from_the_committed_one_is_outdated_and_writes_nothing(
    project: Path,
) -> None:
    path = project / "assets/telemetry_claims.json"
    document = json.loads(path.read_text())
    document["options"] = []
    path.write_text(json.dumps(document))
    code = (
        "import sys, telemetry_claims as t; from telemetry import verification as v;"
        " o = v.load(); n = o.model_copy(update={'options': [v.OptionResult("
        "subcommand='call', option='--zqx', fields=[])]});"
        " print(t._compare(n, write=False))"
    )
    run = python("-c", code, folder=project / "scripts")
    assert run.returncode == 0, run.stderr
    assert "--zqx" in run.stdout
    assert "outdated-claims" in run.stdout
    assert json.loads(path.read_text()) == document
