"""What search engines and other machines are told of the pages."""

import subprocess
import sys
from pathlib import Path

import html5lib
import pytest

from conftest import ROOT

BASE = "https://docs.example/en/latest/"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as Read the Docs builds it, where its address is known."""
    build = tmp_path_factory.mktemp("published")
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-M", "html", "docs", build, "-c", ".", "-W", "-n", "-q"],
        cwd=ROOT,
        check=True,
        env={"READTHEDOCS_CANONICAL_URL": BASE},
    )
    return build / "html"


def sources() -> list[str]:
    pages = [path.stem for path in (ROOT / "docs").glob("*.rst") if path.stem != "404"]
    assert pages
    return pages


def head(path: Path) -> dict[str, str]:
    """Names and values of what the head of a page says."""
    tree = html5lib.parse(path.read_text(encoding="utf-8"), namespaceHTMLElements=False)
    said = {
        meta.get("name") or meta.get("property") or "": meta.get("content") or ""
        for meta in tree.iter("meta")
    }
    said |= {link.get("rel") or "": link.get("href") or "" for link in tree.iter("link")}
    return said


def test_every_page_is_listed_once_in_both_indexes(published: Path) -> None:
    sitemap = (published / "sitemap.xml").read_text(encoding="utf-8")
    llms = (published / "llms.txt").read_text(encoding="utf-8")
    for page in sources():
        assert sitemap.count(f"<loc>{BASE}{page}.html</loc>") == 1
        assert llms.count(f"({BASE}{page}.html): ") == 1
    assert sitemap.count("<loc>") == llms.count("](") == len(sources())


def test_every_page_has_its_address_and_a_description_of_its_own(published: Path) -> None:
    descriptions = set()
    for page in sources():
        said = head(published / f"{page}.html")
        assert said["canonical"] == said["og:url"] == f"{BASE}{page}.html"
        assert said["description"] == said["og:description"]
        descriptions.add(said["description"])
    assert len(descriptions) == len(sources())


def test_the_page_for_what_is_not_there_has_no_address_of_its_own(published: Path) -> None:
    assert "canonical" not in head(published / "404.html")
    assert head(published / "404.html")["stylesheet"].startswith("/en/latest/_static/")


def test_without_an_address_there_is_no_sitemap(site: Path) -> None:
    assert (site / "llms.txt").is_file()
    assert not (site / "sitemap.xml").exists()
    assert "canonical" not in head(site / "index.html")


def test_a_page_without_a_description_stops_the_build(project: Path) -> None:
    page = project / "docs" / "telemetry.rst"
    page.write_text(page.read_text().split("\n", 1)[1])
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", "-M", "html", "docs", "build", "-c", ".", "-W", "-q"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "telemetry.rst: WARNING: no description" in run.stderr
