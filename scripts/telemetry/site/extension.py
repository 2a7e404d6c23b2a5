"""The extension: the directives and roles for what is made from records, and the checks."""

import inspect
import sys
from collections.abc import Callable, Set
from typing import NoReturn

from docutils import nodes
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.typing import ExtensionMetadata

from telemetry.records.exits import UserError
from telemetry.site import claims, fields, glance, handling, markup, published, releases, sentences
from telemetry.site.content import Unknown, look_up, read
from telemetry.site.domain import TelemetryDomain, domain_of
from telemetry.site.page import Page
from telemetry.site.sentences import Guidance, Sentences
from telemetry.site.snippets import Snippet

SHOWN: dict[str, Callable[..., list[Node]]] = {
    "glance": glance.glance,
    "fields": fields.fields,
    "other-fields": fields.other_fields,
    "machine-fields": fields.machine_fields,
    "field-reference": fields.field_reference,
    "sensitivities": fields.sensitivities,
    "verdicts": claims.verdicts,
    "claims": claims.claims,
    "subcommands": claims.subcommands,
    "options": claims.options,
    "switches": claims.switches,
    "variables": claims.variables,
    "delays": claims.delays,
    "lines": claims.lines,
    "source-files": claims.source_files,
    "release-changes": releases.release_changes,
    "release-timeline": releases.release_timeline,
    "release-fields": releases.release_fields,
    "gone-fields": releases.gone_fields,
    "dependency-choices": releases.dependency_choices,
    "sdk-stretches": releases.sdk_stretches,
    "sdk-changes": releases.sdk_changes,
    "sdk-settings": releases.sdk_settings,
    "data-flow": handling.data_flow,
}


def fact(page: Page, name: str) -> list[Node]:
    """A fact, as text."""
    return [nodes.Text(look_up(page.content.facts, name, "fact"))]


def literal_fact(page: Page, name: str) -> list[Node]:
    """A fact, to the letter."""
    return [markup.literal(look_up(page.content.facts, name, "fact"))]


def source(page: Page, path: str) -> list[Node]:
    """A file of StripePy, linked at the tag of the documented release."""
    release = page.content.run.provenance.stripepy_hic
    return [markup.source(release, path, f"src/stripepy/{path}")]


ROLES: dict[str, Callable[[Page, str], list[Node]]] = {
    "fact": fact,
    "literal-fact": literal_fact,
    "source": source,
    "legend": sentences.legend,
}


class Show(SphinxDirective):
    """`.. show:: NAME ARGUMENT...`: what one of the functions makes from the records."""

    required_arguments = 1
    optional_arguments = 2

    def run(self) -> list[Node]:
        """Call the function."""
        name, *arguments = self.arguments
        page = Page(self.env, self.state.document)
        try:
            show = look_up(SHOWN, name, "entry")
            inspect.signature(show).bind(page, *arguments)
        except (Unknown, TypeError) as error:
            raise self.error(f"{name}: {error}") from None
        try:
            return show(page, *arguments)
        except Unknown as error:
            raise self.error(str(error)) from None


class Role(SphinxRole):
    """A role whose nodes a function makes.

    Args:
        make: The function, of the page and the role's text.
    """

    def __init__(self, make: Callable[[Page, str], list[Node]]) -> None:
        self.make = make

    def run(self) -> tuple[list[Node], list[nodes.system_message]]:
        """Call the function."""
        try:
            return self.make(Page(self.env, self.inliner.document), self.text), []
        except Unknown as error:
            return [], [self.inliner.reporter.error(str(error), line=self.lineno)]


def _read(app: Sphinx) -> None:
    try:
        domain_of(app.env).content = read()
        glance.answers(domain_of(app.env).content)
    except UserError as error:
        _end_build(error)


def _check_fields(app: Sphinx, env: BuildEnvironment) -> None:
    # Comes before Sphinx saves what it has read; otherwise, the next build would pass.
    domain = domain_of(env)
    if missing := [name for name in domain.content.dictionary if name not in domain.fields]:
        mend = "show the field-reference of their category on a page"
        _end_build(UserError(f"no page describes {', '.join(missing)}", mend))


def _end_build(error: UserError) -> NoReturn:
    # Sphinx shows an exception, whatever its class, with a traceback and as a fault of its own;
    # this is neither.
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(error.status)


def _forget_other_pages(
    app: Sphinx, env: BuildEnvironment, pages: Set[str], other: BuildEnvironment
) -> None:
    # sphinx-notfound-page takes over what a process says of every page, read by it or not.
    for page in other.metadata.keys() - pages:
        del other.metadata[page]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the extension with Sphinx."""
    app.add_domain(TelemetryDomain)
    app.add_object_type("claim", "claim-link", "single: %s; claim")
    app.add_directive("show", Show)
    app.add_directive("sentences", Sentences)
    app.add_directive("guidance", Guidance)
    app.add_directive("snippet", Snippet)
    for name, make in ROLES.items():
        app.add_role(name, Role(make))
    app.connect("builder-inited", _read)
    app.connect("doctree-read", sentences.check)
    app.connect("env-merge-info", _forget_other_pages, priority=400)
    app.connect("env-updated", _check_fields)
    app.connect("env-check-consistency", published.check_descriptions)
    app.connect("build-finished", published.publish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
