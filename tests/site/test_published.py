"""Files served beside the pages: documents for programs, and lists of the pages."""

import json
from pathlib import Path

import jsonschema
import pytest

from conftest import ROOT, build, page
from telemetry.records import files
from telemetry.site.published import SERVED

BASE = "https://docs.example/en/latest/"
REPOSITORY = "https://code.example/site.git"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as on Read the Docs, where its address is known."""
    folder = tmp_path_factory.mktemp("published")
    built = build(folder, READTHEDOCS_CANONICAL_URL=BASE, READTHEDOCS_GIT_CLONE_URL=REPOSITORY)
    assert built.returncode == 0, built.stderr
    return folder


def head(path: Path) -> dict[str, str]:
    """The metadata and links in the head of a page, by name."""
    tree = page(path)
    said = {
        meta.get("name") or meta.get("property") or "": meta.get("content") or ""
        for meta in tree.iter("meta")
    }
    return said | {link.get("rel") or "": link.get("href") or "" for link in tree.iter("link")}


def test_every_page_is_listed_once_and_says_where_and_what_it_is(published: Path) -> None:
    sitemap = (published / "sitemap.xml").read_text(encoding="utf-8")
    llms = (published / "llms.txt").read_text(encoding="utf-8")
    sources = [path.stem for path in (ROOT / "docs").glob("*.rst") if path.stem != "404"]
    descriptions = set()
    for name in sources:
        built, address = published / f"{name}.html", f"{BASE}{name}.html"
        assert sitemap.count(f"<loc>{address}</loc>") == llms.count(f"({address}): ") == 1
        assert [link.get("href") for link in page(built).iter("a")].count(REPOSITORY) == 1
        said = head(built)
        assert said["canonical"] == said["og:url"] == address
        assert said["description"] == said["og:description"]
        descriptions.add(said["description"])
    assert len(descriptions) == sitemap.count("<loc>") == llms.count("](") == len(sources) > 0


def test_the_page_for_what_is_not_there_has_no_address_of_its_own(published: Path) -> None:
    assert "canonical" not in head(published / "404.html")
    assert head(published / "404.html")["stylesheet"].startswith("/en/latest/_static/")


def test_without_an_address_there_is_no_sitemap(site: Path) -> None:
    assert (site / "llms.txt").is_file()
    assert not (site / "sitemap.xml").exists()
    assert "canonical" not in head(site / "index.html")


def test_assets_for_programs_are_served_as_they_are(site: Path) -> None:
    for asset in (*SERVED, files.CLAIMS, files.RELEASES):
        assert (site / asset.name).read_bytes() == asset.read_bytes()


@pytest.mark.parametrize("name", ["telemetry", "telemetry_claims", "telemetry_releases"])
def test_a_document_fits_its_schema_and_one_of_a_later_version_does_not(
    site: Path, name: str
) -> None:
    document, schema = (
        json.loads((site / f"{name}{suffix}").read_text()) for suffix in (".json", ".schema.json")
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    document["version"] += 1
    errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
    assert [list(error.path) for error in errors] == [["version"]]
