"""What is served beside the pages: documents for programs, and lists of the pages."""

from collections.abc import Iterator
from urllib.parse import urljoin
from xml.sax.saxutils import escape

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from telemetry.records import documents, files
from telemetry.site.disclosure import Disclosure, disclose
from telemetry.site.domain import domain_of

# html_extra_path would complain of a missing one before anything is read.
SERVED = (
    files.TABLE,
    files.MESSAGE,
    files.CLAIMS,
    files.CLAIMS_SCHEMA,
    files.RELEASES,
    files.RELEASES_SCHEMA,
)

logger = logging.getLogger(__name__)


def publish(app: Sphinx, failure: Exception | None) -> None:
    """Write what is served beside the pages that were built."""
    if failure or app.builder.name != "html":
        return
    base = app.config.html_baseurl
    addresses = {
        page: urljoin(base, app.builder.get_target_uri(page))
        for page in _in_order(app.env, app.config.root_doc)
    }
    content = {path.name: path.read_bytes() for path in SERVED}
    content["telemetry.json"] = documents.render(disclose(domain_of(app.env).content))
    content["telemetry.schema.json"] = documents.render_schema(Disclosure)
    content["llms.txt"] = _llms(app.env, addresses).encode()
    # A sitemap has whole addresses only, and those are known where the site is published.
    if base:
        content["sitemap.xml"] = _sitemap(addresses).encode()
    for name, text in content.items():
        (app.outdir / name).write_bytes(text)


def _in_order(env: BuildEnvironment, page: str) -> Iterator[str]:
    """A page, and every page that its menus lead to."""
    yield page
    for below in env.toctree_includes.get(page, []):
        yield from _in_order(env, below)


def _sitemap(addresses: dict[str, str]) -> str:
    urls = "".join(f"<url><loc>{escape(url)}</loc></url>\n" for url in addresses.values())
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n'
    )


def _llms(env: BuildEnvironment, addresses: dict[str, str]) -> str:
    """Titles, addresses and descriptions of the pages, in the form of llmstxt.org."""
    described = {page: env.metadata[page].get("description") for page in addresses}
    lines = [f"# {env.config.project}", "", f"> {described[env.config.root_doc]}", ""]
    for page, address in addresses.items():
        lines.append(f"- [{env.titles[page].astext()}]({address}): {described[page]}")
    return "\n".join(lines) + "\n"


def check_descriptions(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of pages without the description that search engines and llms.txt show."""
    for page in sorted(env.found_docs):
        if not env.metadata[page].get("description"):
            logger.warning("no description: begin the page with :description: TEXT", location=page)
