"""The page that is being read: its content, anchors and links."""

from dataclasses import dataclass

from docutils import nodes
from docutils.nodes import Node
from sphinx.addnodes import pending_xref
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_id

from telemetry.site import markup
from telemetry.site.content import Content, read

REPOSITORY = "https://github.com/paulsengroup/StripePy"


@dataclass(frozen=True)
class Page:
    """The page being read: Sphinx's environment of all pages, and this page's document so far."""

    env: BuildEnvironment
    document: nodes.document

    @property
    def content(self) -> Content:
        return read()

    @property
    def name(self) -> str:
        return self.env.current_document.docname

    def anchor(self, *parts: str) -> str:
        return make_id(self.env, self.document, *parts)

    @property
    def standard(self) -> StandardDomain:
        """The domain in which this site and other projects look up what they refer to."""
        return self.env.domains.standard_domain

    def target(self, kind: str, name: str, anchor: str) -> str:
        """Make an anchor of this page the target of a name, and return it."""
        self.standard.note_object(kind, name, anchor)
        # Other projects do not know our types of object, but can refer to labels.
        self.standard.note_hyperlink_target(anchor, self.name, anchor, name)
        return anchor

    def source(self, place: str, label: str = "") -> nodes.reference:
        """A link to a file, or file:line, of StripePy at the release that was tested."""
        tag = f"v{self.content.verification.stripepy_hic}"
        uri = f"{REPOSITORY}/blob/{tag}/src/stripepy/{place.replace(':', '#L')}"
        return nodes.reference("", "", markup.literal(label or place), refuri=uri)

    def link(self, type_: str, target: str, shown: Node) -> pending_xref:
        link = pending_xref("", shown, refdomain="std", reftype=type_, reftarget=target)
        link.attributes |= {"refdoc": self.name, "refexplicit": True, "refwarn": True}
        return link

    def field(self, name: str) -> Node:
        """The name of a field, with a link to its reference if there is one."""
        shown = markup.code(name)
        known = name in self.content.dictionary
        return self.link("field", name, shown) if known else shown

    def prose(self, text: str) -> nodes.inline:
        """A text with facts filled in; code in backticks links to a field or variable it names."""
        shown = markup.inline()
        for number, piece in enumerate(self.content.filled(text).split("`")):
            if number % 2 == 0:
                shown += nodes.Text(piece)
            elif piece in self.content.variables:
                shown += self.link("envvar", piece, markup.code(piece))
            else:
                shown += self.field(piece)
        return shown
