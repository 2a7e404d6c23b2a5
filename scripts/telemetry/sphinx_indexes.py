"""Lists of the site's pages for machines: sitemap.xml and llms.txt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin
from xml.sax.saxutils import escape

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

LOGGER = logging.getLogger(__name__)


def pages_in_order(env: BuildEnvironment, root: str) -> Iterator[str]:
    """Every page that a menu leads to, in the order of the menus."""
    yield root
    for page in env.toctree_includes.get(root, []):
        yield from pages_in_order(env, page)


def sitemap(addresses: list[str]) -> str:
    """A list of addresses for search engines."""
    urls = "".join(f"<url><loc>{escape(address)}</loc></url>\n" for address in addresses)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n'
    )


def llms(env: BuildEnvironment, addresses: dict[str, str]) -> str:
    """Titles, addresses and descriptions of the pages, in the form of llmstxt.org."""
    root = env.config.root_doc
    lines = [f"# {env.config.project}", "", f"> {env.metadata[root].get('description')}", ""]
    for page, address in addresses.items():
        title, description = env.titles[page].astext(), env.metadata[page].get("description")
        lines.append(f"- [{title}]({address}): {description}")
    return "\n".join(lines) + "\n"


def check_descriptions(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of pages without the description that search engines and llms.txt show."""
    for page in sorted(env.found_docs):
        if not env.metadata[page].get("description"):
            LOGGER.warning("no description: begin the page with :description: TEXT", location=page)


def write_indexes(app: Sphinx, failure: Exception | None) -> None:
    """Write the lists beside the pages that were built."""
    if failure or app.builder.name != "html":
        return
    base = app.config.html_baseurl
    addresses = {
        page: urljoin(base, app.builder.get_target_uri(page))
        for page in pages_in_order(app.env, app.config.root_doc)
    }
    folder = Path(app.outdir)
    (folder / "llms.txt").write_text(llms(app.env, addresses), encoding="utf-8")
    # A sitemap has whole addresses only, and those are known where the site is published.
    if base:
        (folder / "sitemap.xml").write_text(sitemap(list(addresses.values())), encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Write the lists after each build of the pages."""
    app.connect("env-check-consistency", check_descriptions)
    app.connect("build-finished", write_indexes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
