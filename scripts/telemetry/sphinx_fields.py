"""Sphinx domain `telemetry`: every field as an object, and its reference. Reads assets only."""

from collections.abc import Iterable, Iterator, Set
from typing import Any, ClassVar, cast

from docutils import nodes
from docutils.nodes import Element
from sphinx import addnodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.domains import Domain, ObjType
from sphinx.environment import BuildEnvironment
from sphinx.roles import XRefRole
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from telemetry import disclosure, fields
from telemetry.sphinx_ext import (
    REPOSITORY,
    Evidence,
    anchor_of,
    breakable,
    codes,
    end_build,
    evidence_of,
    facts_list,
    read_evidence_of,
    sent_by,
    text_with_code,
)

TYPES = {
    "string": "text",
    "string[]": "list of texts",
    "bool": "true or false",
    "int": "whole number",
    "double": "number",
    "bytes": "bytes, shown in hexadecimal",
    "enum": "one of OpenTelemetry's constants",
    "fixed32": "whole number",
    "fixed64": "whole number; shown as a time in UTC",
}
"""What OTLP's types are, in a reader's words."""


class TelemetryDomain(Domain):
    """Fields of a telemetry message, so that pages and other projects can refer to them."""

    name = "telemetry"
    label = "Telemetry"
    object_types: ClassVar[dict[str, ObjType]] = {"field": ObjType("field", "field")}
    roles = {"field": XRefRole()}  # noqa: RUF012 -- declared so by Sphinx
    initial_data: ClassVar[dict[str, Any]] = {"fields": {}}

    @property
    def fields(self) -> dict[str, tuple[str, str]]:
        """Page and anchor of each field, by its name."""
        return cast("dict[str, tuple[str, str]]", self.data["fields"])

    def note_field(self, name: str, anchor: str) -> None:
        """Remember where the page that is being read describes a field."""
        self.fields[name] = (self.env.current_document.docname, anchor)

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

    def resolve_any_xref(
        self,
        env: BuildEnvironment,
        fromdocname: str,
        builder: Builder,
        target: str,
        node: pending_xref,
        contnode: Element,
    ) -> list[tuple[str, nodes.reference]]:
        link = self.resolve_xref(env, fromdocname, builder, "field", target, node, contnode)
        return [("telemetry:field", link)] if link is not None else []

    def get_objects(self) -> Iterable[tuple[str, str, str, str, str, int]]:
        for name, (page, anchor) in self.fields.items():
            yield name, name, "field", page, anchor, 1


class TelemetryFields(SphinxDirective):
    """`.. telemetry-fields:: CATEGORY`: the reference of every field of one category."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        evidence = evidence_of(self.env)
        chosen = [
            name
            for name, field in evidence.dictionary.items()
            if field.category == self.arguments[0]
        ]
        if not chosen:
            raise self.error(f"no field is of the category {self.arguments[0]!r}")
        return [node for name in chosen for node in self._described(name, evidence)]

    def _described(self, name: str, evidence: Evidence) -> list[nodes.Node]:
        anchor = anchor_of(name)
        domain = cast("TelemetryDomain", self.env.get_domain("telemetry"))
        domain.note_field(name, anchor)
        index = addnodes.index(entries=[("single", f"{name} (telemetry field)", anchor, "", None)])
        signature = addnodes.desc_signature("", "", ids=[anchor], _toc_name="", _toc_parts=())
        signature += addnodes.desc_name("", "", *breakable(name).children)
        facts = facts_list(_facts(name, evidence, self.env.current_document.docname))
        what = nodes.paragraph("", "", text_with_code(evidence.dictionary.meaning(name)))
        why = nodes.paragraph("", "", text_with_code(evidence.dictionary[name].why))
        content = addnodes.desc_content("", what, why, facts)
        described = addnodes.desc(
            "", signature, content, domain="telemetry", objtype="field", desctype="field"
        )
        described["classes"] += ["telemetry", "field"]
        self.set_source_info(described)
        return [index, described]


def _facts(name: str, evidence: Evidence, page: str) -> Iterator[tuple[str, nodes.Node]]:
    field = evidence.dictionary[name]
    yield "Example", _example(name, evidence)
    yield "Type", nodes.Text(" or ".join(TYPES.get(type_, type_) for type_ in field.type))
    if field.allowed is not None:
        yield "Allowed", codes(field.allowed)
    elif field.pattern is not None:
        yield "Form", nodes.literal(text=field.pattern)
    yield "Sent by", sent_by(field)
    yield "Seen in runs of", _seen(name, evidence)
    yield "Varies", nodes.Text(f"{field.varies}: {field.because}" if field.because else "no")
    yield "Added by", nodes.Text("this site" if field.origin == "derived" else field.origin)
    yield "Since", _since(field.since, page)
    yield "Set in", _lines(name, evidence)


def _example(name: str, evidence: Evidence) -> nodes.Node:
    example = disclosure.example(name, evidence.run, evidence.verification)
    if example is None:
        return nodes.Text("no run that was made here sent it")
    text = nodes.inline("", "", nodes.literal(text=example.value), nodes.Text(", from "))
    text += nodes.literal(text=example.command)
    return text


def _seen(name: str, evidence: Evidence) -> nodes.Node:
    seen = evidence.verification.field(name)
    if not seen or not (seen.success or seen.failure):
        return nodes.Text("no subcommand")
    text = nodes.inline()
    for outcome, subcommands in (
        ("that ended well", seen.success),
        ("that failed", seen.failure),
    ):
        if subcommands:
            text += nodes.Text("; " if text.children else "")
            everywhere = set(subcommands) == evidence.verification.subcommands()
            text += nodes.Text("every subcommand") if everywhere else codes(subcommands)
            text += nodes.Text(f" {outcome}")
    return text


def _since(since: fields.Since, page: str) -> nodes.Node:
    if since.package == "stripepy-hic":
        text, label = f"StripePy {since.version}", f"release-{since.version}"
    else:
        text, label = f"{since.package} {since.version}", "dependency-range"
    return addnodes.pending_xref(
        "",
        nodes.inline("", text),
        refdomain="std",
        reftype="ref",
        reftarget=nodes.make_id(label),
        refdoc=page,
        refexplicit=True,
        refwarn=True,
    )


def _lines(name: str, evidence: Evidence) -> nodes.Node:
    field, seen = evidence.dictionary[name], evidence.verification.field(name)
    if field.origin == "derived":
        return nodes.Text("nowhere: it is computed for this site")
    if not seen or not seen.lines:
        return nodes.Text("no line of StripePy: OpenTelemetry's SDK adds it by itself")
    text = nodes.inline()
    for number, place in enumerate(seen.lines):
        file, _, line = place.partition(":")
        release = evidence.verification.stripepy_hic
        uri = f"{REPOSITORY}/blob/v{release}/src/stripepy/{file}#L{line}"
        text += nodes.Text(", " if number else "")
        text += nodes.reference("", "", nodes.literal(text=place), refuri=uri)
    return text


def _every_field_is_described(app: Sphinx, env: BuildEnvironment) -> None:
    """End a build whose pages leave a field of the dictionary out.

    Has to come before Sphinx saves what it has read, or the next build would pass.
    """
    described = cast("TelemetryDomain", env.get_domain("telemetry")).fields
    if missing := [n for n in read_evidence_of(app).dictionary if n not in described]:
        end_build(
            f"no page describes {', '.join(missing)} -- mend: add a telemetry-fields"
            " directive for the category to docs/fields.rst"
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("telemetry.sphinx_ext")
    app.add_domain(TelemetryDomain)
    app.add_directive("telemetry-fields", TelemetryFields)
    app.connect("env-updated", _every_field_is_described)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
