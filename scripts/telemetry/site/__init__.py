"""The Sphinx extension, which reads the committed files and runs no program.

Its directives and roles generate parts of pages from the records. Its checks stop a build whose
pages leave out a field, or make statements of their own.
"""

import inspect
import sys
from collections.abc import Callable, Set
from typing import NoReturn

from docutils import nodes
from docutils.nodes import Node
from docutils.parsers.rst import DirectiveError, directives
from sphinx.application import Sphinx
from sphinx.directives.code import CodeBlock
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.typing import ExtensionMetadata

from telemetry.records.exits import UserError
from telemetry.site import claims, fields, glance, markup, published, releases, sentences
from telemetry.site.content import look_up, read
from telemetry.site.page import Page

SHOWN: dict[str, Callable[..., list[Node]]] = {
    name.removeprefix("show_").replace("_", "-"): function
    for module in (glance, fields, claims, releases, sentences)
    for name, function in vars(module).items()
    if name.startswith("show_")
}

ROLES: dict[str, Callable[[Page, str], Node]] = {
    "fact": lambda page, name: nodes.Text(look_up(page.content.facts, name, "fact")),
    "literal-fact": lambda page, name: markup.literal(look_up(page.content.facts, name, "fact")),
    "legend": lambda _, name: sentences.legend(name),
}


class Show(SphinxDirective):
    """`.. show:: NAME ARGUMENT...`: insert what `show_NAME` generates from the records."""

    required_arguments = 1
    optional_arguments = 2

    def run(self) -> list[Node]:
        name, *arguments = self.arguments
        page = Page(self.env, self.state.document)
        show = look_up(SHOWN, name, "entry")
        try:
            inspect.signature(show).bind(page, *arguments)
        except TypeError as error:
            raise self.error(f"{name}: {error}") from None
        return show(page, *arguments)


class Snippet(CodeBlock):
    """`.. snippet:: LANGUAGE`: a code block with a mark that says whether it was tested.

    `:tool:` names the program that runs it. With `:not-tried: REASON`, no test runs it, and the
    page says so; a test runs every other snippet as it stands on the page.
    """

    option_spec = {  # noqa: RUF012 -- as Sphinx declares it
        "tool": directives.unchanged_required,
        "caption": directives.unchanged_required,
        "not-tried": directives.unchanged_required,
    }

    def run(self) -> list[Node]:
        if "tool" not in self.options:
            raise self.error("which tool runs this? name it with :tool:")
        heading = markup.paragraph(class_="snippet-heading")
        # The caption shares a line with the mark, so Sphinx must not place it.
        if caption := self.options.pop("caption", ""):
            heading += [nodes.strong("", "", *self.parse_inline(caption)[0]), nodes.Text(" ")]
        if reason := self.options.get("not-tried", ""):
            heading += [markup.mark("not tested", "not-tried"), nodes.Text(f" {reason}")]
        else:
            heading += markup.mark(f"tested with {self.options['tool']}", "holds")
        return [nodes.container("", heading, *super().run(), classes=["snippet"])]


class Role(SphinxRole):
    """A role whose node comes from a function of the page and the role's text."""

    def __init__(self, make: Callable[[Page, str], Node]) -> None:
        self.make = make

    def run(self) -> tuple[list[Node], list[nodes.system_message]]:
        try:
            return [self.make(Page(self.env, self.inliner.document), self.text)], []
        except DirectiveError as error:
            return [], [self.inliner.reporter.error(error.msg, line=self.lineno)]


def _read(app: Sphinx) -> None:
    try:
        read.cache_clear()
        content = read()
        glance.answers(content)
        app.config.version = content.run.provenance.stripepy_hic
    except UserError as error:
        _end_build(error)


def _check_fields(app: Sphinx, env: BuildEnvironment) -> None:
    # By now, Sphinx has read every page, and merged what parallel processes have read.
    described = env.domains.standard_domain.objects
    if missing := [name for name in read().dictionary if ("field", name) not in described]:
        fix = "show the field-reference of their category on a page"
        _end_build(UserError(f"no page describes {', '.join(missing)}", fix))


def _end_build(error: UserError) -> NoReturn:
    # For any exception, Sphinx would print its versions and a traceback, as if it had a bug.
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(error.status)


def _forget_other_pages(
    app: Sphinx, env: BuildEnvironment, pages: Set[str], other: BuildEnvironment
) -> None:
    # sphinx-notfound-page merges a process's metadata for all pages, even those it did not read.
    for page in other.metadata.keys() - pages:
        del other.metadata[page]


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_object_type("field", "field", objname="telemetry field")
    app.add_object_type("claim", "claim-link")
    app.add_directive("show", Show)
    app.add_directive("sentences", sentences.Sentences)
    app.add_directive("guidance", sentences.Guidance)
    app.add_directive("snippet", Snippet)
    for name, make in ROLES.items():
        app.add_role(name, Role(make))
    # Before the builder of EPUB asks for the version.
    app.connect("builder-inited", _read, priority=400)
    # A change in assets, scripts or another page can affect any page, so read them all.
    app.connect("env-get-outdated", lambda app, env, *changes: env.found_docs)
    app.connect("doctree-read", sentences.check)
    app.connect("env-merge-info", _forget_other_pages, priority=400)
    app.connect("env-updated", _check_fields)
    app.connect("env-check-consistency", published.check_descriptions)
    app.connect("build-finished", published.publish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
