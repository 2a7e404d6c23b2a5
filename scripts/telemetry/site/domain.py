"""The Sphinx domain `telemetry`: fields to refer to, and what there is to show."""

from collections.abc import Iterable, Set
from typing import Any, ClassVar, cast

from docutils import nodes
from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.builders import Builder
from sphinx.domains import Domain, ObjType
from sphinx.environment import BuildEnvironment
from sphinx.roles import XRefRole
from sphinx.util.nodes import make_refnode

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
    """The domain of an environment."""
    return cast("TelemetryDomain", env.get_domain("telemetry"))
