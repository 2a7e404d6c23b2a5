"""The gate: any one change to StripePy's telemetry turns it red, for the right reason.

All changed programs share one world, and each has as many changes as do not hide each other. Only
the runs that show a program's changes are made, and the judges decide in this process.
"""

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from conftest import Doctor, Edit, need
from telemetry.box.observing import observe
from telemetry.box.world import World
from telemetry.evidence import conditions, planted, source_lines, subcommands, verification
from telemetry.evidence.claims import CLAIMS
from telemetry.evidence.judging import Evidence, Judgement, judge
from telemetry.evidence.surroundings import SURROUNDINGS
from telemetry.records import table
from telemetry.records.claims import Verdict
from telemetry.records.runs import Run

TELEMETRY = "cli/telemetry.py"
CALL, VIEW, PLOT, DOWNLOAD = (f"cli/{name}.py" for name in ("call", "view", "plot", "download"))

# Lines of StripePy that changes replace, or add something to.
SPAN = "        return tracer.start_span("
PROVIDER = "        provider = TracerProvider"
LIST = "    if list_only:\n        _list_datasets()"
PARAMETER = '                "params.list_only": list_only,\n'
FETCHED = '                "params.dataset_format":'
VIEWING = "        skip_telemetry = telem_span is None"
SETTING_UP = '    structlog.get_logger().debug("setting up'
EXPORTER = "                    timeout=5,\n"
OFF = '"STRIPEPY_NO_TELEMETRY" in os.environ:'

REACH_OUT = "try: __import__('socket').gethostbyname('zqx.example')\nexcept Exception: pass"


def before(file: str, line: str, code: str) -> Edit:
    """Run some code before a line, at the same indentation."""
    depth = line[: len(line) - len(line.lstrip())]
    return file, line, f"{depth}exec({code!r}, globals() | locals())\n{line}"


def attribute(name: str, condition: str = "True", value: str = '"1"') -> Edit:
    """Add an attribute to the resource, under some condition."""
    old = "            HOST_ARCH: platform.machine(),\n"
    return TELEMETRY, old, f'{old}            **({{"{name}": {value}}} if {condition} else {{}}),\n'


def parameter(name: str, condition: str, line: str = PARAMETER) -> Edit:
    """Have `download` send one more parameter, under some condition."""
    return (
        DOWNLOAD,
        line,
        f'                **({{"params.{name}": 1}} if {condition} else {{}}),\n{line}',
    )


def given(function: str, code: str) -> Edit:
    """Pass further arguments, such as `'verify': False`, to every call of a library function."""
    module = function.partition(".")[0]
    wrap = f"import {module}\nplain = {function}\n{function} = "
    return before(
        TELEMETRY,
        SPAN,
        f"{wrap}lambda *places, **rest: plain(*places, **{{**rest, {code}}})",
    )


TELLS_OF_HOME = before(
    VIEW, VIEWING,
    "p = __import__('pathlib').Path.home()\ntry: (p / '.zqx').write_text('1'); (p / '.zqx').unlink()\nexcept OSError as e: telem_span.set_attribute(f'params.home{e.errno}', 1)",
)  # fmt: skip
NOT, STALE, VOID = Verdict.DOES_NOT_HOLD, Verdict.STALE, Verdict.VOID


@dataclass(frozen=True)
class Change:
    """A change to StripePy."""

    edit: Edit  # what is changed
    claim: str  # the claim that has to notice it
    text: str  # part of the reason given, which no other change to the program causes
    runs: tuple[str, ...] = ("download",)  # names of the runs that show it
    verdict: Verdict = NOT  # the verdict on the claim


def more_in(surrounding: str, name: str, condition: str) -> Change:
    """Return a change that sends more in one of the surroundings."""
    runs = ("view", f"{surrounding}: view")
    return Change(attribute(name, condition), "surroundings", f"adds `{name}`", runs)


def stored(code: str, text: str) -> Change:
    """Return a change that makes `view` store something."""
    return Change(before(VIEW, VIEWING, code), "nothing-stored", text, STORED)


VIEWED = ("view",)
STORED = ("view", "watched: view")
VIEW_OPTIONS = ("view", "options of view together", "option: view --with-biodescriptors")
LISTED = ("download", "in memory: download")
NOTICED = ("view", "switch: view STRIPEPY_NO_TELEMETRY=1", "options of call together")
NO_SUCH_DATA = ("download: no such data set",)
UNTRUSTED = (
    "delay: the certificate's authority is not trusted, 1",
    "delay: the certificate is for another name, 1",
)
SWITCHED = ("download", "switch: download STRIPEPY_NO_TELEMETRY=1")
NOT_OFF = {
    name: conditions.switch_name(name, dict(zip(conditions.NOT_OFF, values, strict=True)))
    for name, *values in (
        ("call", "1", "1", "always_on", "none"),
        ("plot contact-map", "0", "0", "always_on", ""),
    )
}
TERMINAL, LOGIN, JOB, CONTAINER, TASK = SURROUNDINGS
WORKED = (
    *conditions.WORKS,
    *(conditions.switch_name(work, conditions.OFF) for work in conditions.WORKS),
)
PROXIED = (
    *(f"proxy: {n}" for n in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "NO_PROXY")),
    "delay: a proxy refuses to connect to the collector, 1",
)
FETCHING = ("download", "download: fetched by name")
DOWNLOADED = ("any", "off", "fetched by name", "fetched, off")
REFUSED, SILENT = "the connection is refused", "the collector accepts and never answers"

TOGETHER = {
    "one change of each kind": {
        "a field is added": Change(parameter("added", "True"), "fields", "undocumented-field: params.added"),
        "an identifier is stored among temporary files": stored(
            "import tempfile; p = pathlib.Path(tempfile.gettempdir(), 'zqx'); p.write_text('1')", "wrote t/zqx",
        ),
        "state is kept out of Python's sight": stored(
            "import ctypes; c = ctypes.CDLL(None); c.close(c.creat(b'/var/tmp/zqx', 0o600))", "/var/tmp/zqx",
        ),
        "the user's name leaks, hashed and cut short": Change(
            attribute("hashed", value='__import__("hashlib").sha256(os.environ["USER"].encode()).hexdigest()[:16]'),
            "nothing-planted", "the user's name: sha256", VIEWED,
        ),
        "user and machine are hashed together": Change(
            attribute("joined", value='__import__("hashlib").sha256((os.environ["USER"] + "@" + platform.node()).encode()).hexdigest()'),
            "nothing-planted", "joined by '@'", VIEWED,
        ),
        "a switch is narrower": Change(
            (TELEMETRY, OFF, 'os.environ.get("STRIPEPY_NO_TELEMETRY", "0") != "0":'),
            "off-by-presence", "STRIPEPY_NO_TELEMETRY=0", ("download", "switch: download STRIPEPY_NO_TELEMETRY=0"),
        ),
        "a known limit is lifted": Change(
            (CALL, '_interactions": normalization is None', '_interactions": normalization == "NONE"'),
            "raw-interactions", "expected ('false', 0)", ("call", "call .mcool"), STALE,
        ),
        "more is sent at a terminal": Change(
            parameter("terminal", "sys.stdout.isatty()"),
            "surroundings", "adds `params.terminal`", ("download", f"{TERMINAL}: download"),
        ),
        "the HTTP library adds a header": Change(
            ("requests/sessions.py", "        prep = self.prepare_request(req)", '        prep = self.prepare_request(req)\n        prep.headers["X-Zqx"] = "1"'),
            "headers", "x-zqx",
        ),
        "identifiers of a machine share their beginning": Change(
            (TELEMETRY, "TracerProvider(", "TracerProvider(id_generator=type('', (__import__('opentelemetry.sdk.trace.id_generator', fromlist=['']).RandomIdGenerator,), {'generate_trace_id': lambda self: (0xABCD1234 << 96) | __import__('random').getrandbits(96)})(), "),
            "random-identifiers", "trace_id has abcd1234", ("download", "view"),
        ),
    },
    "more is sent later": {
        "more is sent from a later year": Change(
            attribute("late", '__import__("time").time() > 19e8'),
            "dates", "adds `late`", ("view", "on 2034-06-15 20:59: view"),
        ),
        "more is sent on a leap day": Change(
            attribute("leap", '__import__("time").gmtime()[1:3] == (2, 29)'),
            "dates", "adds `leap`", ("plot pd", "on 2032-02-29 12:40: plot pd"),
        ),
    },
    "the message is another": {
        "a field is removed": Change(
            (DOWNLOAD, '                "params.end2end_test": end2end_test,\n', ""),
            "fields", "documented-but-never-sent: params.end2end_test",
        ),
        "a field has another type": Change(
            (DOWNLOAD, '"params.list_only": list_only', '"params.list_only": str(list_only)'),
            "fields", "is of type string",
        ),
        "an event is added": Change(before(DOWNLOAD, LIST, "telem_span.add_event('zqx')"), "fields", "event.name"),
        "a field comes with an option only": Change(
            parameter("option", "unit_test", '                "params.unit_test": unit_test,\n'),
            "options", "params.option", ("download", "download: none so small", "option: download --unit-test"),
        ),
        "an option changes another field as well": Change(
            (VIEW, 'span.set_attribute("params.relative_change_threshold", relative_change_threshold)',
             'span.set_attribute("params.relative_change_threshold", relative_change_threshold + (coefficient_of_variation_threshold < 99))'),
            "options", "is sent as params.relative_change_threshold = ['1.", VIEW_OPTIONS,
        ),
        "a field comes only with two options": Change(
            before(VIEW, VIEWING, "{'--with-header', '--with-biodescriptors'} <= {*__import__('sys').argv} and telem_span.set_attribute('params.both', 1)"),
            "options", "params.both", VIEW_OPTIONS,
        ),
        "a field comes only when a download for tests succeeds": Change(
            before(DOWNLOAD, "        return 0\n\n    if end2end_test:", "telem_span.set_attribute('params.tests', 1)"),
            "fields", "undocumented-field: params.tests", ("download: --unit-test, fetched",),
        ),
        "a field comes only when a download without a name succeeds": Change(
            parameter("anything", '"--name" not in sys.argv', FETCHED),
            "fields", "undocumented-field: params.anything", ("download: any, fetched",),
        ),
        "a field comes only with a normalisation that there is": Change(
            (CALL, '                "params.nproc": nproc,\n', '                "params.nproc": nproc, **({} if normalization == "NONE" else {"params.normalised": 1}),\n'),
            "fields", "undocumented-field: params.normalised", ("call .mcool",),
        ),
        "a data set's host is sent a name": Change(
            (DOWNLOAD, '        url = dset["url"]\n', '        url = dset["url"]; exec("try: urllib.request.urlopen(url, data=__import__(\'os\').environ[\'USER\'].encode())\\nexcept Exception: pass")\n'),
            "nothing-planted", "the user's name: as it is", FETCHING,
        ),
        "the name of a download's output is sent": Change(
            (DOWNLOAD, "_set_dset_name_telemetry(telem_span, dset_name, config", "_set_dset_name_telemetry(telem_span, str(dest), config"),
            "nothing-planted", "the plot's name: as it is", FETCHING,
        ),
        "a header is added once a download has succeeded": Change(
            before(DOWNLOAD, "    logger.info('successfully downloaded", "import requests\nsend = requests.Session.send\ndef more(self, request, **rest):\n    request.headers['x-fetched'] = '1'\n    return send(self, request, **rest)\nrequests.Session.send = more"),
            "headers", "x-fetched", FETCHING,
        ),
        "another host is asked for only when a download succeeds": Change(
            (DOWNLOAD, '"unknown" if format is None else format,', f'"unknown" if format is None else (exec({REACH_OUT!r}), format)[1],'),
            "only-collector", "zqx.example", ("download: fetched by name",),
        ),
        "switched off, a name is looked up": Change(
            before(TELEMETRY, '        structlog.get_logger().debug(f"detected', REACH_OUT),
            "off-unmodified", "zqx.example", SWITCHED,
        ),
        "a network address is sent": Change(
            attribute("address", value='"http://198.51.100.7:80/"'),
            "no-place", "198.51.100.7", ("download", f"{TERMINAL}: download"),
        ),
        "the language is sent": Change(
            attribute("language", value='os.environ.get("LANG", "")'),
            "no-place", "language", ("download", f"{TERMINAL}: download"),
        ),
        "another version is told": Change(
            (TELEMETRY, "SERVICE_VERSION: ", 'SERVICE_VERSION: "1.2.9" or '), "true-values", "service.version",
        ),
        "a value is not what the machine says": Change(
            (TELEMETRY, "platform.python_implementation()", "platform.python_implementation()[::-1]"),
            "true-values", "process.runtime.name",
        ),
        "a switch is ignored beside an option": Change(
            (TELEMETRY, OFF, f'"--dpi" not in __import__("sys").argv and {OFF}'),
            "off-by-presence", "stripepy plot cm", ("plot cm", "switch: plot cm STRIPEPY_NO_TELEMETRY=false"),
        ),
        "a default that StripePy fills in is another": Change(
            (VIEW, "coefficient_of_variation_threshold = math.nextafter(math.inf, 0)", "coefficient_of_variation_threshold = 535870086.0"),
            "parameters", "535870086", VIEWED,
        ),
        "more is sent with the user's own attributes": Change(
            attribute("uid", '"OTEL_RESOURCE_ATTRIBUTES" in os.environ'),
            "ambient-resource", "'uid'", ("download", "ambient: OTEL_RESOURCE_ATTRIBUTES=zqx.key=ZqxValue"), STALE,
        ),
        "a default is another": Change(
            (CALL, '"params.genomic_belt": genomic_belt', '"params.genomic_belt": genomic_belt + 1'),
            "parameters", "5000001, expected 5000000", ("call",),
        ),
        "a whole path is hashed": Change(
            attribute("path", value="__import__('hashlib').md5(os.getcwd().encode()).hexdigest()"),
            "nothing-planted", "a whole path: md5", VIEWED,
        ),
        "the message is not compressed": Change(
            (TELEMETRY, "Compression.Gzip", "Compression.NoCompression"), "compressed", "bytes",
        ),
        "the text of an error is sent": Change(
            (TELEMETRY, '"exception.message": ""', '"exception.message": str(exc)'),
            "redacted", "exception.message", NO_SUCH_DATA,
        ),
        "the class of an error is made up": Change(
            (TELEMETRY, 'attributes={"exception.message"', 'attributes={"exception.type": "zqx", "exception.message"'),
            "class-only", "not the class", ("view: a damaged file",),
        ),
        "a failure is called a success": Change(
            (TELEMETRY, "Status(StatusCode.ERROR))\n        span.record", "Status(StatusCode.OK))\n        span.record"),
            "status", "sent STATUS_CODE_OK", NO_SUCH_DATA,
        ),
        "the run began earlier": Change(
            (TELEMETRY, "            subcommand,\n            record", "            subcommand, start_time=10**18,\n            record"),
            "times", "ran from",
        ),
        "another variable is asked for": Change(
            before(DOWNLOAD, LIST, "__import__('os').environ.get('STRIPEPY_EXTRA')"),
            "ambient-covered", "STRIPEPY_EXTRA", ("watched: download", "ambient: SSLKEYLOGFILE={home}/ZqxKeys"),
        ),
        "a typed name is no longer sent": Change(
            (DOWNLOAD, '"unknown" if name is None else name', '"unknown"'), "typed-name", "unknown", NO_SUCH_DATA, STALE,
        ),
        "the long name of plots sends parameters": Change(
            (PLOT, 'plot_type != "cm"', 'plot_type not in {"cm", "contact-map"}'),
            "long-name-of-plots", "sends parameters", ("plot cm", "plot contact-map"), STALE,
        ),
        "users are told": Change(
            (TELEMETRY, SETTING_UP, SETTING_UP.replace("debug", "info")),
            "no-notice", "names telemetry", NOTICED, STALE,
        ),
        "the help names telemetry": Change(
            ("cli/setup.py", '"--with-header",\n', '"--with-header", "--telemetry",\n'),
            "no-status-command", "names telemetry", ("view --help",), STALE,
        ),
    },
    "more is sent in some surroundings": {
        "times hide an identifier in their nanoseconds": Change(
            (TELEMETRY, "set_status_on_exception=False,", "set_status_on_exception=False, start_time=__import__('time').time_ns() // 1000 * 1000 + 321,"),
            "random-identifiers", "start_time_unix_nano has 321 in", ("view", "download", "twice: view", "twice: download", "twice: plot"),
        ),
        "more is sent east of UTC": Change(
            parameter("east", "time.timezone < -36000"),
            "surroundings", "adds `params.east`", ("download", f"{TERMINAL}: download"),
        ),
        "more is sent in a job": more_in(JOB, "job", '"SLURM_JOB_ID" in os.environ'),
        "an identifier stays the same in a job": Change(
            attribute("service.instance.id", '"SLURM_JOB_ID" in os.environ', '"0a1b2c3d-1111-4222-8333-444455556666"'),
            "random-identifiers", "service.instance.id has 0a1b2c3d", (f"{JOB}: download", f"{JOB}: view"),
        ),
        "more is sent where git knows an address": more_in(TERMINAL, "git", 'os.path.exists(os.path.expanduser("~/.gitconfig"))'),
        "more is sent where no time zone is set": more_in(TASK, "zone", '"TZ" not in os.environ'),
        "more is sent where a whole path is typed": more_in(TASK, "typed", '__import__("sys").argv[-1].startswith("/")'),
        "more is sent under another user id": more_in(CONTAINER, "user", "os.getuid() > 10000"),
        "more is sent in a container": more_in(CONTAINER, "container", 'os.path.exists("/.dockerenv")'),
        "more is sent if a shell waits": more_in(TERMINAL, "shell", '"bash" in open(f"/proc/{os.getppid()}/comm").read()'),
        "more is sent if there is a pipe to read from": more_in(CONTAINER, "pipe", '__import__("stat").S_ISFIFO(os.fstat(0).st_mode)'),
        "more is sent if output goes to a pager": more_in(LOGIN, "pager", "os.isatty(0) and not os.isatty(1)"),
        "more is sent if processor time is limited": more_in(JOB, "limit", '__import__("resource").getrlimit(0)[0] > 0'),
        "more is sent if memory is limited": more_in(JOB, "memory", '__import__("resource").getrlimit(9)[0] > 0'),
        "more is sent from a home that cannot be written": Change(
            TELLS_OF_HOME, "surroundings", f"adds `params.home{errno.EROFS}`", ("view", f"{JOB}: view"),
        ),
        "more is sent from a home that is full": Change(
            TELLS_OF_HOME, "surroundings", f"adds `params.home{errno.ENOSPC}`", ("view", f"{LOGIN}: view"),
        ),
        "more is sent where the disk is full": Change(
            attribute("full", 'not os.statvfs(".").f_bavail'),
            "fields", "undocumented-field: full", ("call", "call: the disk is full"),
        ),
        "more is sent through a proxy": Change(
            attribute("proxy", '"HTTPS_PROXY" in os.environ'),
            "fields", "undocumented-field: proxy", ("download", "proxy: HTTPS_PROXY"),
        ),
        "the choice of exporters is respected": Change(
            (TELEMETRY, OFF, f'os.environ.get("OTEL_TRACES_EXPORTER") == "none" or {OFF}'),
            "exporter-none", "sends nothing", ("call", NOT_OFF["call"]), STALE,
        ),
        "one switch is gone": Change(
            (TELEMETRY, 'elif "NO_TELEMETRY" in os.environ:', "elif False:"),
            "off-by-presence", "`NO_TELEMETRY=0", (*SWITCHED, "plot contact-map", "switch: plot contact-map NO_TELEMETRY=0"),
        ),
        "the switch does not stop a leak": Change(
            (TELEMETRY, OFF, f'"OTEL_EXPORTER_OTLP_HEADERS" not in os.environ and {OFF}'),
            "leaks-off", "reached out", ("leaks", "leaks, switched off"),
        ),
        "a switch is ignored in CI": Change(
            (TELEMETRY, OFF, f'"CI" not in os.environ and {OFF}'),
            "surroundings", "reached out", ("call", f"{CONTAINER}: call, off"),
        ),
        "the user's attributes are left out": Change(
            before(TELEMETRY, PROVIDER, "os.environ.pop('OTEL_RESOURCE_ATTRIBUTES', None)"),
            "ambient-resource", "a new key is not sent", ("download", "ambient: OTEL_RESOURCE_ATTRIBUTES=zqx.key=ZqxValue"), STALE,
        ),
        "a variable leads the message elsewhere": Change(
            (TELEMETRY, 'endpoint="https://stripepy-telemetry.paulsenlab.com:4319/v1/traces"',
             'endpoint=os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://stripepy-telemetry.paulsenlab.com:4319/v1/traces")'),
            "ambient-no-others", "zqx.example",
            ("download", "ambient: all without an effect", "ambient: all without an effect, plot pd", "plot pd"),
        ),
        "certificates are not checked": Change(
            given("requests.Session.send", "'verify': False"), "certificate", "messages came",
            ("download", *UNTRUSTED),
        ),
        "the order of headers tells something": Change(
            before(TELEMETRY, SPAN, "import requests\nsend = requests.Session.send\ndef turned(self, request, **rest):\n    request.headers = requests.structures.CaseInsensitiveDict(reversed([*request.headers.items()])) if subcommand == 'view' else request.headers\n    return send(self, request, **rest)\nrequests.Session.send = turned"),
            "headers", "the order of headers differs", ("download", "view"),
        ),
        "a redirect is followed": Change(
            given("requests.Session.send", "'allow_redirects': True"), "redirect", "look-up of elsewhere.example", ("a redirect",),
        ),
        "a result file says whether telemetry is on": Change(
            before("data_structures/result_file.py", '        self._h5.attrs["creation-date"] =', "import os; self._h5.attrs['zqx'] = 'STRIPEPY_NO_TELEMETRY' in os.environ"),
            "same-results", ": files", WORKED,
        ),
        "results depend on telemetry": Change(
            (VIEW, "    try:\n        _configure_telemetry(", "    relative_change_threshold += 99 * (telem_span is None)\n    try:\n        _configure_telemetry("),
            "same-results", "other output", WORKED,
        ),
        "without OpenTelemetry, a command fails": Change(
            before(VIEW, VIEWING, "import opentelemetry.sdk"),
            "without-opentelemetry", "exit status", ("view", "without OpenTelemetry: view"),
        ),
    },
    "something is stored, or goes on, or is joined": {
        "a run that is ended leaves a file": Change(
            before(TELEMETRY, SPAN, "import os, pathlib, signal\ndef keep(number, frame):\n    pathlib.Path.home().joinpath('.ended').touch()\n    signal.signal(number, signal.SIG_DFL); os.kill(os.getpid(), number)\nsignal.signal(signal.SIGTERM, keep)"),
            "nothing-stored", ".ended", (*STORED, "call: SIGTERM"),
        ),
        "a cookie of the collector is kept": Change(
            before(TELEMETRY, SPAN, "import pathlib, requests\nsend = requests.Session.send\ndef kept(self, request, **rest):\n    answer = send(self, request, **rest)\n    answer.cookies and pathlib.Path.home().joinpath('.cookie').touch()\n    return answer\nrequests.Session.send = kept"),
            "nothing-stored", ".cookie", STORED,
        ),
        "a file lies beside the cache of a module": stored(
            "pathlib.Path(__file__).with_name('__pycache__').joinpath('telemetry.zqx').write_text('1')", "telemetry.zqx",
        ),
        "a plot leaves what looks like a list of fonts": Change(
            before(PLOT, '    logger.info("DONE!")', "p = __import__('pathlib').Path.home() / 'fontlist-me.json'; p.write_text('1')"),
            "nothing-stored", "fontlist-me.json", (*STORED, "plot pd"),
        ),
        "a plot leaves what looks like a result": Change(
            before(PLOT, '    logger.info("DONE!")', "__import__('pathlib').Path('ZqxMatrix.10000.hdf5').write_text('1')"),
            "nothing-stored", "ZqxMatrix.10000.hdf5", (*STORED, "plot pd"),
        ),
        "an identifier is stored in an input": stored(
            "import h5py\nwith h5py.File(h5_file, 'a') as file: file.attrs['zqx'] = 1", f"wrote {planted.NAMES.work}/ZqxResult.hdf5",
        ),
        "an identifier is stored elsewhere": stored(
            "open('/tmp/zqx-elsewhere', 'w').close(); __import__('os').unlink('/tmp/zqx-elsewhere')", "/tmp/zqx-elsewhere",
        ),
        "an identifier is stored when a download succeeds": Change(
            before(DOWNLOAD, "    logger.info('successfully downloaded", "pathlib.Path.home().joinpath('.fetched').touch()"),
            "nothing-stored", ".fetched", (*STORED, *FETCHING),
        ),
        "that telemetry is off is stored": Change(
            (TELEMETRY, '        no_telem_var = "NO_TELEMETRY"\n', '        no_telem_var = "NO_TELEMETRY"; __import__("pathlib").Path.home().joinpath(".off").touch()\n'),
            "nothing-stored", ".off", (*STORED, "switch: view NO_TELEMETRY=no"),
        ),
        "an identifier is stored beside the working directory": stored("pathlib.Path.cwd().parent.joinpath('.beside').touch()", "/.beside"),
        "the system's log is told": stored("__import__('syslog').syslog('zqx')", "the system's log"),
        "a data set's name is another": Change(
            (DOWNLOAD, '"unknown" if name is None else name', '"unknown" if list_only or name else __import__("sys").prefix'),
            "parameters", "sends params.dataset_name = /", ("download", "download: none so small"),
        ),
        "state is kept in the home of the password file": stored(
            "import os, pwd; open(os.path.join(pwd.getpwuid(os.getuid()).pw_dir, 'known'), 'w').close()", "known",
        ),
        "state is kept as an empty folder": stored("import ctypes; ctypes.CDLL(None).mkdir(b'/run/empty', 0o700)", "/run/empty"),
        "state is kept in memory that processes share": stored("__import__('ctypes').CDLL(None).shmget(7, 64, 0o1600)", "/proc/sysvipc/shm"),
        "a file of somebody else is touched": stored("import os, sys; os.utime(os.path.dirname(os.__file__))", str(Path(os.__file__).parent)),
        "a first run tells the second through a file": Change(
            before(DOWNLOAD, LIST, "p = __import__('pathlib').Path.home() / '.zqx'\nif p.exists(): telem_span.set_attribute('params.zqx', 1)\np.touch()"),
            "second-run", "params.zqx", ("twice: download", "twice: view"),
        ),
        "the header of gzip holds a name": Change(
            given("gzip.GzipFile", "'filename': 'zqx'"),
            "compressed", "which hold more", VIEWED,
        ),
        "an identifier is stored in a database": stored(
            "import os, sqlite3; sqlite3.connect(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'zqx.db')).execute('create table if not exists zqx (id)')", "zqx.db",
        ),
        "a parent's trace is joined": Change(
            (TELEMETRY, "            subcommand,\n            record", "            subcommand, context=__import__('opentelemetry.propagate').propagate.extract({k.lower(): v for k, v in os.environ.items()}),\n            record"),
            "surroundings", "parent_span_id", ("download", f"{TASK}: download"),
        ),
        "times hide an identifier": Change(
            (TELEMETRY, "record_exception=False,", "start_time=__import__('time').time_ns() // 10**6 * 10**6 + 123456, record_exception=False,"),
            "random-identifiers", "start_time_unix_nano has 123456", ("view", "download", "twice: view"),
        ),
        "a process goes on": Change(
            before(VIEW, VIEWING, "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(30); os._exit(0)"),
            "nothing-left-running", "left running", VIEWED,
        ),
        "a C library connects": Change(
            before(VIEW, VIEWING, "import ctypes; c = ctypes.CDLL(None); c.connect(c.socket(2, 1, 0), b'\\x02\\x00\\x01\\xbb\\xc0\\x00\\x02\\x01' + bytes(8), 16)"),
            "only-collector", "192.0.2.1:443", VIEWED,
        ),
        "somebody is pinged": Change(
            before(VIEW, VIEWING, "__import__('socket').socket(2, 2, 1).sendto(b'\\x08\\0' + bytes(6), ('192.0.2.1', 0))"),
            "only-collector", "192.0.2.1, as a ping", VIEWED,
        ),
        "a datagram goes to the collector": Change(
            before(VIEW, VIEWING, "__import__('socket').socket(2, 2).sendto(b'zqx', ('127.0.0.1', 4319))"),
            "only-collector", "connection to 127.0.0.1:4319", VIEWED,
        ),
        "more than a query goes to the name server": Change(
            before(VIEW, VIEWING, "__import__('socket').socket(2, 2).sendto(b'zqx', ('127.0.0.1', 53))"),
            "only-collector", "no DNS query", VIEWED,
        ),
    },
    "switches do something else": {
        "an identifier is made of the hardware address": Change(
            attribute("hardware", value='"%012x" % __import__("uuid").getnode()'),
            "nothing-planted", "hardware address, without colons: as it is", VIEWED,
        ),
        "times are those of the clock on the wall": Change(
            ("opentelemetry/sdk/trace/__init__.py", "from time import time_ns\n", "import calendar, time as clock\ndef time_ns():\n    now = clock.time_ns()\n    return calendar.timegm(clock.localtime(now // 10**9)) * 10**9 + now % 10**9\n"),
            "times", "ran from", ("view", f"{TERMINAL}: view"),
        ),
        "switched off, plots are worse": Change(
            (PLOT, "dpi=dpi)", 'dpi=10 if "STRIPEPY_NO_TELEMETRY" in __import__("os").environ and plot_type != "pd" else dpi)'),
            "off-by-presence", ": files", ("plot cm", "switch: plot cm STRIPEPY_NO_TELEMETRY=1"),
        ),
        "it is said that OpenTelemetry is missing": Change(
            (TELEMETRY, 'debug(f"failed to setup', 'warning(f"failed to setup'),
            "without-opentelemetry", "other messages", ("view", "without OpenTelemetry: view"),
        ),
        "more is sent of an input that is no link": Change(
            before(VIEW, VIEWING, "h5_file.is_symlink() or telem_span is None or telem_span.set_attribute('params.size', 7)"),
            "fields", "undocumented-field: params.size", VIEWED,
        ),
        "a version is made up": Change(
            (VIEW, '"params.result_file_format_version": h5_version', '"params.result_file_format_version": h5_version + 700'),
            "fields", "does not match", VIEWED,
        ),
        "more is sent of a plot in another format": Change(
            before(PLOT, '    logger.info("DONE!")', "output_name.suffix == '.png' or telem_span is None or telem_span.set_attribute('params.form', output_name.suffix)"),
            "fields", "undocumented-field: params.form", ("plot pseudodistribution",),
        ),
        "a plot does not say which": Change(
            (PLOT, '        span.update_name(f"plot {plot_type}")', "        pass"),
            "true-values", "is named 'plot'", ("plot hist",),
        ),
        "the class of an error is that of its cause": Change(
            (TELEMETRY, "span.record_exception(exc,", "span.record_exception(exc.__cause__ or exc.__context__ or exc,"),
            "class-only", "and shows", NO_SUCH_DATA,
        ),
        "a proxy that refuses is left aside": Change(
            ("opentelemetry/exporter/http/transport/_requests.py", "            return RequestsHTTPResult(error=error)", "            self._session.trust_env = type(error).__name__ != 'ProxyError'\n            return RequestsHTTPResult(error=error)"),
            "proxies", "refuses to connect to the collector, 1: looked up", PROXIED,
        ),
        "a header is added where certificates are those of the system": Change(
            ("requests/sessions.py", "        prep = self.prepare_request(req)", "        prep = self.prepare_request(req)\n        if 'REQUESTS_CA_BUNDLE' not in os.environ: prep.headers['X-System'] = '1'"),
            "ambient-no-others", "what CURL_CA_BUNDLE changes: ['header', 'trust']", ("download", "ambient: CURL_CA_BUNDLE={authority}"),
        ),
        "more is sent if a time-out is set": Change(
            attribute("waits", '"OTEL_EXPORTER_OTLP_TIMEOUT" in os.environ'),
            "ambient-no-others", "what OTEL_EXPORTER_OTLP_TIMEOUT changes", ("download", "ambient: all without an effect"),
        ),
        "a variable counts for one subcommand": Change(
            before(CALL, "    if force:", "telem_span is None or 'MPLBACKEND' in __import__('os').environ and telem_span.set_attribute('params.backend', 1)"),
            "ambient-no-others", "what MPLBACKEND changes", ("download", "call", "ambient: all without an effect, call"),
        ),
        "a collector that cannot be reached is told of": Change(
            before(TELEMETRY, SPAN, "import sys\nexport = OTLPSpanExporter.export\ndef told(self, spans):\n    result = export(self, spans)\n    result.value and subcommand != 'download' and print('Usage could not be counted.', file=sys.stderr)\n    return result\nOTLPSpanExporter.export = told"),
            "same-results", "other messages", (*WORKED, "results: view, the certificate is for another name"),
        ),
        "the capture would show something else": Change(
            attribute("unobserved", '"record" not in str(os.environ.get("STRIPEPY_CAPTURE_RECORD"))'),
            "same-every-way", "removes `unobserved`", LISTED,
        ),
        "a common switch is respected": Change(
            (TELEMETRY, OFF, f'"DO_NOT_TRACK" in os.environ or {OFF}'),
            "do-not-track", "sends nothing", ("call", NOT_OFF["call"]), STALE,
        ),
        "what no certificate protects is sent in the clear": Change(
            ("opentelemetry/exporter/otlp/common/http.py", "                self._endpoint,\n                headers", "                self._endpoint.replace('https:', 'http:') if 'CERTIFICATE_VERIFY' in str(result.error) else self._endpoint,\n                headers"),
            "encrypted", "in the clear came", ("download", *UNTRUSTED),
        ),
        "a data set's host is told more": Change(
            (DOWNLOAD, 'url = dset["url"]', 'url = dset["url"] + "&zqx=1"'),
            "data-requests", "download=1&zqx=1", FETCHING,
        ),
        "a download sends in spite of the switch": Change(
            (TELEMETRY, OFF, f'subcommand != "download" and {OFF}'),
            "off-download", "'a connection'", tuple(f"download: {name}" for name in DOWNLOADED),
        ),
        "OpenTelemetry's own switch is ignored": Change(
            before(TELEMETRY, PROVIDER, "os.environ.pop('OTEL_SDK_DISABLED', None)"),
            "off-sdk-disabled", "reached out", ("download", "switch: download OTEL_SDK_DISABLED=TrUe"),
        ),
        "the sampler is ignored": Change(
            before(TELEMETRY, PROVIDER, "os.environ.pop('OTEL_TRACES_SAMPLER', None)"),
            "off-sampler", "reached out", ("call", "switch: call OTEL_TRACES_SAMPLER=always_off"),
        ),
    },
    "runs end otherwise": {
        "it is said when a download has succeeded": Change(
            before(DOWNLOAD, "    logger.info('successfully downloaded", "telem_span is None or print('Usage is counted.', file=__import__('sys').stderr)"),
            "off-download", "ends with and says", tuple(f"download: {name}" for name in DOWNLOADED),
        ),
        "two switches are none": Change(
            (TELEMETRY, f"    if {OFF}", f'    if {{"STRIPEPY_NO_TELEMETRY", "NO_TELEMETRY"}} <= os.environ.keys():\n        no_telem_var = None\n    elif {OFF}'),
            "leaks-off", "reached out", ("leaks", "leaks, switched off", "leaks, switched off twice"),
        ),
        "the switch is one among others": Change(
            (TELEMETRY, OFF, f'os.environ.get("OTEL_SDK_DISABLED") != "false" and {OFF}'),
            "leaks-off", "reached out", ("leaks", "leaks, switched off"),
        ),
        "another data set is named": Change(
            (DOWNLOAD, '_set_dset_name_telemetry(telem_span, dset_name, config.get("format"))', '_set_dset_name_telemetry(telem_span, sorted(_get_datasets(max_size, include_private))[0], "cool")'),
            "data-requests", "sends of the data set", FETCHING,
        ),
        "times hide an identifier in their milliseconds": Change(
            (TELEMETRY, "record_exception=False,", "start_time=(t := __import__('time').time_ns()) // 10**9 * 10**9 + 321 * 10**6 + t % 10**6, record_exception=False,"),
            "random-identifiers", "start_time_unix_nano has 321 in", ("view", "download", "twice: view", "twice: download", "twice: plot"),
        ),
        "the order of fields tells something": Change(
            (DOWNLOAD, PARAMETER, f'                **({{"params.unit_test": True}} if unit_test else {{}}),\n{PARAMETER}'),
            "fields", "in the order", ("download", "option: download --unit-test"),
        ),
        "a column has another name": Change(
            before(VIEW, VIEWING, "set_attributes = telem_span.set_attributes\ntelem_span.set_attributes = lambda values: set_attributes({**values, 'params.columns': ['zqx']})"),
            "parameters", "columns of", ("call", "call .cool", "call .mcool", "download", "options of view together"),
        ),
        "there is a notice in other words": Change(
            before(VIEW, VIEWING, "telem_span is None or print('Usage is counted.', file=__import__('sys').stderr)"),
            "no-notice", "says something else without", NOTICED, STALE,
        ),
        "Ctrl-C sends nothing": Change(
            before(TELEMETRY, SPAN, "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"),
            "interrupted", "sent 0 messages", ("download: SIGINT",),
        ),
        "SIGTERM sends": Change(
            before(TELEMETRY, SPAN, "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))"),
            "killed", "exit status", ("download", "call: SIGTERM"),
        ),
        "a worker sends as well": Change(
            before(TELEMETRY, SPAN, "if '--nproc' in __import__('sys').argv: tracer.start_span('zqx').end(); provider.force_flush()"),
            "workers", "sent 2 messages", ("call", "options of call together"),
        ),
        "asking for the version sends": Change(
            before("main.py", "    from stripepy.cli import setup, telemetry", f"if sys.stdout.isatty(): exec({REACH_OUT!r})"),
            "nothing-for-help", "look-up of zqx.example", ("call", "--version alone"),
        ),
        "the time-out is longer": Change(
            (TELEMETRY, "timeout=5", "timeout=9"),
            "time-out", "it waited", (f"delay: {SILENT}, 1",),
        ),
        "more is sent if the collector fails": Change(
            before(TELEMETRY, SPAN, "export = OTLPSpanExporter.export\ndef again(self, spans):\n    result = export(self, spans)\n    if result.value:\n        spans[0]._attributes = {**spans[0]._attributes, 'params.again': 1}\n        export(self, spans)\n    return result\nOTLPSpanExporter.export = again"),
            "fields", "undocumented-field: params.again", ("delay: the collector answers 404, 1",),
        ),
        "what is refused goes to another address": Change(
            before(TELEMETRY, SPAN, "import requests\nsend = requests.Session.send\ndef twice(self, request, **rest):\n    answer = send(self, request, **rest)\n    if answer.status_code == 400:\n        request.url = request.url.replace('v1', 'v2')\n        answer = send(self, request, **rest)\n    return answer\nrequests.Session.send = twice"),
            "destination", "/v2/traces", (*LISTED, "delay: the collector answers 400, 1"),
        ),
        "a collector that fails breaks the run": Change(
            before(TELEMETRY, SPAN, "export = OTLPSpanExporter.export\ndef strict(self, spans):\n    if export(self, spans).value:\n        import os; os._exit(9)\nOTLPSpanExporter.export = strict"),
            "unreachable-same", "answers 500, 1): exit status: 9", ("delay: off, 1", "delay: the collector answers 500, 1"),
        ),
        "OpenTelemetry complains on the terminal": Change(
            (TELEMETRY, 'logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)', "pass"),
            "unreachable-same", "Connection refused", ("delay: off, 1", f"delay: {REFUSED}, 1"),
        ),
    },
}  # fmt: skip

ALONE = {
    "a second exporter sends to another host": Change(
        before(TELEMETRY, SPAN, "provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint='https://zqx.example/')))"),
        "destination", "zqx.example", LISTED,
    ),
    "OpenTelemetry's own switch counts whatever its value": Change(
        ("opentelemetry/sdk/trace/__init__.py", 'disabled.lower().strip() == "true"', "bool(disabled)"),
        "off-sdk-disabled", "sends nothing", ("plot contact-map", NOT_OFF["plot contact-map"]),
    ),
    "another name is told before the connection is encrypted": Change(
        ("requests/adapters.py", "            **pool_kwargs,", "            server_hostname='zqx.example', assert_hostname='stripepy-telemetry.paulsenlab.com', **pool_kwargs,"),
        "only-collector", "called zqx.example",
    ),
    "a second span is sent": Change(before(TELEMETRY, SPAN, "tracer.start_span('zqx').end()"), "one-span", "sent 2 spans", LISTED),
    "another HTTP library sends as well": Change(
        before(TELEMETRY, SPAN, "import urllib3, certifi\ntry: urllib3.PoolManager(retries=False).request('POST', 'https://stripepy-telemetry.paulsenlab.com:4319/v1/zqx', body=b'x')\nexcept Exception: pass"),
        "only-collector", "2 connections",
    ),
    "the address is another": Change((TELEMETRY, "paulsenlab.com:4319", "zqx.example:4319"), "destination", "zqx.example", LISTED),
    "the connection is not encrypted": Change((TELEMETRY, 'endpoint="https:', 'endpoint="http:'), "encrypted", "in the clear came"),
    "other certificates are trusted": Change(
        (TELEMETRY, EXPORTER, EXPORTER + '                    certificate_file=__import__("certifi").where(),\n'),
        "destination", "certificate_file", LISTED,
    ),
    "a closed pipe is sent nothing": Change(
        before(DOWNLOAD, LIST, "import os; os._exit(0)"),
        "closed-pipe", "sent 0 messages", ("download: whoever reads its output has gone",),
    ),
    "nothing is sent any more": Change(
        (TELEMETRY, "    if no_telemetry:", "    if True:"),
        "off-by-presence", "the control", SWITCHED, VOID,
    ),
}  # fmt: skip
"""Changes that would hide others, or be hidden by them."""

PROGRAMS = {**TOGETHER, **{name: {name: change} for name, change in ALONE.items()}}

# The programs for the tests that run before every commit.
QUICK = ("one change of each kind", "more is sent later", "a second exporter sends to another host")


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    need("namespaces")
    [exporter] = table.load().provenance.exporters
    with planted.planted_world(exporter["endpoint"]) as made:
        yield made


@pytest.fixture(scope="module")
def plan(here: World) -> Evidence:
    return verification.make_plan(here)


def judged(
    here: World, plan: Evidence, changes: Sequence[Change], folder: Path
) -> dict[Change, Judgement]:
    """Make the runs that show some changes, with a changed StripePy, and let the judges decide.

    Each judge sees only the runs that show its change.
    """
    wanted = {name for change in changes for name in change.runs}
    data = Path(tempfile.mkdtemp(dir=here.files))
    if any("fetched" in name for name in wanted):
        planted.change_data_sets(folder / "stripepy", data, here.files / "data")

    def path(run: Run) -> str:
        if run.changed == planted.CHANGED_DATA:
            return str(data)
        return os.pathsep.join([*filter(None, [run.environment.get("PYTHONPATH")]), str(folder)])

    chosen = [
        replace(run, environment={**run.environment, "PYTHONPATH": path(run)})
        for runs in plan.topics.values()
        for run in runs
        if run.name in wanted
    ]
    assert {run.name for run in chosen} == wanted
    seen = observe(chosen, here)
    claims = {claim.id: claim for claim in CLAIMS}

    def decide(change: Change) -> Judgement:
        shown = [seen[name].run.subcommand for name in change.runs]
        tested = replace(plan, subcommands=[s for s in plan.subcommands if s.name in shown])
        observations = {
            topic: [seen[run.name] for run in runs if run.name in change.runs]
            for topic, runs in plan.topics.items()
        }
        return judge(claims[change.claim], replace(tested, observations=observations))

    return {change: decide(change) for change in changes}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in PROGRAMS],
)
def test_the_gate_goes_red_when(here: World, plan: Evidence, doctor: Doctor, name: str) -> None:
    changes = PROGRAMS[name]
    if any(change.claim == "dates" for change in changes.values()):
        need("faketime")
    judgements = judged(
        here, plan, [*changes.values()], doctor(*(change.edit for change in changes.values()))
    )
    unnoticed = [
        (what, judgement.verdict, judgement.grounds)
        for what, change in changes.items()
        if (judgement := judgements[change]).verdict is not change.verdict
        or not any(change.text in ground for ground in judgement.grounds)
        or not judgement.findings()
    ]
    assert not unnoticed, "\n".join(map(str, unnoticed))


@pytest.mark.slow
def test_an_option_that_nobody_can_test_is_found(here: World, doctor: Doctor) -> None:
    old = '        "--with-header",\n'
    new = f'        "--zqx", type=lambda text: {{}}[text])\n    sc.add_argument(\n{old}'
    path = {"PYTHONPATH": str(doctor(("cli/setup.py", old, new)))}
    asking = replace(conditions.first()[0], environment=path)
    [view] = [
        subcommand
        for subcommand in subcommands.known(observe([asking], here)["the parser"].parser, ())
        if subcommand.name == "view"
    ]
    assert [option.values for option in view.options if option.flag == "--zqx"] == [()]


def test_the_gate_is_green_for_the_installed_program(here: World, plan: Evidence) -> None:
    runs = ("download", "download: none so small", "download: fetched by name")
    unchanged = Change(("", "", ""), "fields", "", runs, Verdict.HOLDS)
    [judgement] = judged(here, plan, [unchanged], source_lines.package().parent).values()
    assert (judgement.verdict, judgement.findings()) == (Verdict.HOLDS, [])
