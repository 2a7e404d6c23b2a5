"""What is never sent, stored or left behind: planted values, identifiers, files, processes."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from telemetry.box.world import DATA_HOSTS
from telemetry.evidence import planted
from telemetry.evidence.judging import Trial, claim
from telemetry.records.runs import Network, Observation, Run
from telemetry.table.differences import files_of

# Topics in whose runs no setting of OpenTelemetry adds anything to the message.
ORDINARY = (
    *("commands", "failures", "downloads", "refusals", "endings", "options", "switches", "memory"),
    *("watched", "transport", "unreachable", "results", "surroundings", "dates", "again"),
)

# Shorter pieces of random identifiers would occur twice by chance.
DIGITS = 8

HEX = re.compile("[0-9a-f]+")

# A fair bit's count is further than this from its mean once in five hundred million times.
SIGMAS = 6

# The bits for the version and variant of a UUID, which are fixed: RFC 9562.
UUID_BITS = frozenset({48, 49, 50, 51, 64, 65})

RANDOM = ("trace_id", "span_id", "service.instance.id")

TIMES = ("start_time_unix_nano", "end_time_unix_nano", "event.time_unix_nano")

# Digits of a time, by their place in its text, and how many messages, out of a few hundred, never
# agree in them by chance.
AGREEING = (
    (slice(-10, -7), 8),  # milliseconds
    (slice(-7, -4), 8),  # microseconds
    (slice(-4, -1), 8),  # nanoseconds
    (slice(-7, -1), 3),  # the last two together
)

DATA_OF_TESTS = re.compile(r"GET /records/\d+/files/[\w.-]+\?download=1 HTTP/1\.1")


def _told(seen: Observation) -> bytes:
    """Return everything that a run told anybody, or tried to."""
    parts: list[bytes] = [*seen.bodies, *(text.encode() for text in seen.attempts)]
    parts += [str(settings).encode() for settings in seen.exporters]
    if seen.seen_on_wire:
        for request in (*seen.wire.requests, *seen.wire.fetches):
            parts += [request.line.encode(), request.wire, request.client.encode()]
            parts += [f"{name}: {value}".encode() for name, value in request.headers]
        parts += [text.encode() for text in seen.wire.look_ups]
        parts += seen.wire.hellos
        parts += [f"{line} {headers}".encode() for line, headers in seen.wire.tunnels]
    return b"\n".join(parts)


def _paths(seen: Observation) -> Iterator[str]:
    """Yield the full paths of a run's working directory, home folder, inputs and outputs."""
    if seen.folder:
        yield seen.folder
        yield str(PurePosixPath(seen.folder).with_name(planted.NAMES.home))
        named = (word for word in seen.run.argv if word.startswith("Zqx"))
        yield from (f"{seen.folder}/{name}" for name in named)
        yield from (f"{PurePosixPath(seen.folder).parent}/{path}" for path in seen.files)


@claim(
    "None of these is sent, whether plain, encoded or hashed without salt, unless your own"
    " OpenTelemetry settings add it: the names of files, folders, chromosomes and the assembly; a"
    " map's metadata; a region; the user's name; the machine's name, identifier and hardware"
    " (MAC) address; the values of environment variables; the text of errors. Nor is an unsalted"
    " hash of the user's and the machine's names combined, of a file name with its extension, or of"
    " a full path.",
    ORDINARY,
)
def nothing_planted(trial: Trial) -> None:
    runs = trial.runs()
    told = [_told(seen) for seen in runs]
    everything = b"\n".join(told)
    # The search has to find the one value that is known to be sent.
    known = planted.found(planted.TYPED, everything)
    trial.require_tested([] if known else [planted.TYPED], "the search")
    trial.counts["bytes searched"] = len(everything)
    for where, text in {**planted.PLANTED, **planted.COMBINATIONS}.items():
        # Search the runs one by one only if there is something to find.
        tellers = zip(runs, told, strict=True) if planted.found(text, everything) else ()
        found = [(seen, form) for seen, one in tellers if (form := planted.found(text, one))]
        trial.counts["checks"] += len(runs)
        for seen, form in found:
            trial.expect(False, f"`{seen.run.command}` ({seen.run.name}) tells {where}: {form}")
    for seen, one in zip(runs, told, strict=True):
        for path in _paths(seen):
            form = planted.found_hash(path, one)
            trial.expect(not form, f"`{seen.run.command}` tells a whole path: {form}")
    trial.counts["planted values"] = len(planted.PLANTED) + len(planted.COMBINATIONS)


@claim(
    "A control run shows that the planted names of the machine, the working directory and a"
    " chromosome were in place.",
    ("commands",),
)
def canaries_in_place(trial: Trial) -> None:
    """Check that values were in place: otherwise, not finding them would prove nothing."""
    names = planted.NAMES
    seen = trial.run("call")
    if seen.seen_on_wire:
        trial.expect_equal(seen.wire.host_name, names.host, "the machine is called")
    folders = {PurePosixPath(path).parts[0] for path in seen.files}
    trial.expect_equal(folders, {names.work}, "the working directory is called")
    shown = trial.run("view").stdout
    chromosome = planted.PLANTED["the first chromosome's name"]
    trial.expect(chromosome in shown, "the planted chromosome is not in the result")


@claim(
    "No two runs share an identifier, unless your own OpenTelemetry settings add one; so none"
    " links one run to another.",
    ORDINARY,
)
def random_identifiers(trial: Trial) -> None:
    messages = [
        trial.evidence.values(replace(seen, bodies=(body,)))
        for seen in trial.runs()
        # After an error, the same message may be sent again.
        for body in {*seen.bodies}
    ]
    for name in RANDOM:
        digits = [values[name].replace("-", "") for values in messages if name in values]
        trial.expect(bool(digits), f"no run sends {name}")
        # A piece that two messages share would be enough to link them.
        drawn = Counter(
            (at, text[at : at + DIGITS]) for text in digits for at in range(0, len(text), DIGITS)
        )
        for (_, piece), count in drawn.items():
            trial.expect(count == 1, f"{name} has {piece} in {count} messages")
        _expect_even_bits(trial, name, [text for text in digits if HEX.fullmatch(text)])
    for name in TIMES:
        told = [values[name] for values in messages if name in values]
        # A clock without nanoseconds leaves too few digits to compare.
        if not all(time.endswith("000Z") for time in told):
            for part, most in AGREEING:
                for piece, count in Counter(time[part] for time in told).items():
                    trial.expect(count < most, f"{name} has {piece} in {count} messages")


def _expect_even_bits(trial: Trial, name: str, digits: Sequence[str]) -> None:
    """Expect each bit of an identifier to be 1 in about half of the messages."""
    bits = [f"{int(text, 16):0{4 * len(text)}b}" for text in digits]
    for at, drawn in enumerate(zip(*bits, strict=False)):
        ones = drawn.count("1")
        even = (2 * ones - len(bits)) ** 2 <= SIGMAS**2 * len(bits)
        settled = name == "service.instance.id" and at in UUID_BITS
        trial.expect(even or settled, f"bit {at} of {name} is 1 in {ones} of {len(bits)}")


@claim(
    "StripePy contacts only its collector and the hosts of the data that `stripepy download` is"
    " asked to fetch, unless OpenTelemetry was already set up in the same process.",
    (*ORDINARY, "ambient"),
)
def only_collector(trial: Trial) -> None:
    for seen in trial.runs():
        attempts = ", ".join(dict.fromkeys(seen.attempts))
        trial.expect(not seen.attempts, f"`{seen.run.command}`: {attempts}")
        if seen.seen_on_wire and seen.run.network is Network.ANSWERS and seen.run.trusts:
            connections, requests = seen.wire.connections, len(seen.wire.requests)
            messages = 2 if seen.run.name.startswith("twice") else 1
            what = f"`{seen.run.command}`: {connections} connections for {requests} messages"
            trial.expect(connections == requests <= messages, what)


@claim(
    "When `stripepy download` fetches a data set, its requests hold the data set's address and the"
    " headers that Python adds, and nothing else.",
    ("commands", "downloads"),
)
def data_requests(trial: Trial) -> None:
    python = ".".join(trial.evidence.versions["python"].split(".")[:2])
    added = {
        "accept-encoding": "identity",
        "connection": "close",
        "user-agent": f"Python-urllib/{python}",
    }
    listed = {data["url"]: (name, data["format"]) for name, data in trial.data_sets().items()}
    for seen in trial.runs("downloads", where=lambda seen: bool(seen.run.hosts)):
        for_tests = any(word.endswith("-test") for word in seen.run.argv)
        what, values = f"`{seen.run.command}`", trial.evidence.values(seen)
        told = tuple(values.get(f"params.dataset_{datum}") for datum in ("name", "format"))
        trial.expect(bool(seen.wire.fetches), f"{what} fetched nothing")
        for request in seen.wire.fetches:
            headers = {name.lower(): value for name, value in request.headers}
            host = headers.pop("host", "")
            trial.expect_equal(headers, added, f"headers from {what}")
            # The list does not include the data sets for tests.
            of_tests = for_tests and DATA_OF_TESTS.fullmatch(request.line)
            target = request.line.removeprefix("GET ").removesuffix(" HTTP/1.1")
            data = listed.get(f"https://{host}{target}")
            known = host in DATA_HOSTS and (of_tests or data)
            asked = f"{what} asks {host}: {request.line} {request.wire!r}"
            trial.expect(bool(known) and not request.wire, asked)
            # For tests, the message does not name the data sets.
            if data and seen.bodies and not for_tests:
                trial.expect_equal(told, data, f"what {what} sends of the data set")


def _outputs(trial: Trial, run: Run) -> set[str]:
    """Return what a run may write in its working directory: what it is told to, or the default."""
    match run.argv:
        case ("call", matrix, resolution, *words) if "--output-file" not in words:
            return {f"{PurePosixPath(matrix).stem}.{resolution}.hdf5", *words}
        case ("download", *words) if "--output-path" not in words:
            listed = trial.data_sets()
            # The data sets for tests go into this folder.
            return {"test", *(f"{name}.{data['format']}" for name, data in listed.items()), *words}
    return {*run.argv}


@claim(
    "A run writes no files but those it was asked for, except that matplotlib, when it plots, keeps"
    " a list of fonts and an empty folder for settings.",
    (*ORDINARY, "absent"),
)
def nothing_stored(trial: Trial) -> None:
    for seen in trial.runs("watched"):
        trial.expect(bool(seen.variables), f"`{seen.run.command}` was not watched")
    changed = trial.evidence.changed_files
    trial.expect(not changed, f"changed among the installed packages: {', '.join(changed)}")
    for seen in trial.runs():
        run, killed = seen.run, seen.run.ending.kills
        elsewhere = () if killed else seen.written_elsewhere
        trial.expect(not elsewhere, f"`{run.command}` wrote {', '.join(elsewhere)}")
        written = [PurePosixPath(path) for path in files_of(seen)]
        outputs = _outputs(trial, run) if written else set()
        for path in written:
            folder, name, *rest = path.parts
            # Only the plots of `call` and the data sets for tests go into a folder.
            inside = not rest or name == "test" or path.suffix == ".jpg"
            asked_for = name in outputs and name not in run.inputs and inside
            # A run that is killed cannot tidy up.
            unfinished = killed and folder != planted.NAMES.home
            known = unfinished or (folder == planted.NAMES.work and asked_for)
            trial.expect(known, f"`{run.command}` wrote {path}")
    fonts = any("fontlist" in path for seen in trial.runs("commands") for path in seen.files)
    trial.expect(fonts, "matplotlib keeps no list of fonts")


@claim(
    "When `stripepy` has ended, no process is left running.",
    tuple(topic for topic in ORDINARY if topic != "memory"),
)
def nothing_left_running(trial: Trial) -> None:
    for seen in trial.runs(where=lambda seen: not seen.run.ending.kills):
        left = seen.wire.left_running
        trial.expect(not left, f"`{seen.run.command}` left running: {', '.join(left)}")
