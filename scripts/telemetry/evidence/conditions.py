"""The conditions: which runs to make, by topic. Nothing here knows what they will show.

Every run is here because a claim needs it. Full grids are thinned out: each value is tested at
least once, and so is each switch and each option with every subcommand that it applies to.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, cycle, islice
from typing import Any

from telemetry.box.servers import PROXY_PORT
from telemetry.box.world import DATA_HOSTS
from telemetry.evidence.planted import (
    ABSENT,
    CHANGED_DATA,
    MATRIX,
    NORMALISATION,
    PLANTED,
    RESULT,
    SET_UP_FIRST,
    TYPED,
)
from telemetry.evidence.subcommands import (
    LIST,
    PLOT,
    RESOLUTION,
    Subcommand,
    as_typed,
    option_argv,
    together,
    together_name,
)
from telemetry.evidence.surroundings import SURROUNDINGS
from telemetry.evidence.variables import TRUST, WAIT, WITHOUT_EFFECT
from telemetry.records.runs import Ending, Mode, Network, Run

NOT_THERE = PLANTED["the text of an error"]

MATRICES = {f"{MATRIX}.{form}": f"matrix.{form}" for form in ("hic", "cool", "mcool")}
INPUTS = {**MATRICES, RESULT: "result.hdf5", "ZqxCut.hdf5": "cut.hdf5"}

SWITCHES = ("STRIPEPY_NO_TELEMETRY", "NO_TELEMETRY")
SWITCH_VALUES = ("1", "", "0", "false", "False", "no", "off")
OFF = {SWITCHES[0]: SWITCH_VALUES[0]}

ALSO_OFF: Mapping[str, Sequence[str]] = {
    "OTEL_SDK_DISABLED": ("true", "TrUe"),
    "OTEL_TRACES_SAMPLER": ("always_off",),
}
"""OpenTelemetry's own switches, with the values that switch telemetry off."""

NOT_OFF: Mapping[str, Sequence[str]] = {
    "DO_NOT_TRACK": ("1", "", "0", "false", "true"),
    "OTEL_SDK_DISABLED": ("1", "", "0", "false"),
    "OTEL_TRACES_SAMPLER": ("always_on", ""),
    "OTEL_TRACES_EXPORTER": ("none", "console", ""),
}
"""Values that should leave telemetry on, though users may expect some to switch it off.

All these variables are set in the same run: if any switched telemetry off, nothing would be sent.
"""

OTHER_SWITCHES = (*ALSO_OFF, *(name for name in NOT_OFF if name not in ALSO_OFF))

DATES = (
    *("2028-01-01 00:10", "2029-04-17 04:20", "2031-08-13 08:30", "2032-02-29 12:40"),
    *("2033-10-28 16:50", "2034-06-15 20:59", "2035-12-31 23:55"),
)
"""A date for each day of the week, in different months and hours, with both ends of a year."""

# The longest wait comes first, so that other runs fit in beside it.
UNREACHABLE = (
    Network.SILENT_NAME_SERVER,
    *(
        network
        for network in Network
        if network not in {Network.ANSWERS, Network.REDIRECT, Network.SILENT_NAME_SERVER}
    ),
)
REPEATS = 2

Settings = Mapping[str, Mapping[str, str]]
"""Environments to test, by name."""


def _run(name: str, argv: tuple[str, ...], **rest: Any) -> Run:
    return Run(name, argv, inputs=INPUTS, **{"fonts": True, **rest})


def first() -> list[Run]:
    """Return the runs that the others need: they give the parser, versions and a result file."""
    call = ("call", f"{MATRIX}.hic", RESOLUTION, "-o", RESULT)
    return [
        Run("the parser", ("--version",), watched=True),
        Run("the versions", LIST, Mode.MEMORY),
        Run("the result", call, inputs=MATRICES, keep={RESULT: "result.hdf5"}),
    ]


def plan(
    known: Sequence[Subcommand], flags: Sequence[str], settings: Settings
) -> dict[str, list[Run]]:
    """Return every run, by topic.

    Args:
        known: The subcommands, from the program's parser.
        flags: The program's own options.
        settings: Environment variables that StripePy or a library may read, with values to test.
    """
    usable = [subcommand for subcommand in known if not subcommand.unknown]
    telling = list(_telling(_by_one_name(usable)))
    return {
        # First, because the first run that waits should be the one that waits longest.
        "unreachable": list(_unreachable()),
        "commands": list(_commands(usable)),
        "failures": list(_failures()),
        "downloads": list(_downloads()),
        "refusals": list(_refusals(known, flags)),
        "endings": list(_endings()),
        "options": list(_options(usable)),
        "switches": list(_switches(usable)),
        "ambient": list(_ambient(settings, usable)),
        "surroundings": list(_surroundings(usable)),
        "dates": list(_dates(usable)),
        "again": list(_again()),
        "absent": list(_absent(usable)),
        "mitigations": list(_mitigations()),
        # The table is made in memory: that has to agree with the unmodified program.
        "memory": [replace(r, name=f"in memory: {r.name}", mode=Mode.MEMORY) for r in telling],
        "watched": [
            replace(r, name=f"watched: {r.name}", watched=True, fonts=True) for r in telling
        ],
        "transport": list(_transport()),
        "results": list(_results(usable)),
    }


def _commands(known: Iterable[Subcommand]) -> Iterator[Run]:
    """Each subcommand, with each format that it accepts, succeeding."""
    for subcommand in known:
        argv = subcommand.argv()
        # Without a ready-made font list, this one shows what matplotlib leaves behind.
        yield _run(subcommand.name, argv, fonts=subcommand.name != "plot pd")
        if f"{MATRIX}.hic" not in argv:
            continue
        # Plots refuse .cool: see `_failures`. Of our files, only .mcool has a normalisation.
        for form, *rest in (("cool",), ("mcool", "--normalization", NORMALISATION)):
            if subcommand.name == "call" or form == "mcool":
                words = tuple(word.replace(f"{MATRIX}.hic", f"{MATRIX}.{form}") for word in argv)
                yield _run(f"{subcommand.name} .{form}", (*words, *rest))


def _failures() -> Iterator[Run]:
    """Every way to fail once the arguments have been accepted."""
    hic, cool = f"{MATRIX}.hic", f"{MATRIX}.cool"
    region = ("--region", PLANTED["a region"])
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
        ("plot cm: no such region", ("plot", "cm", hic, RESOLUTION, PLOT, *region)),
        ("plot cm: no such format", ("plot", "cm", hic, RESOLUTION, f"ZqxPlot.{NOT_THERE}")),
        ("plot cm: no result", ("plot", "cm", hic, RESOLUTION, PLOT, "--highlight-stripes")),
        ("plot contact-map: a .cool file", ("plot", "contact-map", cool, RESOLUTION, PLOT)),
        ("plot pd: no such region", ("plot", "pd", RESULT, PLOT, *region)),
        ("plot pseudodistribution: damaged", ("plot", "pseudodistribution", "ZqxCut.hdf5", PLOT)),
        ("plot hist: damaged", ("plot", "hist", "ZqxCut.hdf5", PLOT)),
        ("plot stripe-hist: no such region", ("plot", "stripe-hist", RESULT, PLOT, *region)),
        ("download: no such data set", ("download", "--name", TYPED)),
        ("download: none so small", ("download", "--max-size", "0.001")),
        ("download: the output exists", ("download", "--name", "ENCFF993FGR", "-o", hic)),
    ):
        yield _run(name, argv)
    yield _run(
        "call: the disk is full", ("call", hic, RESOLUTION), full=("work", "home", "temporary")
    )


def _downloads() -> Iterator[Run]:
    """Downloads whose host does not exist, and downloads of a small file from our own server."""
    by_name = ("download", "--name", "ENCFF993FGR", "-o", PLOT.replace("png", "hic"))
    base = _run("", ("download",), missing_hosts=DATA_HOSTS)
    yield replace(base, name="download: any")
    yield replace(base, name="download: unit tests", argv=("download", "--unit-test"))
    yield replace(base, name="download: off", environment=OFF)
    # StripePy checks a data set's checksum, which no small file of ours can match.
    succeeds = replace(
        base,
        hosts=DATA_HOSTS,
        missing_hosts=(),
        environment={"PYTHONPATH": "{files}/changed"},
        changed=CHANGED_DATA,
    )
    yield replace(succeeds, name="download: any, fetched")
    for by in ("--unit-test", "--end2end-test", "--assembly hg38"):
        yield replace(succeeds, name=f"download: {by}, fetched", argv=("download", *by.split()))
    yield replace(succeeds, name="download: fetched by name", argv=by_name)
    yield replace(
        succeeds,
        name="download: fetched, off",
        argv=by_name,
        environment={**succeeds.environment, **OFF},
    )


def _refusals(known: Sequence[Subcommand], flags: Sequence[str]) -> Iterator[Run]:
    """Command lines that ask about the program, or that it rejects."""
    yield _run("nothing", ())
    for flag in sorted({*flags, "--no-such-option", "no-such-subcommand"}):
        yield _run(f"{flag} alone", (flag,), terminal=True)
    yield _run("two at once", ("--cite", "--license"))
    for group in sorted({s.name.partition(" ")[0] for s in known if " " in s.name}):
        yield _run(group, (group,))
        yield _run(f"{group} --help", (group, "--help"))
    for subcommand in _by_one_name(known):
        words = tuple(subcommand.name.split())
        yield _run(f"{subcommand.name} --help", (*words, "--help"))
        if len(words) == 1:
            yield _run(f"{subcommand.name}: no such option", (*words, "--no-such-option"))
    yield _run("call: no such file", ("call", NOT_THERE, RESOLUTION))
    yield _run("call: the output exists", ("call", f"{MATRIX}.hic", RESOLUTION, "-o", RESULT))
    yield _run("call: --roi alone", ("call", f"{MATRIX}.hic", RESOLUTION, "--roi", "middle"))


def _endings() -> Iterator[Run]:
    """Runs that are ended from outside: by a signal, or by a closed pipe."""
    for ending in Ending:
        if ending not in {Ending.NORMAL, Ending.SIGTERM}:
            yield _run(f"download: {ending}", LIST, ending=ending)
    yield _run("view: closed pipe", ("view", RESULT), ending=Ending.CLOSED_PIPE)
    yield _run("view: SIGINT", ("view", RESULT), ending=Ending.SIGINT)
    for ending in (Ending.SIGINT, Ending.SIGTERM):
        yield _run(
            f"call: {ending}",
            ("call", f"{MATRIX}.hic", RESOLUTION, "--nproc", "2"),
            ending=ending,
            ends_after=PLANTED["the first chromosome's name"],
        )


def _options(known: Iterable[Subcommand]) -> Iterator[Run]:
    """Each subcommand with all the options that go together, and some options one at a time.

    One at a time: options that their subcommand's run leaves out, values that no such run tests,
    and sent options whose value does not identify them; the last two only where they first occur.
    """
    chosen = _together(known)
    tested = {pair for _, values in chosen for pair in values.items()}
    alone: set[tuple[str, str]] = set()
    for subcommand, values in chosen:
        yield _run(together_name(subcommand.name), subcommand.argv(*as_typed(values)))
        for option in subcommand.options:
            left_out = option.flag not in values
            for value in option.values:
                pair = option.flag, value
                by_itself = pair not in tested or (option.field and not option.is_distinct)
                if (by_itself and pair not in alone) or (left_out and value == option.values[0]):
                    alone.add(pair)
                    yield _run(option.run_name(value), option_argv(subcommand, option, value))


def _together(known: Iterable[Subcommand]) -> list[tuple[Subcommand, dict[str, str]]]:
    """Pair each subcommand with the options that go together; its second names come last."""
    ordered = sorted(known, key=lambda subcommand: bool(subcommand.same_as))
    return [(subcommand, together(subcommand, number)) for number, subcommand in enumerate(ordered)]


def _switches(known: Sequence[Subcommand]) -> Iterator[Run]:
    """Every variable that switches telemetry off, or could be expected to."""
    main, other = SWITCHES
    tested = [(subcommand, OFF) for subcommand in known]
    lists: Sequence[Mapping[str, Sequence[str]]] = {other: SWITCH_VALUES}, NOT_OFF
    for values in lists:
        for subcommand, *chosen in _beside([*_by_one_name(known, 1)], *values.values()):
            tested.append((subcommand, dict(zip(values, chosen, strict=True))))
    for name, off in ALSO_OFF.items():
        pairs = _beside([*_by_one_name(known)][:2], off)
        tested += [(subcommand, {name: value}) for subcommand, value in pairs]
    for subcommand, environment in tested:
        name = switch_name(subcommand.name, environment)
        yield _run(name, subcommand.argv(), environment=environment)
    # The main switch's other values, together with all the options that go together.
    one_name = [pair for pair in _together(known) if not pair[0].same_as]
    for (subcommand, options), value in _beside(one_name, SWITCH_VALUES[1:]):
        yield _run(
            switch_name(subcommand.name, {main: value}),
            subcommand.argv(*as_typed(options)),
            environment={main: value},
        )


def _beside(*lists: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Zip lists to the length of the longest; the shorter ones start again."""
    return islice(zip(*map(cycle, lists), strict=True), max(map(len, lists)))


def switch_name(plain: str, environment: Mapping[str, str]) -> str:
    """Return the name of the run that tests switches; `plain` names the same run without them."""
    return f"switch: {plain} {' '.join(f'{n}={v}' for n, v in environment.items())}"


def _ambient(settings: Settings, known: Sequence[Subcommand]) -> Iterator[Run]:
    """Every other variable that StripePy or one of its libraries may read."""
    works = [subcommand for subcommand in known if subcommand.name in WORKS]
    for name, environment in settings.items():
        waits = all(map(WAIT.fullmatch, environment))
        yield _run(
            f"ambient: {name}",
            LIST,
            environment=environment,
            trusts=not all(map(TRUST.fullmatch, environment)),
            network=Network.SILENT if waits else Network.ANSWERS,
            timed=waits,
        )
        for subcommand in works if name == WITHOUT_EFFECT else ():
            where = f"ambient: {name}, {subcommand.name}"
            yield _run(where, subcommand.argv(), environment=environment)


def _surroundings(known: Sequence[Subcommand]) -> Iterator[Run]:
    """Each subcommand in each of the surroundings, but one plot only; `call` also switched off."""
    runs = []
    for number, (name, where) in enumerate(SURROUNDINGS.items()):
        subcommands = [*_by_one_name(known, number)]
        plots = [subcommand for subcommand in subcommands if subcommand.name.startswith("plot ")]
        for subcommand in subcommands:
            if subcommand in plots and subcommand is not plots[number % len(plots)]:
                continue
            run = replace(
                where,
                name=f"{name}: {subcommand.name}",
                argv=subcommand.argv(),
                inputs=INPUTS,
                fonts=True,
            )
            runs.append(run)
            if subcommand.name == "call":
                off = {**where.environment, **OFF}
                runs.append(replace(run, name=f"{run.name}, off", environment=off))
    # The surroundings alternate, since all runs in one of them share a single core.
    return iter(sorted(runs, key=lambda run: run.subcommand))


def _by_one_name(known: Sequence[Subcommand], number: int = 0) -> Iterator[Subcommand]:
    """Yield each subcommand under one of its names: for 0 the last, for other numbers another.

    Both names of a subcommand are tested only where the name could matter.
    """
    names: dict[str, list[Subcommand]] = {}
    for subcommand in known:
        names.setdefault(subcommand.same_as or subcommand.name, []).append(subcommand)
    yield from (same[number % len(same) - 1] for same in names.values())


def _dates(known: Sequence[Subcommand]) -> Iterator[Run]:
    """Each date with some subcommand, and each subcommand on some date."""
    for date, subcommand in _beside(DATES, [*_by_one_name(known)]):
        prefix = ("env", "DONT_FAKE_MONOTONIC=1", "faketime", date)
        yield _run(f"on {date}: {subcommand.name}", subcommand.argv(), prefix=prefix)


def _again() -> Iterator[Run]:
    """Commands run twice in a row, in the same folders."""
    twice = ("sh", "-c", '"$@" && exec "$@"', "sh")
    for words in (
        LIST,
        ("view", RESULT),
        ("call", f"{MATRIX}.hic", RESOLUTION, "--force"),
        ("plot", "pd", RESULT, PLOT, "--dpi", "20", "--force"),
    ):
        yield _run(f"twice: {words[0]}", words, prefix=twice)


def _absent(known: Sequence[Subcommand]) -> Iterator[Run]:
    """Each subcommand without OpenTelemetry."""
    for subcommand in _by_one_name(known):
        yield _run(
            f"without OpenTelemetry: {subcommand.name}",
            subcommand.argv(),
            environment={"PYTHONPATH": "{files}/absent"},
            changed=ABSENT,
        )


ON = {
    "OTEL_SDK_DISABLED": "false",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_TRACES_SAMPLER": "always_on",
}
"""Values that might be expected to switch telemetry on, whatever other variables say."""

LEAKS = {
    "OTEL_RESOURCE_ATTRIBUTES": "zqx.key=ZqxValue,service.name=ZqxService",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-zqx=ZqxToken",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-zqx-traces=ZqxToken",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "*",
}


def _mitigations() -> Iterator[Run]:
    """Variables that leak, what helps against that, and a tracer provider that was set before."""
    yield _run("leaks", LIST, environment=LEAKS)
    yield _run("leaks, switched off", LIST, environment={**LEAKS, **ON, **OFF})
    twice = {**LEAKS, SWITCHES[1]: "0", **OFF}
    yield _run("leaks, switched off twice", LIST, environment=twice)
    unset = ("env", *chain.from_iterable(("-u", name) for name in LEAKS))
    yield _run("leaks, unset", LIST, environment=LEAKS, prefix=unset)
    yield _run(
        "a provider that is there first",
        LIST,
        environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_TRACES_EXPORTER": "otlp",
            "PYTHONPATH": "{files}/provider",
        },
        changed=SET_UP_FIRST,
    )


# One whose work breaks off, and one that sends what its user typed.
TELLING_FAILURES = (
    "call: no such resolution",
    "download: no such data set",
)


def _telling(known: Iterable[Subcommand]) -> Iterator[Run]:
    """Each subcommand succeeding, and the two failures above."""
    yield from (run for run in _commands(known) if run.name == run.subcommand)
    yield from (run for run in _failures() if run.name in TELLING_FAILURES)


NETRC = "machine {host} login ZqxLogin password ZqxPassword\n"
PROXY = f"http://ZqxLogin:ZqxPassword@127.0.0.1:{PROXY_PORT}"


def _transport() -> Iterator[Run]:
    """Redirects, proxies and credentials."""
    base = _run("", LIST)
    yield replace(base, name="a redirect", network=Network.REDIRECT)
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        yield replace(base, name=f"proxy: {variable}", environment={variable: PROXY})
    yield replace(base, name="proxy: NO_PROXY", environment={"HTTPS_PROXY": PROXY, "NO_PROXY": "*"})
    for name, text in (
        ("netrc: for the collector", NETRC),
        ("netrc: default", NETRC.replace("machine {host}", "default")),
        ("netrc: for another", NETRC.replace("{host}", "elsewhere.example")),
    ):
        yield replace(base, name=name, home_files={".netrc": text})
    environment = {"NETRC": "{home}/netrc"}
    yield replace(base, name="netrc: NETRC", home_files={"netrc": NETRC}, environment=environment)


THROUGH_PROXY = {"HTTPS_PROXY": f"http://127.0.0.1:{PROXY_PORT}"}


def _unreachable() -> Iterator[Run]:
    """Timed runs whose message is not received, and others to compare them with."""
    base = _run("", LIST, timed=True)
    for repeat in range(REPEATS):
        yield replace(base, name=delay_name("off", repeat), environment=OFF)
    for network in (Network.ANSWERS, *UNREACHABLE):
        # A busy machine adds little to a long wait, so one run is enough.
        for repeat in range(1 if network.waits else REPEATS):
            yield replace(
                base,
                name=delay_name(network, repeat),
                network=network,
                trusts=network is not Network.UNKNOWN_AUTHORITY,
                environment=THROUGH_PROXY if network is Network.PROXY_REFUSES else {},
            )


def delay_name(network: str, repeat: int) -> str:
    """Return the name of a run whose delay is measured."""
    return f"delay: {network}, {repeat + 1}"


WORKS = ("call", "view", "plot pd", TELLING_FAILURES[0])
"""Runs whose results have to be the same with telemetry off, and with nobody to receive it."""

UNRECEIVED: Mapping[str, Sequence[Network]] = {
    "call": (Network.REFUSED, Network.NO_NETWORK, Network.SILENT, Network.ERROR),
    "view": (Network.WRONG_CERTIFICATE,),
    "plot pd": (Network.UNKNOWN_AUTHORITY,),
}


def _results(known: Sequence[Subcommand]) -> Iterator[Run]:
    """The same work with nobody to receive what it sends; failures are also switched off."""
    works = [run for run in _telling(known) if run.name in WORKS]
    for run in works:
        if run.name in TELLING_FAILURES:
            yield replace(run, name=switch_name(run.name, OFF), environment=OFF)
        for network in UNRECEIVED.get(run.name, (Network.REFUSED,)):
            yield replace(
                run,
                name=f"results: {run.name}, {network}",
                network=network,
                trusts=network is not Network.UNKNOWN_AUTHORITY,
            )
