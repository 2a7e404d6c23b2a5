"""The experiments: which runs are made, by topic. Nothing here knows what they will show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from telemetry.canaries import MATRIX, PLANTED, RESULT, TYPED
from telemetry.receiver import PROXY_PORT, Network
from telemetry.runs import Ending, Mode, Run

RESOLUTION = "10000"
PLOT = PLANTED["the plot's name"] + ".png"
LOG = PLANTED["the log's name"] + ".txt"
FIGURES = PLANTED["the plots' folder"]
REGION = PLANTED["the first chromosome's name"] + ":0-2000000"
NOT_THERE = PLANTED["the text of an error"]

MATRICES = {f"{MATRIX}.{form}": f"matrix.{form}" for form in ("hic", "cool", "mcool")}
INPUTS = {**MATRICES, RESULT: "result.hdf5", "ZqxCut.hdf5": "cut.hdf5"}

# What to put in the place of each positional argument, by the name that the parser gives it.
POSITIONAL = {
    "contact-map": f"{MATRIX}.hic",
    "resolution": RESOLUTION,
    "stripepy-hdf5": RESULT,
    "h5_file": RESULT,
    "output-name": PLOT,
}

# What a subcommand needs so that it can succeed without a network.
OFFLINE = {"download": ("--list-only",)}

# A telling value for options whose type alone does not say what they accept, by destination.
VALUES = {
    "assembly": ("hg38",),
    "cmap": ("plasma",),
    "genomic_belt": ("1234567",),
    "log_file": (LOG,),
    "max_width": ("123457",),
    "min_chrom_size": ("1234567",),
    "name": (TYPED,),
    "normalization": ("NONE", PLANTED["a normalisation"]),
    "nproc": ("2",),
    "output_file": ("ZqxOther.hdf5",),
    "output_path": ("ZqxOther.hic",),
    "plot_dir": (FIGURES,),
    "region": (REGION, PLANTED["a region"]),
    "stripepy_hdf5": (RESULT,),
}

# Options that make sense, or stay without a network, only together with others.
COMPANIONS = {
    "roi": ("--plot-dir", FIGURES),
    "assembly": ("--max-size", "0.001"),
    "highlight_seeds": ("--stripepy-hdf5", RESULT),
    "highlight_stripes": ("--stripepy-hdf5", RESULT),
}

# Options that exclude what `OFFLINE` adds.
ALONE = frozenset({"assembly", "name"})

SWITCHES = ("STRIPEPY_NO_TELEMETRY", "NO_TELEMETRY")
OTHER_SWITCHES = {
    "DO_NOT_TRACK": (),
    "OTEL_SDK_DISABLED": (),
    "OTEL_TRACES_SAMPLER": ("always_off",),
    "OTEL_TRACES_EXPORTER": ("none",),
}
SWITCH_VALUES = ("", "0", "1", "false", "true", "TrUe")

UNREACHABLE = tuple(n for n in Network if n not in {Network.ANSWERS, Network.REDIRECT})
REPEATS = 3


@dataclass(frozen=True)
class Option:
    """An option as the program's own parser describes it.

    Attributes:
        subcommand: The subcommand that has it; empty for the program itself.
        flags: How it is written.
        dest: The parser's name for it.
        values: Values to try; a lone empty text for an option that takes none; none at all if
            nothing is known that it accepts.
        default: What the parser puts in its place.
    """

    subcommand: str
    flags: tuple[str, ...]
    dest: str
    values: tuple[str, ...]
    default: object

    @property
    def flag(self) -> str:
        """Its long form."""
        return max(self.flags, key=len)

    def run_name(self, value: str) -> str:
        return f"option: {self.subcommand} {self.flag} {value}".strip()


@dataclass(frozen=True)
class Command:
    """A subcommand as the program's own parser describes it.

    Attributes:
        name: The subcommand, for plots with their kind.
        base: Arguments with which it succeeds without a network; None if nobody knows them.
        options: Its options, help apart.
        unknown: Positional arguments for which no value is known.
    """

    name: str
    base: tuple[str, ...] | None
    options: tuple[Option, ...]
    unknown: tuple[str, ...]


def commands(parser: Sequence[Mapping[str, Any]]) -> list[Command]:
    """Make commands of what `nursery` recorded of the parser; the program itself is left out."""
    return [_command(entry) for entry in parser if not entry["group"]]


def program_flags(parser: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every option of the program itself, as written."""
    return [
        flag
        for entry in parser
        if not entry["words"]
        for option in entry["options"]
        for flag in option["flags"]
    ]


def _command(entry: Mapping[str, Any]) -> Command:
    words = tuple(entry["words"])
    name = " ".join(words)
    arguments, unknown, options = [], [], []
    for described in entry["options"]:
        if described["flags"]:
            if described["kind"] != "HelpAction":
                options.append(_option(name, described))
        elif described["dest"] in POSITIONAL:
            arguments.append(POSITIONAL[described["dest"]])
        else:
            unknown.append(described["dest"])
    base = None if unknown else (*words, *arguments, *OFFLINE.get(name, ()))
    return Command(name, base, tuple(options), tuple(unknown))


def _option(subcommand: str, described: Mapping[str, Any]) -> Option:
    values: tuple[str, ...]
    if described["kind"] in {"StoreTrueAction", "StoreFalseAction"}:
        values = ("",)
    elif described["dest"] in VALUES:
        values = VALUES[described["dest"]]
    elif described["choices"]:
        values = tuple(choice for choice in described["choices"] if choice != "None")
    else:
        accepts: Mapping[str, str] = described["accepts"]
        numeric = [
            text for text in ("37", "0.37") if accepts.get(text, "").removesuffix(".0") == text
        ]
        values = tuple(numeric[:1]) or (("ZqxOption",) if "zqx" in accepts else ())
    return Option(
        subcommand=subcommand,
        flags=tuple(described["flags"]),
        dest=str(described["dest"]),
        values=values,
        default=described["default"],
    )


def _with(command: Command, *words: str) -> tuple[str, ...]:
    assert command.base is not None
    return (*command.base, *words)


def _run(name: str, argv: tuple[str, ...], **rest: Any) -> Run:
    return Run(name, argv, inputs=INPUTS, **rest)


def first() -> list[Run]:
    """What everything else needs: the program's parser, and a result file."""
    call = ("call", f"{MATRIX}.hic", RESOLUTION, "-o", RESULT)
    return [
        Run("the parser", ("--version",), mode=Mode.MEMORY, ask=True),
        Run("the result", call, inputs=MATRICES, keep={RESULT: "result.hdf5"}),
    ]


def plan(
    known: Sequence[Command], flags: Sequence[str], variables: Mapping[str, Sequence[str]]
) -> dict[str, list[Run]]:
    """Every run, by topic.

    Args:
        known: The subcommands, from the program's parser.
        flags: The program's own options.
        variables: Values to try for each variable of the environment that is read somewhere.
    """
    usable = [command for command in known if command.base is not None]
    return {
        "commands": list(_commands(usable)),
        "failures": list(_failures()),
        "downloads": list(_downloads()),
        "refusals": list(_refusals(known, flags)),
        "endings": list(_endings()),
        "options": list(_options(usable)),
        "switches": list(_switches(usable)),
        "ambient": list(_ambient(variables)),
        "mitigations": list(_mitigations()),
        "memory": [
            replace(run, name=f"in memory: {run.name}", mode=Mode.MEMORY)
            for run in _commands(usable)
        ],
        "witness": list(_witness(usable)),
        "transport": list(_transport()),
        "unreachable": list(_unreachable()),
        "results": list(_results()),
    }


def _commands(known: Sequence[Command]) -> Iterator[Run]:
    """Each subcommand, with each format that it takes, ending well."""
    for command in known:
        yield _run(command.name, _with(command))
        for form in ("cool", "mcool"):
            # Plots refuse .cool; that is among the failures.
            if f"{MATRIX}.hic" in _with(command) and (form != "cool" or command.name == "call"):
                argv = tuple(w.replace(f"{MATRIX}.hic", f"{MATRIX}.{form}") for w in _with(command))
                yield _run(f"{command.name} .{form}", argv)
    yield _run("call, two processes", ("call", f"{MATRIX}.hic", RESOLUTION, "-p", "2"))
    yield _run("download again", ("download", "--list-only"))


def _failures() -> Iterator[Run]:
    """Every way to fail after the arguments were accepted."""
    hic, cool = f"{MATRIX}.hic", f"{MATRIX}.cool"
    for name, argv in (
        ("call: no such resolution", ("call", hic, "12345")),
        (
            "call: no such normalisation",
            ("call", hic, RESOLUTION, "-n", PLANTED["a normalisation"]),
        ),
        ("call: not a matrix", ("call", "ZqxCut.hdf5", RESOLUTION)),
        ("call: no such folder", ("call", hic, RESOLUTION, "-o", f"{NOT_THERE}/{RESULT}")),
        ("view: a damaged file", ("view", "ZqxCut.hdf5")),
        ("view: not a result", ("view", cool)),
        ("plot cm: a .cool file", ("plot", "cm", cool, RESOLUTION, PLOT)),
        ("plot cm: no such resolution", ("plot", "cm", hic, "12345", PLOT)),
        ("plot cm: the output exists", ("plot", "cm", hic, RESOLUTION, RESULT)),
        ("plot cm: no such region", ("plot", "cm", hic, RESOLUTION, PLOT, "--region", NOT_THERE)),
        ("plot cm: no such format", ("plot", "cm", hic, RESOLUTION, f"ZqxPlot.{NOT_THERE}")),
        ("plot cm: no result", ("plot", "cm", hic, RESOLUTION, PLOT, "--highlight-stripes")),
        ("plot contact-map: a .cool file", ("plot", "contact-map", cool, RESOLUTION, PLOT)),
        ("plot pd: no such region", ("plot", "pd", RESULT, PLOT, "--region", NOT_THERE)),
        ("plot pseudodistribution: damaged", ("plot", "pseudodistribution", "ZqxCut.hdf5", PLOT)),
        ("plot hist: damaged", ("plot", "hist", "ZqxCut.hdf5", PLOT)),
        (
            "plot stripe-hist: no such region",
            ("plot", "stripe-hist", RESULT, PLOT, "--region", NOT_THERE),
        ),
        ("download: no such data set", ("download", "--name", TYPED)),
        ("download: none so small", ("download", "--max-size", "0.001")),
        ("download: the output exists", ("download", "--name", "ENCFF993FGR", "-o", hic)),
    ):
        yield _run(name, argv)


def _downloads() -> Iterator[Run]:
    """Downloads that would fetch something: the user asked for that, and there is no network."""
    for name, words in (
        ("download: any", ()),
        ("download: by name", ("--name", "ENCFF993FGR")),
        ("download: by assembly", ("--assembly", "mm10")),
        ("download: unit tests", ("--unit-test",)),
        ("download: end-to-end tests", ("--end2end-test",)),
        ("download: private", ("--name", "__results_v3", "--include-private")),
    ):
        yield _run(name, ("download", *words), asks_for=("zenodo.org",))
    off = {SWITCHES[0]: "1"}
    yield _run("download: off", ("download",), asks_for=("zenodo.org",), environment=off)


def _refusals(known: Sequence[Command], flags: Sequence[str]) -> Iterator[Run]:
    """Command lines that say something of the program, or that it does not accept."""
    yield _run("nothing", ())
    for flag in sorted({*flags, "--no-such-option", "no-such-subcommand"}):
        yield _run(f"{flag} alone", (flag,))
    yield _run("two at once", ("--cite", "--license"))
    for command in known:
        words = tuple(command.name.split())
        yield _run(f"{command.name} --help", (*words, "--help"))
        yield _run(f"{command.name}: no such option", (*words, "--no-such-option"))
        if command.base is not None and command.base != words:
            yield _run(f"{command.name}: no arguments", (*words, "--verbosity"))
    yield _run("call: no such file", ("call", NOT_THERE, RESOLUTION))
    yield _run("call: the output exists", ("call", f"{MATRIX}.hic", RESOLUTION, "-o", RESULT))
    yield _run("call: --roi alone", ("call", f"{MATRIX}.hic", RESOLUTION, "--roi", "middle"))


def _endings() -> Iterator[Run]:
    """Runs that something outside brings to their end."""
    for ending in Ending:
        if ending is not Ending.NORMAL:
            yield _run(f"download: {ending}", ("download", "--list-only"), ending=ending)
    yield _run("view: closed pipe", ("view", RESULT), ending=Ending.CLOSED_PIPE)
    yield _run("view: SIGINT", ("view", RESULT), ending=Ending.SIGINT)


def _options(known: Sequence[Command]) -> Iterator[Run]:
    """Every option, by itself, with every value worth trying."""
    for command in known:
        for option in command.options:
            for value in option.values:
                yield _run(option.run_name(value), option_argv(command, option, value))
    yield _run(
        "options of call together",
        (
            "call",
            f"{MATRIX}.hic",
            RESOLUTION,
            "-o",
            RESULT,
            "--log-file",
            LOG,
            "--force",
            "-n",
            "NONE",
            "--roi",
            "middle",
            "--plot-dir",
            FIGURES,
            "--low-memory",
            "--constrain-heights",
            "--verbosity",
            "debug",
        ),
    )


def option_argv(command: Command, option: Option, value: str) -> tuple[str, ...]:
    """The command line that tries an option."""
    words = tuple(command.name.split()) if option.dest in ALONE else _with(command)
    return (*words, option.flag, *([value] if value else ()), *COMPANIONS.get(option.dest, ()))


def _switches(known: Sequence[Command]) -> Iterator[Run]:
    """Every variable that is said, or could be thought, to switch telemetry off."""
    for command in known:
        # A coarse picture is drawn faster.
        quick = ("--dpi", "20") if any(o.flag == "--dpi" for o in command.options) else ()
        for variable in (*SWITCHES, *OTHER_SWITCHES):
            for value in (*SWITCH_VALUES, *OTHER_SWITCHES.get(variable, ())):
                yield _run(
                    switch_name(command.name, variable, value),
                    _with(command, *quick),
                    environment={variable: value},
                )


def switch_name(subcommand: str, variable: str, value: str) -> str:
    return f"switch: {subcommand} {variable}={value}"


def _ambient(variables: Mapping[str, Sequence[str]]) -> Iterator[Run]:
    """Every variable that is read anywhere below stripepy."""
    for variable, values in variables.items():
        for value in values:
            yield _run(
                f"ambient: {variable}={value}",
                ("download", "--list-only"),
                environment={variable: value},
            )


LEAKS = {
    "OTEL_RESOURCE_ATTRIBUTES": "zqx.key=ZqxValue,service.name=ZqxService",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-zqx=ZqxToken",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-zqx-traces=ZqxToken",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "*",
}


def _mitigations() -> Iterator[Run]:
    """What helps against a leak: the switch, and taking the variables away."""
    command = ("download", "--list-only")
    yield _run("leaks", command, environment=LEAKS)
    yield _run("leaks, switched off", command, environment={**LEAKS, SWITCHES[0]: "1"})
    unset = ("env", *chain.from_iterable(("-u", name) for name in LEAKS))
    yield _run("leaks, unset", command, environment=LEAKS, prefix=unset, mode=Mode.UNMODIFIED)


def _witness(known: Sequence[Command]) -> Iterator[Run]:
    """The unmodified program, doing what was watched from inside as well."""
    for command in known:
        yield _run(f"unmodified: {command.name}", _with(command), mode=Mode.UNMODIFIED)
    chosen = (
        "call: no such resolution",
        "view: a damaged file",
        "plot cm: no such format",
        "download: no such data set",
    )
    for run in _failures():
        if run.name in chosen:
            yield replace(run, name=f"unmodified: {run.name}", mode=Mode.UNMODIFIED)
    for ending in (Ending.SIGINT, Ending.SIGTERM, Ending.CLOSED_PIPE):
        yield _run(
            f"unmodified: download: {ending}",
            ("download", "--list-only"),
            ending=ending,
            mode=Mode.UNMODIFIED,
        )
    for variable in SWITCHES:
        yield _run(
            f"unmodified: {variable}",
            ("call", f"{MATRIX}.hic", RESOLUTION),
            environment={variable: ""},
            mode=Mode.UNMODIFIED,
        )
    yield _run("unmodified: --help", ("--help",), mode=Mode.UNMODIFIED)


NETRC = "machine {host} login ZqxLogin password ZqxPassword\n"
PROXY = f"http://ZqxLogin:ZqxPassword@127.0.0.1:{PROXY_PORT}"


def _transport() -> Iterator[Run]:
    """What only the unmodified program can show: certificates, proxies, credentials, redirects."""
    base = _run("", ("download", "--list-only"), mode=Mode.UNMODIFIED)
    yield replace(base, name="a trusted certificate")
    yield replace(base, name="an authority that is not trusted", trusts=False)
    yield replace(base, name="a certificate for another name", network=Network.WRONG_CERTIFICATE)
    yield replace(base, name="a redirect", network=Network.REDIRECT)
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        yield replace(base, name=f"proxy: {variable}", environment={variable: PROXY})
    yield replace(base, name="proxy: NO_PROXY", environment={"HTTPS_PROXY": PROXY, "NO_PROXY": "*"})
    yield replace(base, name="netrc: for the collector", home_files={".netrc": NETRC})
    yield replace(
        base,
        name="netrc: default",
        home_files={".netrc": NETRC.replace("machine {host}", "default")},
    )
    yield replace(
        base,
        name="netrc: for another",
        home_files={".netrc": NETRC.replace("{host}", "elsewhere.example")},
    )
    yield replace(
        base,
        name="netrc: NETRC",
        home_files={"netrc": NETRC},
        environment={"NETRC": "{home}/netrc"},
    )
    for variable in (
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
    ):
        yield replace(
            base, name=f"trust: {variable}", trusts=False, environment={variable: "{authority}"}
        )
    yield replace(base, name="keys: SSLKEYLOGFILE", environment={"SSLKEYLOGFILE": "{home}/keys"})


def _unreachable() -> Iterator[Run]:
    """What happens, and how long it takes, when the collector cannot be reached."""
    base = _run("", ("download", "--list-only"), mode=Mode.WATCHED)
    for repeat in range(REPEATS):
        yield replace(base, name=delay_name("off", repeat), environment={SWITCHES[0]: "1"})
        yield replace(base, name=delay_name(Network.ANSWERS, repeat))
        for network in UNREACHABLE:
            trusts = network is not Network.UNKNOWN_AUTHORITY
            yield replace(base, name=delay_name(network, repeat), network=network, trusts=trusts)


def delay_name(network: str, repeat: int) -> str:
    return f"delay: {network}, {repeat + 1}"


def _results() -> Iterator[Run]:
    """The same work with telemetry on, off, and without anybody to receive it."""
    call = ("call", f"{MATRIX}.hic", RESOLUTION, "-o", "ZqxOther.hdf5")
    for name, argv in (
        ("call", call),
        ("view", ("view", RESULT)),
        ("plot", ("plot", "pd", RESULT, PLOT)),
        ("failure", ("call", f"{MATRIX}.hic", "12345")),
    ):
        yield _run(f"results: {name}, telemetry on", argv)
        yield _run(f"results: {name}, telemetry off", argv, environment={SWITCHES[0]: "1"})
        for network in (Network.REFUSED, Network.ERROR):
            yield _run(f"results: {name}, {network}", argv, network=network)
    unmodified = _run("", call, mode=Mode.UNMODIFIED)
    yield replace(unmodified, name="results: unmodified call, telemetry on")
    yield replace(
        unmodified, name="results: unmodified call, telemetry off", environment={SWITCHES[0]: "1"}
    )
    for network in (Network.REFUSED, Network.NO_NETWORK, Network.SILENT):
        yield replace(unmodified, name=f"results: unmodified call, {network}", network=network)
