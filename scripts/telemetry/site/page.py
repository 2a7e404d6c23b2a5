"""The page that is being read: its content, its anchors, and links from it."""

from dataclasses import dataclass

from docutils import nodes
from docutils.nodes import Node
from sphinx.addnodes import pending_xref
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_id

from telemetry.records import files
from telemetry.site import markup
from telemetry.site.content import Content
from telemetry.site.domain import domain_of


@dataclass(frozen=True)
class Page:
    """The page that is being read.

    Attributes:
        env: What Sphinx knows of all pages.
        document: The page so far.
    """

    env: BuildEnvironment
    document: nodes.document

    @property
    def content(self) -> Content:
        """What there is to show; the page is read again when an asset has changed."""
        for asset in files.ASSETS.iterdir():
            self.env.note_dependency(asset)
        return domain_of(self.env).content

    @property
    def name(self) -> str:
        """What Sphinx calls the page."""
        return self.env.current_document.docname

    @property
    def standard(self) -> StandardDomain:
        """Where Sphinx keeps options, variables and claims."""
        return self.env.domains.standard_domain

    def anchor(self, *parts: str) -> str:
        """An anchor that no other part of the page has."""
        return make_id(self.env, self.document, *parts)

    def link(self, domain: str, type_: str, target: str, shown: Node) -> pending_xref:
        """A link to something that some page describes."""
        link = pending_xref("", shown, refdomain=domain, reftype=type_, reftarget=target)
        link.attributes |= {"refdoc": self.name, "refexplicit": True, "refwarn": True}
        return link

    def field(self, name: str) -> Node:
        """The name of a field, which leads to its reference if there is one."""
        shown = markup.code(name)
        if name not in self.content.dictionary:
            return shown
        return self.link("telemetry", "field", name, shown)

    def prose(self, text: str) -> nodes.inline:
        """A text with code between backticks, and facts filled in.

        The names of fields and of environment variables lead to what there is on them.
        """
        pieces = enumerate(self.content.filled(text).split("`"))
        return markup.inline(*(self._named(p) if number % 2 else p for number, p in pieces))

    def _named(self, code: str) -> Node:
        if code in self.content.variables:
            return self.link("std", "envvar", code, markup.code(code))
        return self.field(code)
