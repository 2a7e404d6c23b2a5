"""Planted values: unmistakable texts wherever a run could find something, and the search for them.

The search finds a planted value in any form that could hide it: in other letter cases, in encodings
such as URL, base64 and hexadecimal, and as a common hash, whole or truncated.
"""

import base64
import codecs
import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote, quote_plus

import h5py

from telemetry.box import world
from telemetry.box.world import Names, World
from telemetry.evidence import source_lines
from telemetry.table import sample

# Enough of a digest not to occur by accident: 6 bytes, or 12 hexadecimal digits.
HASH_BYTES = 6
HASHES = (
    *("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
    *("blake2b", "blake2s", "sha3_224", "sha3_256", "sha3_384", "sha3_512"),
)

PLANTED: Mapping[str, str] = {
    "the working directory": "ZqxFolder",
    "the home folder": "ZqxHome",
    "the user's name": "ZqxUser",
    "the user's full name": "ZqxPerson Zqxsurname",
    "the machine's name": "ZqxMachine",
    "the machine's domain": "ZqxDomain",
    "the machine's identifier": "5a7178206d616368696e65206964aa17",
    "the machine's hardware address": "02:5a:71:78:6d:63",
    "the machine's hardware address, without colons": "025a71786d63",
    "a variable of the environment": "ZqxVariable",
    "an e-mail address in a file of settings": "ZqxMail",
    "the input's name": "ZqxMatrix",
    "the result's name": "ZqxResult",
    "the log's name": "ZqxDiary",
    "the plot's name": "ZqxPlot",
    "the plots' folder": "ZqxFigures",
    "the first chromosome's name": "ZqxChrom1",
    "the second chromosome's name": "ZqxChrom2",
    "the assembly's name": "ZqxAssembly",
    "the matrix's metadata": "ZqxMetadata",
    "a region": "ZqxRegion",
    "a normalisation": "ZqxNormalization",
    "the text of an error": "ZqxNoSuchThing",
}
"""What is planted, by what it stands for."""

MATRIX = PLANTED["the input's name"]
RESULT = PLANTED["the result's name"] + ".hdf5"

NORMALISATION = "weight"
"""The name of the normalisation in balanced .mcool files."""

TYPED = "ZqxDataset"
"""The one planted value that is known to be sent: the name of a data set, as typed."""

FOLDER_ENDING = " für Größen"
"""A folder as users name it: with spaces, and with letters that are not ASCII."""

NAMES = Names(
    work=PLANTED["the working directory"] + FOLDER_ENDING,
    home=PLANTED["the home folder"],
    host=PLANTED["the machine's name"] + "." + PLANTED["the machine's domain"],
    user=PLANTED["the user's name"],
    person=PLANTED["the user's full name"],
    machine=PLANTED["the machine's identifier"],
    hardware=PLANTED["the machine's hardware address"],
    variables={"ZQX": PLANTED["a variable of the environment"]},
)

COMBINATIONS: Mapping[str, str] = {
    f"{what}, joined by {separator!r}": separator.join(pair)
    for what, pair in (
        ("the names of user and machine", (NAMES.user, PLANTED["the machine's name"])),
        ("the names of machine and user", (PLANTED["the machine's name"], NAMES.user)),
        ("the names of user and machine, with its domain", (NAMES.user, NAMES.host)),
        ("the names of machine, with its domain, and user", (NAMES.host, NAMES.user)),
    )
    for separator in ("", "@", ":", "-", "_", ".", "/", "|", ",", " ")
} | {
    f"{where} with {ending}": PLANTED[where] + ending
    for where, ending in (
        *(("the input's name", ending) for ending in (".hic", ".cool", ".mcool")),
        ("the result's name", ".hdf5"),
        ("the plot's name", ".png"),
        ("the log's name", ".txt"),
        ("the working directory", FOLDER_ENDING),
        ("the machine's name", "." + PLANTED["the machine's domain"]),
    )
}
"""Planted values joined together, because a hash of the whole is not a hash of either part.

A hash with an unknown salt cannot be found.
"""

ABSENT = "with OpenTelemetry hidden"

SET_UP_FIRST = "with OpenTelemetry set up before StripePy starts"

PROVIDER = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

provider = TracerProvider()
for exporter in (OTLPSpanExporter(), ConsoleSpanExporter()):
    provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
"""
"""What auto-instrumentation, an operator or a notebook does before StripePy starts.

It also prints what it exports, to show what goes to the address that the user has set.
"""

CHANGED_DATA = "with the checksums of data sets replaced"


def planted_world(endpoint: str) -> AbstractContextManager[World]:
    """Make a world in which everything that a run could find is planted.

    Args:
        endpoint: Address of the collector, as stripepy gives it to its exporter.
    """
    return world.made(endpoint, names=NAMES, fill=_fill, empties_temporary=True)


def _fill(folder: Path) -> None:
    """Write the files that runs need: inputs with planted texts in them, and changed packages."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        making = pool.submit(_write_maps, folder)
        listing = pool.submit(_list_fonts, folder / "fonts")
        (folder / "cut.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
        (folder / "data").write_bytes(b"a small data set")
        absent = folder / "absent" / "opentelemetry" / "__init__.py"
        absent.parent.mkdir(parents=True)
        absent.write_text("raise ModuleNotFoundError(f'No module named {__name__!r}')\n")
        provider = folder / "provider" / "sitecustomize.py"
        provider.parent.mkdir()
        provider.write_text(PROVIDER)
        change_data_sets(source_lines.package(), folder / "changed", folder / "data")
        making.result()
        listing.result()


def _write_maps(folder: Path) -> None:
    hic, cool, mcool = (folder / f"matrix.{form}" for form in ("hic", "cool", "mcool"))
    names = (PLANTED["the first chromosome's name"], PLANTED["the second chromosome's name"])
    chromosomes = dict(zip(names, sample.CHROMOSOMES.values(), strict=True))
    # As many chromosomes as a genome has; StripePy skips these short ones.
    many = chromosomes | {f"chr{number}": 500_000 for number in range(1, 21)}
    pixels, assembly = list(sample.pixels()), PLANTED["the assembly's name"]
    sample.write_here(hic, chromosomes, pixels, assembly)
    sample.write_here(cool, many, pixels, assembly)
    note = PLANTED["the matrix's metadata"]
    with h5py.File(cool, "a") as file:
        file.attrs.update({"generated-by": note, "metadata": json.dumps({"note": note})})
    sample.nest(cool, mcool, NORMALISATION)
    with h5py.File(mcool, "a") as file:
        public = {"assembly": "hg38", "genome-assembly": "hg38"}
        file[f"resolutions/{sample.RESOLUTION}"].attrs.update(public)


def _list_fonts(folder: Path) -> None:
    os.environ["MPLCONFIGDIR"] = str(folder)
    import matplotlib.font_manager  # noqa: F401


def change_data_sets(package: Path, copy: Path, data: Path) -> None:
    """Copy StripePy, with checksums changed so that it accepts one file as any of its data sets.

    Args:
        package: Folder of the installed package.
        copy: Folder for the copy, to be put on PYTHONPATH.
        data: The file.
    """
    shutil.copytree(package, copy / "stripepy", ignore=shutil.ignore_patterns("__pycache__"))
    module = copy / "stripepy" / "cli" / "download.py"
    digest = hashlib.md5(data.read_bytes()).hexdigest()
    module.write_text(re.sub(r'("md5": ")[0-9a-f]{32}"', rf'\g<1>{digest}"', module.read_text()))


def forms(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield every form in which to look for a text, after the name of the form."""
    plain = text.encode()
    for case, variant in (
        ("as it is", text),
        ("lower case", text.lower()),
        ("upper case", text.upper()),
    ):
        yield case, variant.encode()
        yield f"hexadecimal, {case}", variant.encode().hex().encode()
        yield f"hexadecimal capitals, {case}", variant.encode().hex().upper().encode()
        yield from ((f"base64, {case}", piece) for piece in _base64_pieces(variant.encode()))
        yield f"base32, {case}", base64.b32encode(variant.encode()).rstrip(b"=")
        yield f"base85, {case}", base64.b85encode(variant.encode())
        yield f"Ascii85, {case}", base64.a85encode(variant.encode())
        yield f"numbers of characters, {case}", ", ".join(map(str, variant.encode())).encode()
    yield "reversed", plain[::-1]
    yield "rot13", codecs.encode(text, "rot13").encode()
    yield "UTF-16", text.encode("utf-16-le")
    for quoted in {quote(text, safe=""), quote_plus(text)} - {text}:
        yield "URL-encoded", quoted.encode()
    yield "URL-encoded throughout", "".join(f"%{byte:02X}" for byte in plain).encode()
    yield from hashes(text)


def hashes(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield the start of every hash of a text, in each notation, after the name of the hash."""
    for hashed, name in (
        (text, ""),
        (text.lower(), " in lower case"),
        (text.upper(), " in upper case"),
        (f"{text}\n", " with a line end"),
    ):
        yield f"crc32{name}, hexadecimal", f"{zlib.crc32(hashed.encode()):08x}".encode()
        for algorithm in HASHES:
            digest = hashlib.new(algorithm, hashed.encode()).digest()
            head = digest[:HASH_BYTES]
            yield f"{algorithm}{name}", head
            yield f"{algorithm}{name}, hexadecimal", head.hex().encode()
            yield f"{algorithm}{name}, hexadecimal capitals", head.hex().upper().encode()
            yield f"{algorithm}{name}, base64", base64.b64encode(digest)[: HASH_BYTES * 4 // 3]


def _base64_pieces(data: bytes) -> Iterator[bytes]:
    """Yield what is left of a text in base64 when it is part of a longer one, without the edges."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            encoded = encode(bytes(offset) + data)
            start, cut = (0, 2, 3)[offset], (offset + len(data)) % 3
            yield encoded.rstrip(b"=")[start : len(encoded.rstrip(b"=")) - (1 if cut else 0)]


@cache
def _needles(text: str) -> Mapping[bytes, str]:
    return {needle: name for name, needle in reversed(list(forms(text)))}


def found_hash(text: str, haystack: bytes) -> str:
    """Return the name of a hash of a text that occurs in some bytes; empty if none does."""
    return next((name for name, needle in hashes(text) if needle in haystack), "")


def found(text: str, haystack: bytes) -> str:
    """Return the name of the form in which a text occurs in some bytes; empty if it does not."""
    return next((name for needle, name in _needles(text).items() if needle in haystack), "")
