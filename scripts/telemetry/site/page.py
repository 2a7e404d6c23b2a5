"""The page that is being read: its content, anchors and links, and the fields to refer to."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from docutils import nodes
from docutils.nodes import Element, Node
from sphinx.addnodes import pending_xref
from sphinx.builders import Builder
from sphinx.domains import Domain, ObjType
from sphinx.environment import BuildEnvironment
from sphinx.roles import XRefRole
from sphinx.util.nodes import make_id, make_refnode

from telemetry.records import files
from telemetry.site import markup
from telemetry.site.content import Content


class TelemetryDomain(Domain):
    """Fields of a telemetry message, so that pages and other projects can refer to them."""

    name = "telemetry"
    label = "Telemetry"
    object_types: ClassVar[dict[str, ObjType]] = {"field": ObjType("field", "field")}
    roles = {"field": XRefRole()}  # noqa: RUF012 -- declared so by Sphinx
    initial_data: ClassVar[dict[str, Any]] = {"fields": {}}

    content: Content
    """What was read for this build."""

    @property
    def fields(self) -> dict[str, tuple[str, str]]:
        """Page and anchor of each field, by its name."""
        return cast("dict[str, tuple[str, str]]", self.data["fields"])

    def clear_doc(self, docname: str) -> None:
        for name in [name for name, (page, _) in self.fields.items() if page == docname]:
            del self.fields[name]

    def merge_domaindata(self, docnames: Set[str], otherdata: dict[str, Any]) -> None:
        for name, (page, anchor) in otherdata["fields"].items():
            if page in docnames:
                self.fields[name] = (page, anchor)

    def resolve_xref(
        self,
        env: BuildEnvironment,
        fromdocname: str,
        builder: Builder,
        typ: str,
        target: str,
        node: pending_xref,
        contnode: Element,
    ) -> nodes.reference | None:
        if target not in self.fields:
            return None
        page, anchor = self.fields[target]
        return make_refnode(builder, fromdocname, page, anchor, contnode, target)

    def get_objects(self) -> Iterable[tuple[str, str, str, str, str, int]]:
        for name, (page, anchor) in self.fields.items():
            yield name, name, "field", page, anchor, 1


def domain_of(env: BuildEnvironment) -> TelemetryDomain:
    return cast("TelemetryDomain", env.get_domain("telemetry"))


REPOSITORY = "https://github.com/paulsengroup/StripePy"


@dataclass(frozen=True)
class Page:
    """The page that is being read: what Sphinx knows of all pages, and this one so far."""

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
        return self.env.current_document.docname

    def anchor(self, *parts: str) -> str:
        return make_id(self.env, self.document, *parts)

    def target(self, kind: str, name: str) -> str:
        """The anchor of something that other projects can refer to, too."""
        anchor = self.anchor(kind, name)
        standard = self.env.domains.standard_domain
        standard.note_object(kind, name, anchor, location=self.name)
        return anchor

    def source(self, place: str, label: str = "") -> nodes.reference:
        """A link to a file, or file:line, of StripePy at the release that was tested."""
        tag = f"v{self.content.verification.stripepy_hic}"
        uri = f"{REPOSITORY}/blob/{tag}/src/stripepy/{place.replace(':', '#L')}"
        return nodes.reference("", "", markup.literal(label or place), refuri=uri)

    def link(self, domain: str, type_: str, target: str, shown: Node) -> pending_xref:
        link = pending_xref("", shown, refdomain=domain, reftype=type_, reftarget=target)
        link.attributes |= {"refdoc": self.name, "refexplicit": True, "refwarn": True}
        return link

    def field(self, name: str) -> Node:
        """The name of a field, which leads to its reference if there is one."""
        shown = markup.code(name)
        known = name in self.content.dictionary
        return self.link("telemetry", "field", name, shown) if known else shown

    def prose(self, text: str) -> nodes.inline:
        """A text with facts filled in, and code between backticks, which leads to what it names."""
        shown = markup.inline()
        for number, piece in enumerate(self.content.filled(text).split("`")):
            if number % 2 == 0:
                shown += nodes.Text(piece)
            elif piece in self.content.variables:
                shown += self.link("std", "envvar", piece, markup.code(piece))
            else:
                shown += self.field(piece)
        return shown
