"""Files served beside the pages: documents for programs, and lists of the pages."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin
from xml.sax.saxutils import escape

from pydantic import Field
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from telemetry.records import documents, files
from telemetry.records.claims import Example
from telemetry.records.documents import Record
from telemetry.records.fields import SENSITIVITIES, Category, Part, Sensitivity, Since
from telemetry.site.content import Content, read
from telemetry.site.glance import answers

# Not in html_extra_path, which would report a missing file before we can say how to fix it.
SERVED = (files.TABLE, files.MESSAGE)

SITEMAPS = "http://www.sitemaps.org/schemas/sitemap/0.9"

logger = logging.getLogger(__name__)


class ExporterSettings(Record):
    """Where a message goes, and how."""

    endpoint: str = Field(description="Address that the exporter was given.")
    timeout: float = Field(description="After how many seconds sending is given up.")
    compression: str = Field(description="How the message is compressed.")


class FieldEntry(Record):
    """One field."""

    name: str
    category: Category
    part: Part = Field(description="Message of the OTLP body that carries it.")
    meaning: str = Field(description="What it says; code stands between backticks.")
    why: str = Field(description="What it is collected for.")
    sensitivity: Sensitivity = Field(description="How much it could tell about a person.")
    sensitivity_because: str = Field(description="Why so.")
    type: list[str] = Field(description="OTLP types that it may have.")
    allowed: list[str] | None = Field(description="Every value it may have; null for any.")
    pattern: re.Pattern[str] | None = Field(description="Regular expression for the whole value.")
    sent_by: dict[str, str] = Field(description="When each subcommand sends it; * is every one.")
    origin: str = Field(description="Who adds it.")
    varies: str = Field(description="What besides the command decides the value.")
    since: Since
    example: Example | None = Field(description="From a run; null if no run here sent it.")
    lines: list[str] = Field(description="Lines of StripePy that set it, as file:line.")


class GlanceEntry(Record):
    """One line of the summary at the top of the telemetry page."""

    question: str
    text: str = Field(description="Code stands between backticks.")
    sentences: list[str] = Field(description="Claims and statements that it sums up, by name.")


class ClaimEntry(Record):
    """One statement, and what became of it."""

    id: str
    sentence: str = Field(description="Code stands between backticks.")
    verdict: str
    runs: int = Field(description="How many runs decided it.")


class OptOut(Record):
    """A variable and value that could switch telemetry off."""

    variable: str
    value: str = Field(description="May be empty.")
    switches_off: bool = Field(
        description="Whether nothing was sent by the subcommands run with it."
    )


class ReleaseEntry(Record):
    """One release of StripePy, run with the dependencies current at its release."""

    release: str
    uploaded: str = Field(description="Day of its upload, ISO 8601.")
    state: str = Field(description="Whether it sends, sends nothing, or could not be run.")
    reason: str = Field(description="Why it could not be run; empty if it could.")
    opentelemetry_sdk: str = Field(description="With which release of opentelemetry-sdk.")
    fields: list[str] = Field(description="What it sends, over all subcommands.")


class Disclosure(Record):
    """What StripePy's telemetry holds, why, where it goes, and how to switch it off."""

    version: Literal[1] = Field(description="Version of this format.")
    stripepy_hic: str = Field(description="Release of stripepy-hic that was tested.")
    opentelemetry_sdk: str = Field(
        description="Release of opentelemetry-sdk that it was tested with."
    )
    verified: str = Field(description="Day of the verification, UTC, ISO 8601.")
    destination: ExporterSettings
    at_a_glance: list[GlanceEntry]
    fields: list[FieldEntry]
    claims: list[ClaimEntry]
    opt_outs: list[OptOut]
    releases: list[ReleaseEntry] = Field(description="Oldest first.")
    data_handling: dict[str, dict[str, str]] = Field(
        description="What only the maintainers can vouch for, by section: facts, the"
        " sentences `stated` and, in `not_stated`, what nobody has said."
    )


def disclose(content: Content) -> Disclosure:
    verification, statements = content.verification, dict[str, dict[str, str]]()
    for name, text in content.handling.items():
        section, _, key = name.partition(".")
        statements.setdefault(section, {})[key] = content.filled(text)
    return Disclosure(
        version=1,
        stripepy_hic=verification.stripepy_hic,
        opentelemetry_sdk=verification.this_run.versions["opentelemetry-sdk"],
        verified=verification.this_run.date,
        destination=ExporterSettings.model_validate(content.run.provenance.exporters[0]),
        at_a_glance=[
            GlanceEntry(question=a.question, text=a.text, sentences=[g.name for g in a.grounds])
            for a in answers(content)
        ],
        fields=[_field(name, content) for name in content.dictionary],
        claims=[
            ClaimEntry(
                **claim.model_dump(include={"id", "verdict", "runs"}),
                sentence=content.filled(claim.sentence),
            )
            for claim in verification.claims
        ],
        opt_outs=[OptOut.model_validate(s, from_attributes=True) for s in verification.switches],
        releases=[
            ReleaseEntry(
                **setup.model_dump(include={"release", "uploaded", "state", "reason"}),
                opentelemetry_sdk=setup.sdk,
                fields=list(setup.fields),
            )
            for setup in content.history.of("contemporary")
        ],
        data_handling=statements,
    )


def _field(name: str, content: Content) -> FieldEntry:
    entry, seen = content.dictionary[name], content.verification.field(name)
    made = {
        "name": name,
        "meaning": content.dictionary.meaning(name),
        "sensitivity_because": entry.sensitivity_because or SENSITIVITIES[entry.sensitivity],
        "example": content.example(name),
        "lines": seen.lines if seen else [],
    }
    return FieldEntry(**entry.model_dump(include=set(FieldEntry.model_fields)) | made)


def publish(app: Sphinx, failure: Exception | None) -> None:
    if failure or app.builder.name != "html":
        return
    base = app.config.html_baseurl
    # Only pages in a menu, in the order of the menu.
    pages = app.env.collect_relations()
    addresses = {page: urljoin(base, app.builder.get_target_uri(page)) for page in pages}
    shown, content = read(), {path: path.read_bytes() for path in SERVED}
    for path, document in (
        (Path("telemetry.json"), disclose(shown)),
        (files.CLAIMS, shown.verification),
        (files.RELEASES, shown.history),
    ):
        content |= documents.render_with_schema(document, path)
    content[Path("llms.txt")] = _llms(app.env, addresses).encode()
    # A sitemap needs absolute addresses, which are known only where the site is published.
    if base:
        urls = "".join(f"<url><loc>{escape(url)}</loc></url>\n" for url in addresses.values())
        sitemap = f'<urlset xmlns="{SITEMAPS}">\n{urls}</urlset>\n'
        content[Path("sitemap.xml")] = f'<?xml version="1.0" encoding="utf-8"?>\n{sitemap}'.encode()
    for path, text in content.items():
        (app.outdir / path.name).write_bytes(text)


def _llms(env: BuildEnvironment, addresses: dict[str, str]) -> str:
    """Titles, addresses and descriptions of the pages, in the format of llmstxt.org."""
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
