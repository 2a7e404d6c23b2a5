"""The gate: a stripepy whose telemetry is changed in any one way turns it red, with the reason.

One world serves all changed programs. Of each, only the runs are made that the judge needs to see
the change, and the judge decides in this process.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from conftest import Doctor, installed_stripepy, need
from telemetry.box.observing import observe
from telemetry.box.world import World
from telemetry.evidence import conditions, planted, verification
from telemetry.evidence.claims import CLAIMS
from telemetry.evidence.judging import Judgement, judge
from telemetry.evidence.surroundings import SURROUNDINGS
from telemetry.evidence.verification import Plan
from telemetry.records import table
from telemetry.records.claims import Verdict
from telemetry.records.runs import Run

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
OFF = 'if "STRIPEPY_NO_TELEMETRY" in os.environ:'
REACH_OUT = "try: __import__('socket').gethostbyname('zqx.example')\nexcept Exception: pass"


def before(line: str, code: str) -> tuple[str, str]:
    """An edit that lets some code run before a line, at the same depth."""
    depth = line[: len(line) - len(line.lstrip())]
    return line, f"{depth}exec({code!r}, globals() | locals())\n{line}"


TELLS_OF_HOME = before(
    VIEWING,
    "p = __import__('pathlib').Path.home()\ntry: (p / '.zqx').write_text('1'); (p / '.zqx').unlink()\nexcept OSError as e: telem_span.set_attribute('params.zqx', e.errno)",
)
NOT, STALE, VOID = Verdict.DOES_NOT_HOLD, Verdict.STALE, Verdict.VOID


@dataclass(frozen=True)
class Change:
    """A changed stripepy.

    Attributes:
        edits: What is changed, by file.
        claim: The claim that has to notice.
        text: A part of the reason.
        runs: Names of the runs that show it.
        verdict: What becomes of the claim.
    """

    edits: dict[str, tuple[str, str]]
    claim: str
    text: str
    runs: tuple[str, ...] = ("download",)
    verdict: Verdict = NOT


VIEWED = ("view",)
CALLED = ("call", "call .cool", "call .mcool")
LISTED = ("download", "in memory: download")
SWITCHED = (
    *("download", "switch: download STRIPEPY_NO_TELEMETRY=1"),
    *("view", "switch: view NO_TELEMETRY=no"),
)
TERMINAL, LOGIN, JOB, CONTAINER, TASK = SURROUNDINGS
WORKED = (
    *conditions.WORKS,
    *(conditions.switch_name(work, conditions.OFF) for work in conditions.WORKS),
)
DOWNLOADED = ("any", "off", "fetched by name", "fetched, off")

CHANGES = {
    "a field is added": Change(
        {DOWNLOAD: (PARAMETER, PARAMETER + '                "params.zqx": 1,\n')},
        "fields", "undocumented-field: params.zqx",
    ),
    "a field is removed": Change(
        {DOWNLOAD: (PARAMETER, "")},
        "fields", "documented-but-never-sent: params.unit_test",
    ),
    "a field is renamed": Change(
        {DOWNLOAD: ('"params.unit_test"', '"params.unit"')},
        "fields", "undocumented-field: params.unit",
    ),
    "a field has another type": Change(
        {DOWNLOAD: ('"params.unit_test": unit_test', '"params.unit_test": str(unit_test)')},
        "fields", "is of type string",
    ),
    "a network address is sent": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' "zqx": "at 198.51.100.7",')},
        "no-place", "198.51.100.7", ("download", f"{TERMINAL}: download"),
    ),
    "the language is sent": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' "zqx": os.environ.get("LANG", ""),')},
        "no-place", "zqx", ("download", f"{TERMINAL}: download"),
    ),
    "an event is added": Change(
        {DOWNLOAD: before(LIST, "telem_span.add_event('zqx')")}, "fields", "event.name",
    ),
    "the version of the scope is added": Change(
        {TELEMETRY: ('trace.get_tracer("stripepy")', 'trace.get_tracer("stripepy", "1")')},
        "fields", "undocumented-field: scope.version",
    ),
    "versions of more packages are sent": Change(
        {TELEMETRY: ('dep.name.startswith("opentelemetry")', "False")},
        "fields", "undocumented-field: dependency.opentelemetry",
    ),
    "a field comes with an option only": Change(
        {DOWNLOAD: (PARAMETER, PARAMETER + '                **({"params.zqx": 1} if unit_test else {}),\n')},
        "options", "params.zqx", ("download", "download: none so small", "option: download --unit-test"),
    ),
    "an option changes another field as well": Change(
        {VIEW: ('span.set_attribute("params.relative_change_threshold", relative_change_threshold)',
                'span.set_attribute("params.relative_change_threshold", relative_change_threshold + (coefficient_of_variation_threshold < 99))')},
        "options", "is sent as params.relative_change_threshold = ('38",
        ("view", "options of view together", "plot cm",
         "option: plot cm --relative-change-threshold 37",
         "option: plot cm --coefficient-of-variation-threshold 37"),
    ),
    "a field comes only when a download succeeds": Change(
        {DOWNLOAD: ('"params.dataset_format": "unknown" if format is None else format,',
                    '"params.dataset_format": "unknown" if format is None else format, "params.zqx": 1,')},
        "fields", "undocumented-field: params.zqx", ("download: fetched by name",),
    ),
    "a field comes only when a download without a name succeeds": Change(
        {DOWNLOAD: ('"params.dataset_format": "unknown" if format is None else format,',
                    '"params.dataset_format": "unknown" if format is None else format, **({} if "--name" in sys.argv else {"params.zqx": 1}),')},
        "fields", "undocumented-field: params.zqx", ("download: any, fetched",),
    ),
    "another host is asked for only when a download succeeds": Change(
        {DOWNLOAD: ('"unknown" if format is None else format,', f'"unknown" if format is None else (exec({REACH_OUT!r}), format)[1],')},
        "only-collector", "zqx.example", ("download: fetched by name",),
    ),
    "another version is told": Change(
        {TELEMETRY: ("SERVICE_VERSION: ", 'SERVICE_VERSION: "1.2.9" or ')},
        "true-values", "service.version",
    ),
    "a default is another": Change(
        {CALL: ('"params.genomic_belt": genomic_belt', '"params.genomic_belt": genomic_belt + 1')},
        "parameters", "not the default 5000000", CALLED,
    ),
    "a file's name leaks": Change(
        {TELEMETRY: (MACHINE, 'HOST_ARCH: __import__("sys").argv[-1],')},
        "nothing-planted", "the result's name: as it is", VIEWED,
    ),
    "the working directory leaks, encoded": Change(
        {TELEMETRY: (MACHINE, 'HOST_ARCH: __import__("base64").b64encode(("x" + os.getcwd()).encode()).decode(),')},
        "nothing-planted", "the working directory: base64", VIEWED,
    ),
    "the user's name leaks, hashed and cut short": Change(
        {TELEMETRY: (MACHINE, 'HOST_ARCH: __import__("hashlib").sha256(os.environ["USER"].encode()).hexdigest()[:16],')},
        "nothing-planted", "the user's name: sha256", VIEWED,
    ),
    "an identifier is made of the machine's name": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' "service.instance.id": str(__import__("uuid").uuid5(__import__("uuid").NAMESPACE_DNS, platform.node())),')},
        "random-identifiers", "service.instance.id has", ("download", "view"),
    ),
    "an identifier stays the same in a job": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({"service.instance.id": "0a1b2c3d-1111-4222-8333-444455556666"} if "SLURM_JOB_ID" in os.environ else {}),')},
        "random-identifiers", "service.instance.id has 0a1b2c3d", (f"{JOB}: download", f"{JOB}: view"),
    ),
    "identifiers of a machine share their beginning": Change(
        {TELEMETRY: ("TracerProvider(", "TracerProvider(id_generator=type('', (__import__('opentelemetry.sdk.trace.id_generator', fromlist=['']).RandomIdGenerator,), {'generate_trace_id': lambda self: (0xABCD1234 << 96) | __import__('random').getrandbits(96)})(), ")},
        "random-identifiers", "trace_id has abcd1234", ("download", "view"),
    ),
    "the result's name leaks, hashed with its extension": Change(
        {TELEMETRY: (MACHINE, 'HOST_ARCH: __import__("hashlib").blake2s(__import__("sys").argv[-1].encode()).hexdigest()[:14],')},
        "nothing-planted", "the result's name with .hdf5: blake2s", VIEWED,
    ),
    "a value is not what the machine says": Change(
        {TELEMETRY: (MACHINE, "HOST_ARCH: platform.machine()[::-1],")},
        "true-values", "host.arch",
    ),
    "a header is added": Change(
        {TELEMETRY: (EXPORTER, EXPORTER + '                    headers={"x-zqx": "1"},\n')},
        "headers", "x-zqx",
    ),
    "a second span is sent": Change(
        {TELEMETRY: before(SPAN, "tracer.start_span('zqx').end()")},
        "one-span", "sent 2 spans", LISTED,
    ),
    "a second exporter sends to another host": Change(
        {TELEMETRY: before(SPAN, "provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint='https://zqx.example/')))")},
        "destination", "zqx.example", LISTED,
    ),
    "another HTTP library sends as well": Change(
        {TELEMETRY: before(SPAN, "import urllib3, certifi\ntry: urllib3.PoolManager(retries=False).request('POST', 'https://stripepy-telemetry.paulsenlab.com:4319/v1/zqx', body=b'x')\nexcept Exception: pass")},
        "only-collector", "2 connections",
    ),
    "the address is another": Change(
        {TELEMETRY: ("paulsenlab.com:4319", "zqx.example:4319")},
        "destination", "zqx.example", LISTED,
    ),
    "the connection is not encrypted": Change(
        {TELEMETRY: ('endpoint="https:', 'endpoint="http:')},
        "encrypted", "sent nothing", verdict=VOID,
    ),
    "other certificates are trusted": Change(
        {TELEMETRY: (EXPORTER, EXPORTER + '                    certificate_file=__import__("certifi").where(),\n')},
        "destination", "certificate_file", LISTED,
    ),
    "certificates are not checked": Change(
        {TELEMETRY: before(SPAN, "import requests\nsend = requests.Session.send\nrequests.Session.send = lambda self, request, **rest: send(self, request, **{**rest, 'verify': False})")},
        "certificate", "messages came",
        ("download", "an authority that is not trusted", "a certificate for another name", "in memory: download"),
    ),
    "the time-out is longer": Change(
        {TELEMETRY: ("timeout=5", "timeout=9")},
        "time-out", "sets: 9", ("in memory: download", "delay: off, 1", "delay: off, 2", *(f"delay: the collector accepts and never answers, {n}" for n in (1, 2))),
    ),
    "the message is not compressed": Change(
        {TELEMETRY: ("Compression.Gzip", "Compression.NoCompression")}, "compressed", "bytes",
    ),
    "a redirect is followed": Change(
        {TELEMETRY: before(SPAN, "import requests\nsend = requests.Session.send\nrequests.Session.send = lambda self, request, **rest: send(self, request, **{**rest, 'allow_redirects': True})")},
        "redirect", "look-up of elsewhere.example", ("a redirect",),
    ),
    "something is fetched over HTTP": Change(
        {VIEW: before(VIEWING, "try: __import__('urllib.request').request.urlopen('https://zqx.example/')\nexcept Exception: pass")},
        "only-collector", "look-up of zqx.example", VIEWED,
    ),
    "a C library connects": Change(
        {VIEW: before(VIEWING, "import ctypes; c = ctypes.CDLL(None); c.connect(c.socket(2, 1, 0), b'\\x02\\x00\\x01\\xbb\\xc0\\x00\\x02\\x01' + bytes(8), 16)")},
        "only-collector", "192.0.2.1:443", VIEWED,
    ),
    "one switch is gone": Change(
        {TELEMETRY: ('elif "NO_TELEMETRY" in os.environ:', "elif False:")},
        "off-by-presence", "NO_TELEMETRY=0", (*SWITCHED, "plot cm", "switch: plot cm NO_TELEMETRY=0"),
    ),
    "a switch is narrower": Change(
        {TELEMETRY: (OFF, 'if os.environ.get("STRIPEPY_NO_TELEMETRY", "0") != "0":')},
        "off-by-presence", "STRIPEPY_NO_TELEMETRY=0", (*SWITCHED, "switch: download STRIPEPY_NO_TELEMETRY=0"),
    ),
    "a switch is ignored by one subcommand": Change(
        {TELEMETRY: (OFF, f'if subcommand != "view" and {OFF[3:]}')},
        "off-by-presence", "stripepy view", ("switch: view STRIPEPY_NO_TELEMETRY=1", *SWITCHED),
    ),
    "switched off, a name is looked up": Change(
        {TELEMETRY: before("    if no_telem_var is not None:", REACH_OUT)},
        "off-unmodified", "zqx.example", ("switch: view STRIPEPY_NO_TELEMETRY=1", *SWITCHED),
    ),
    "a download sends in spite of the switch": Change(
        {TELEMETRY: (OFF, f'if subcommand != "download" and {OFF[3:]}')},
        "off-download", "sent 1 messages", tuple(f"download: {name}" for name in DOWNLOADED),
    ),
    "a common switch is respected": Change(
        {TELEMETRY: (OFF, 'if {"STRIPEPY_NO_TELEMETRY", "DO_NOT_TRACK"} & {*os.environ}:')},
        "do-not-track", "sent 0 messages", ("call", "switch: call DO_NOT_TRACK=1 OTEL_TRACES_EXPORTER=none"), STALE,
    ),
    "OpenTelemetry's own switch is ignored": Change(
        {TELEMETRY: before("        provider = TracerProvider", "os.environ.pop('OTEL_SDK_DISABLED', None)")},
        "off-sdk-disabled", "reached out", ("download", "switch: download OTEL_SDK_DISABLED=TrUe"),
    ),
    "OpenTelemetry's own switch counts whatever its value": Change(
        {"opentelemetry/sdk/trace/__init__.py": ('disabled.lower().strip() == "true"', "bool(disabled)")},
        "off-sdk-disabled", "sent 0 messages", ("plot stripe-hist", "switch: plot stripe-hist OTEL_SDK_DISABLED=0"),
    ),
    "the sampler is ignored": Change(
        {TELEMETRY: before("        provider = TracerProvider", "os.environ.pop('OTEL_TRACES_SAMPLER', None)")},
        "off-sampler", "reached out", ("call", "switch: call OTEL_TRACES_SAMPLER=always_off"),
    ),
    "the choice of exporters is respected": Change(
        {TELEMETRY: (OFF, 'if os.environ.get("OTEL_TRACES_EXPORTER") == "none" or "STRIPEPY_NO_TELEMETRY" in os.environ:')},
        "exporter-none", "sent 0 messages", ("call", "switch: call DO_NOT_TRACK=1 OTEL_TRACES_EXPORTER=none"), STALE,
    ),
    "another variable is asked for": Change(
        {DOWNLOAD: before(LIST, "__import__('os').environ.get('STRIPEPY_EXTRA')")},
        "ambient-covered", "STRIPEPY_EXTRA", ("watched: download",),
    ),
    "a variable leads the message elsewhere": Change(
        {TELEMETRY: ('endpoint="https://stripepy-telemetry.paulsenlab.com:4319/v1/traces"',
                     'endpoint=os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://stripepy-telemetry.paulsenlab.com:4319/v1/traces")')},
        "ambient-no-others", "zqx.example",
        ("download", "ambient: all without an effect, 1", "ambient: all without an effect, 1, plot", "plot pd"),
    ),
    "the user's attributes are left out": Change(
        {TELEMETRY: before("        provider = TracerProvider", "os.environ.pop('OTEL_RESOURCE_ATTRIBUTES', None)")},
        "ambient-resource", "a new key is not sent", ("ambient: OTEL_RESOURCE_ATTRIBUTES=zqx.key=ZqxValue",), STALE,
    ),
    "the switch does not stop a leak": Change(
        {TELEMETRY: (OFF, f'if "OTEL_EXPORTER_OTLP_HEADERS" not in os.environ and {OFF[3:]}')},
        "leaks-off", "reached out", ("leaks", "leaks, switched off"),
    ),
    "the text of an error is sent": Change(
        {TELEMETRY: ('"exception.message": ""', '"exception.message": str(exc)')},
        "redacted", "exception.message", ("download: no such data set",),
    ),
    "the trace of an error is sent": Change(
        {TELEMETRY: (', "exception.stacktrace": ""', "")},
        "redacted", "exception.stacktrace", ("view: a damaged file",),
    ),
    "the class of an error is made up": Change(
        {TELEMETRY: ('attributes={"exception.message"', 'attributes={"exception.type": "zqx", "exception.message"')},
        "class-only", "which is no error", ("view: a damaged file",),
    ),
    "a failure is called a success": Change(
        {TELEMETRY: ("Status(StatusCode.ERROR))\n        span.record", "Status(StatusCode.OK))\n        span.record")},
        "status", "sent STATUS_CODE_OK", ("download: no such data set",),
    ),
    "a success has no status": Change(
        {TELEMETRY: ("            status = Status(StatusCode.OK)", "            return")},
        "status", "sent None", ("download",),
    ),
    "the run began earlier": Change(
        {TELEMETRY: ("            subcommand,\n            record", "            subcommand, start_time=10**18,\n            record")},
        "times", "ran from",
    ),
    "an identifier is stored": Change(
        {VIEW: before(VIEWING, "p = pathlib.Path.home() / '.zqx'; p.write_text('1')")},
        "nothing-stored", ".zqx", ("view", "watched: view"),
    ),
    "an identifier is stored among temporary files": Change(
        {VIEW: before(VIEWING, "import tempfile; p = pathlib.Path(tempfile.gettempdir(), 'zqx'); p.write_text('1')")},
        "nothing-stored", "wrote t/zqx", ("view", "watched: view"),
    ),
    "an identifier is stored in an input": Change(
        {VIEW: before(VIEWING, "import h5py\nwith h5py.File(h5_file, 'a') as file: file.attrs['zqx'] = 1")},
        "nothing-stored", "wrote ZqxFolder/ZqxResult.hdf5", ("view", "watched: view"),
    ),
    "an identifier is stored elsewhere": Change(
        {VIEW: before(VIEWING, "open('/tmp/zqx-elsewhere', 'w').close(); __import__('os').unlink('/tmp/zqx-elsewhere')")},
        "nothing-stored", "/tmp/zqx-elsewhere", ("view", "watched: view"),
    ),
    "the message cannot be read": Change(
        {TELEMETRY: before(SPAN, "from opentelemetry.exporter.otlp.proto.http import trace_exporter as t\nclass Odd:\n    SerializePartialToString = lambda self: b'odd'\nt.encode_spans = lambda spans: Odd()")},
        "one-span", "cannot be read", VIEWED, VOID,
    ),
    "a process goes on": Change(
        {VIEW: before(VIEWING, "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(30); os._exit(0)")},
        "nothing-left-running", "left running", VIEWED,
    ),
    "asking for the version sends": Change(
        {"main.py": before("    from stripepy.cli import setup, telemetry", REACH_OUT)},
        "nothing-for-help", "look-up of zqx.example", ("call", "--version alone"),
    ),
    "a worker sends as well": Change(
        {TELEMETRY: before(SPAN, "if '--nproc' in __import__('sys').argv: tracer.start_span('zqx').end(); provider.force_flush()")},
        "workers", "sent 2 messages", ("call", "option: call --nproc 2"),
    ),
    "Ctrl-C sends nothing": Change(
        {TELEMETRY: before(SPAN, "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)")},
        "interrupted", "sent 0 messages", ("download: SIGINT",),
    ),
    "SIGTERM sends": Change(
        {TELEMETRY: before(SPAN, "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))")},
        "killed", "exit status", ("download", "download: SIGTERM"),
    ),
    "a closed pipe is sent twice": Change(
        {DOWNLOAD: before(LIST, "import os; os._exit(0)")},
        "closed-pipe", "sent 0 messages", ("download: whoever reads its output has gone",),
    ),
    "a collector that fails breaks the run": Change(
        {TELEMETRY: before(SPAN, "export = OTLPSpanExporter.export\ndef strict(self, spans):\n    if export(self, spans).value:\n        import os; os._exit(9)\nOTLPSpanExporter.export = strict")},
        "unreachable-same", "exit status 9", ("delay: off, 1", "delay: the collector answers 500, 1"),
    ),
    "OpenTelemetry complains on the terminal": Change(
        {TELEMETRY: ('logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)', "pass")},
        "unreachable-same", "says", ("delay: off, 1", "delay: the connection is refused, 1"),
    ),
    "a result file says whether telemetry is on": Change(
        {"data_structures/result_file.py": before('        self._h5.attrs["creation-date"] =', "import os; self._h5.attrs['zqx'] = 'STRIPEPY_NO_TELEMETRY' in os.environ")},
        "same-results", ": files", WORKED,
    ),
    "results depend on telemetry": Change(
        {VIEW: ("    try:\n        _configure_telemetry(", "    relative_change_threshold += 99 * (telem_span is None)\n    try:\n        _configure_telemetry(")},
        "same-results", "other output", WORKED,
    ),
    "a known limit is mended": Change(
        {CALL: ('"params.contact_map_raw_interactions": normalization is None', '"params.contact_map_raw_interactions": normalization == "NONE"')},
        "raw-interactions", "expected false", ("call", "option: call --normalization NONE"), STALE,
    ),
    "a typed name is no longer sent": Change(
        {DOWNLOAD: ('"unknown" if name is None else name', '"unknown"')},
        "typed-name", "unknown", ("download: no such data set",), STALE,
    ),
    "the long name of plots sends parameters": Change(
        {PLOT: ('plot_type != "cm"', 'plot_type not in {"cm", "contact-map"}')},
        "long-name-of-plots", "sends parameters", ("plot cm", "plot contact-map"), STALE,
    ),
    "more is sent at a terminal": Change(
        {DOWNLOAD: (PARAMETER, PARAMETER + '                **({"params.zqx": 1} if sys.stdout.isatty() else {}),\n')},
        "surroundings", "adds `params.zqx`", ("download", f"{TERMINAL}: download"),
    ),
    "more is sent east of UTC": Change(
        {DOWNLOAD: (PARAMETER, PARAMETER + '                **({"params.zqx": 1} if time.timezone < -36000 else {}),\n')},
        "surroundings", "adds `params.zqx`", ("download", f"{TERMINAL}: download"),
    ),
    "more is sent in a job": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({"zqx": "1"} if "SLURM_JOB_ID" in os.environ else {}),')},
        "surroundings", "adds `zqx`", ("view", f"{JOB}: view"),
    ),
    "a parent's trace is joined": Change(
        {TELEMETRY: ("            subcommand,\n            record", "            subcommand, context=__import__('opentelemetry.propagate').propagate.extract({k.lower(): v for k, v in os.environ.items()}),\n            record")},
        "surroundings", "parent_span_id", ("download", f"{TASK}: download"),
    ),
    "more is sent where git knows an address": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({"zqx": "1"} if os.path.exists(os.path.expanduser("~/.gitconfig")) else {}),')},
        "surroundings", "adds `zqx`", ("view", f"{TERMINAL}: view"),
    ),
    "more is sent where a whole path is typed": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({"zqx": "1"} if __import__("sys").argv[-1].startswith("/") else {}),')},
        "surroundings", "adds `zqx`", ("view", f"{TASK}: view"),
    ),
    "more is sent under another user id": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({"zqx": "1"} if os.getuid() > 10000 else {}),')},
        "surroundings", "adds `zqx`", ("view", f"{CONTAINER}: view"),
    ),
    "more is sent in a container": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({"zqx": "1"} if os.path.exists("/.dockerenv") else {}),')},
        "surroundings", "adds `zqx`", ("view", f"{CONTAINER}: view"),
    ),
    "more is sent from a home that cannot be written": Change(
        {VIEW: TELLS_OF_HOME},
        "surroundings", "adds `params.zqx`", ("view", f"{JOB}: view"),
    ),
    "more is sent from a home that is full": Change(
        {VIEW: TELLS_OF_HOME},
        "surroundings", "adds `params.zqx`", ("view", f"{LOGIN}: view"),
    ),
    "more is sent where the disk is full": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({} if os.statvfs(".").f_bavail else {"zqx": "1"}),')},
        "fields", "undocumented-field: zqx", ("call", "call: the disk is full"),
    ),
    "more is sent through a proxy": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({"zqx": "1"} if "HTTPS_PROXY" in os.environ else {}),')},
        "fields", "undocumented-field: zqx", ("download", "proxy: HTTPS_PROXY"),
    ),
    "more is sent from a later year": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({"zqx": "1"} if __import__("time").time() > 19e8 else {}),')},
        "dates", "adds `zqx`", ("view", "on 2032-03-05: view"),
    ),
    "more is sent on a Sunday": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({"zqx": "1"} if __import__("time").gmtime()[6] == 6 else {}),')},
        "dates", "adds `zqx`", ("call", "on 2032-02-29: call"),
    ),
    "a switch is ignored in CI": Change(
        {TELEMETRY: (OFF, f'if "CI" not in os.environ and {OFF[3:]}')},
        "surroundings", "reached out", ("call", f"{CONTAINER}: call, off"),
    ),
    "a first run tells the second through a file": Change(
        {DOWNLOAD: before(LIST, "p = __import__('pathlib').Path.home() / '.zqx'\nif p.exists(): telem_span.set_attribute('params.zqx', 1)\np.touch()")},
        "second-run", "params.zqx", ("twice: download", "twice: view"),
    ),
    "state is kept out of Python's sight": Change(
        {VIEW: before(VIEWING, "import ctypes; c = ctypes.CDLL(None); c.close(c.creat(b'/var/tmp/zqx', 0o600))")},
        "nothing-stored", "/var/tmp/zqx", ("view", "watched: view"),
    ),
    "user and machine are hashed together": Change(
        {TELEMETRY: (MACHINE, 'HOST_ARCH: __import__("hashlib").sha256((os.environ["USER"] + "@" + platform.node()).encode()).hexdigest(),')},
        "nothing-planted", "joined by '@'", VIEWED,
    ),
    "a whole path is hashed": Change(
        {TELEMETRY: (MACHINE, 'HOST_ARCH: __import__("hashlib").md5(os.getcwd().encode()).hexdigest(),')},
        "nothing-planted", "a whole path: md5", VIEWED,
    ),
    "the HTTP library adds a header": Change(
        {"requests/sessions.py": ("        prep = self.prepare_request(req)", '        prep = self.prepare_request(req)\n        prep.headers["X-Zqx"] = "1"')},
        "headers", "x-zqx",
    ),
    "the SDK adds an attribute of the resource": Change(
        {"opentelemetry/sdk/resources/__init__.py": ('        TELEMETRY_SDK_LANGUAGE: "python",', '        TELEMETRY_SDK_LANGUAGE: "python", "zqx": "1",')},
        "fields", "undocumented-field: zqx",
    ),
    "without OpenTelemetry, a command fails": Change(
        {VIEW: before(VIEWING, "import opentelemetry.sdk")},
        "without-opentelemetry", "exit status", ("view", "without OpenTelemetry: view"),
    ),
    "state is kept in the home of the password file": Change(
        {VIEW: before(VIEWING, "import os, pwd; open(os.path.join(pwd.getpwuid(os.getuid()).pw_dir, 'zqx'), 'w').close()")},
        "nothing-stored", "zqx", ("view", "watched: view"),
    ),
    "state is kept as an empty folder": Change(
        {VIEW: before(VIEWING, "import ctypes; ctypes.CDLL(None).mkdir(b'/run/zqx', 0o700)")},
        "nothing-stored", "/run/zqx", ("view", "watched: view"),
    ),
    "a file of somebody else is touched": Change(
        {VIEW: before(VIEWING, "import os, sys; os.utime(os.path.dirname(os.__file__))")},
        "nothing-stored", "wrote", ("view", "watched: view"),
    ),
    "users are told": Change(
        {TELEMETRY: ('get_logger().debug("setting up', 'get_logger().info("setting up')},
        "no-notice", "names telemetry", ("view", "option: call --verbosity debug"), STALE,
    ),
    "users are told, at a terminal only": Change(
        {TELEMETRY: before('    structlog.get_logger().debug("setting up', "import sys; sys.stderr.isatty() and print('There is telemetry.', file=sys.stderr)")},
        "no-notice", "names telemetry", ("option: call --verbosity debug", "view", f"{TERMINAL}: view"), STALE,
    ),
    "view prints something else without OpenTelemetry": Change(
        {VIEW: before("    try:\n        _configure_telemetry(", "import importlib.util as u\ntry: import opentelemetry\nexcept ImportError: raise SystemExit(print())")},
        "without-opentelemetry", "prints something else", ("view", "without OpenTelemetry: view"),
    ),
    "the help names telemetry": Change(
        {"cli/setup.py": ('"--with-header",\n', '"--with-header", "--telemetry",\n')},
        "no-status-command", "names telemetry", ("view --help",), STALE,
    ),
    "the capture would show something else": Change(
        {TELEMETRY: (MACHINE, MACHINE + ' **({} if "record" in str(os.environ.get("STRIPEPY_CAPTURE_RECORD")) else {"zqx": "1"}),')},
        "same-every-way", "differ in ['zqx']", LISTED,
    ),
    "nothing is sent any more": Change(
        {TELEMETRY: ("    if no_telemetry:", "    if True:")},
        "off-by-presence", "the control", ("download", "switch: download STRIPEPY_NO_TELEMETRY=1"), VOID,
    ),
}  # fmt: skip

# One of each kind, for the tests that run before every commit.
QUICK = frozenset(
    {
        "a field is added",
        "a field comes only when a download succeeds",
        "an identifier is stored among temporary files",
        "the user's name leaks, hashed and cut short",
        "a switch is narrower",
        "a second exporter sends to another host",
        "a known limit is mended",
        "more is sent at a terminal",
        "more is sent on a Sunday",
        "state is kept out of Python's sight",
        "the HTTP library adds a header",
        "user and machine are hashed together",
        "identifiers of a machine share their beginning",
    }
)


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    need("namespaces")
    [exporter] = table.load().provenance.exporters
    with planted.planted_world(exporter["endpoint"]) as made:
        yield made


@pytest.fixture(scope="module")
def plan(here: World) -> Plan:
    return verification.make_plan(here)


def judged(here: World, plan: Plan, change: Change, folder: Path) -> Judgement:
    """Make the runs that show a change, with a changed stripepy, and let the judge decide."""
    data = Path(tempfile.mkdtemp(dir=here.files))
    if any("fetched" in name for name in change.runs):
        planted.change_data_sets(folder / "stripepy", data, here.files / "data")

    def path(run: Run) -> str:
        if run.changed == planted.CHANGED_DATA:
            return str(data)
        return os.pathsep.join([*filter(None, [run.environment.get("PYTHONPATH")]), str(folder)])

    topics = {
        topic: [
            replace(run, environment={**run.environment, "PYTHONPATH": path(run)})
            for run in runs
            if run.name in change.runs
        ]
        for topic, runs in plan.topics.items()
    }
    chosen = [run for runs in topics.values() for run in runs]
    assert {run.name for run in chosen} == set(change.runs)
    seen = observe(chosen, here)
    evidence = verification.evidence(
        plan,
        {topic: [seen[run.name] for run in runs] for topic, runs in topics.items()},
        [s for s in plan.subcommands if s.name in {run.subcommand for run in chosen}],
    )
    [claim] = [claim for claim in CLAIMS if claim.id == change.claim]
    return judge(claim, evidence)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CHANGES],
)
def test_the_gate_goes_red_when(here: World, plan: Plan, doctor: Doctor, name: str) -> None:
    change = CHANGES[name]
    if change.claim == "dates":
        need("faketime")
    judgement = judged(here, plan, change, doctor(change.edits))
    assert judgement.verdict is change.verdict, judgement.grounds
    assert any(change.text in ground for ground in judgement.grounds), judgement.grounds
    assert judgement.findings()


@pytest.mark.slow
def test_an_option_that_nobody_can_test_is_found(here: World, doctor: Doctor) -> None:
    old = '        "--with-header",\n'
    new = f'        "--zqx", type=lambda text: {{}}[text])\n    sc.add_argument(\n{old}'
    path = {"PYTHONPATH": str(doctor({"cli/setup.py": (old, new)}))}
    asking = replace(conditions.first()[0], environment=path)
    [view] = [
        subcommand
        for subcommand in conditions.subcommands(observe([asking], here)["the parser"].parser)
        if subcommand.name == "view"
    ]
    assert [option.values for option in view.options if option.flag == "--zqx"] == [()]


def test_the_gate_is_green_for_the_installed_program(here: World, plan: Plan) -> None:
    runs = ("download", "download: none so small", "download: fetched by name")
    unchanged = Change({}, "fields", "", runs, Verdict.HOLDS)
    judgement = judged(here, plan, unchanged, installed_stripepy().parent)
    assert (judgement.verdict, judgement.findings()) == (Verdict.HOLDS, [])
