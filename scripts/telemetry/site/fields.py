"""Fields: tables of what was sent, and the reference of each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from docutils import nodes
from docutils.nodes import Node
from sphinx import addnodes

from telemetry.records.fields import SENSITIVITIES, Field, Since
from telemetry.site import markup
from telemetry.site.content import Unknown, capitalised
from telemetry.site.disclosure import example_of
from telemetry.site.domain import domain_of
from telemetry.site.markup import Piece
from telemetry.site.page import Page

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

# From how many fields on a reason stands above their table.
SHARED = 3


def fields(page: Page, category: str) -> list[Node]:
    """What the documented run sent, of one category."""
    sent = dict(page.content.run.table)
    cells: dict[str, Piece] = {}
    for key, names in _families(page, (n for n in _of(page, category) if n in sent)).items():
        members = [(name, markup.literal(sent[name])) for name in names]
        cells[key] = members[0][1] if key == names[0] else _members(page, members)
    title = f"{category.capitalize()}: sent by {page.content.run.provenance.command}"
    return _table(page, title, "Value in this run", cells)


def other_fields(page: Page) -> list[Node]:
    """Fields that the documented run did not send, and what sends them."""
    sent, entries = dict(page.content.run.table), page.content.dictionary.items()
    cells: dict[str, Piece] = {n: _sent_by(entry) for n, entry in entries if n not in sent}
    table = _table(page, "Fields that the run above did not send", "Sent by", cells)
    return markup.folded(f"{len(cells)} more fields, and which subcommands send them", *table)


def sensitivities(page: Page) -> list[Node]:
    """The classes of sensitivity, and how many fields are of each."""
    classes = [entry.sensitivity for entry in page.content.dictionary.values()]
    told = (
        (capitalised(name), f"{why} {_fields(classes.count(name))}")
        for name, why in SENSITIVITIES.items()
    )
    return [markup.definitions(told)]


def _fields(count: int) -> str:
    return "One field." if count == 1 else f"{count} fields."


def _families(page: Page, names: Iterable[str]) -> dict[str, list[str]]:
    """Fields by the key of their entry: a family is one."""
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(page.content.dictionary.key(name), []).append(name)
    return families


def _members(page: Page, members: Sequence[tuple[str, Node]]) -> nodes.bullet_list:
    """The members of a family, each with its value."""
    listing = nodes.bullet_list()
    for name, value in members:
        member = markup.code(page.content.dictionary.member(name))
        told = markup.paragraph(page.link("telemetry", "field", name, member), " ", value)
        listing += nodes.list_item("", told, ids=[_anchor(name)])
    return listing


def machine_fields(page: Page) -> list[Node]:
    """Fields whose values depend on the machine."""
    entries = page.content.dictionary.items()
    links = (page.field(name) for name, entry in entries if entry.varies == "by machine")
    return [markup.bullets(map(markup.paragraph, links))]


def field_reference(page: Page, category: str) -> list[Node]:
    """The reference of every field of one category."""
    return [node for name in _of(page, category) for node in _described(page, name)]


def _of(page: Page, category: str) -> list[str]:
    entries = page.content.dictionary.items()
    chosen = [name for name, entry in entries if entry.category == category]
    if not chosen:
        raise Unknown(f"no field is of the category {category!r}")
    return chosen


def _table(page: Page, title: str, heading: str, cells: Mapping[str, Piece]) -> list[Node]:
    """A table of fields; what most of them are collected for stands above it, once."""
    entries = page.content.dictionary
    families = {key: _representative(page, key) for key in cells}
    whys = Counter(entries[name].why for name in families.values())
    [(why, count)] = whys.most_common(1)
    shared = why if count >= SHARED else ""
    columns = {"Field": 34, heading: 24, "What it says, and why it is collected": 42}
    rows = [
        (page.field(key), cell, _meaning(page, families[key], shared))
        for key, cell in cells.items()
    ]
    table = markup.table(title, columns, rows, "telemetry-table")
    [body] = table.findall(nodes.tbody)
    for key, row in zip(cells, body.findall(nodes.row), strict=True):
        row["ids"].append(_anchor(key))
    above = f"Reason, unless a row gives another: {shared}"
    return [markup.paragraph(above), table] if shared else [table]


def _representative(page: Page, key: str) -> str:
    """A field, or the first member of a family."""
    entries = page.content.dictionary.entries
    return key.replace("*", entries[key].names[0]) if key in entries and "*" in key else key


def _anchor(field: str) -> str:
    """The anchor of a field, on whatever page; Sphinx's search cannot cope with one with dots."""
    return nodes.make_id(f"field-{field}")


def _meaning(page: Page, name: str, shared: str) -> Node:
    dictionary = page.content.dictionary
    entry, since = dictionary[name], dictionary[name].since
    family = "*" in dictionary.key(name)
    text = page.prose(dictionary.meaning(name, "these packages" if family else ""))
    if entry.why != shared:
        text += nodes.Text(f" {entry.why}")
    varies = f"; varies {entry.varies}" if entry.because else ""
    class_ = f"{capitalised(entry.sensitivity)}{varies}."
    text += [nodes.Text(" "), markup.inline(class_, class_="varies")]
    if since.package != "stripepy-hic":
        text += nodes.Text(f" Only with {since.package} {since.version} or newer.")
    return text


def _sent_by(entry: Field) -> Node:
    """Which subcommands send a field, and when."""
    told = []
    for subcommand, when in entry.sent_by.items():
        who = "every subcommand" if subcommand == "*" else markup.literal(subcommand)
        told.append(markup.inline(who, "" if when == "always" else f" {when}"))
    return markup.joined(told, "; ")


def _described(page: Page, name: str) -> Iterable[Node]:
    anchor, dictionary = _anchor(name), page.content.dictionary
    domain_of(page.env).fields[name] = (page.name, anchor)
    yield addnodes.index(entries=[("single", f"{name} (telemetry field)", anchor, "", None)])
    signature = addnodes.desc_signature("", "", ids=[anchor], _toc_name="", _toc_parts=())
    signature += addnodes.desc_name("", "", *markup.code(name).children)
    content = addnodes.desc_content()
    content += markup.paragraph(page.prose(dictionary.meaning(name)))
    content += markup.paragraph(page.prose(dictionary[name].why))
    content += markup.definitions(_facts(page, name), "facts")
    kind = {"domain": "telemetry", "objtype": "field", "desctype": "field"}
    yield addnodes.desc("", signature, content, classes=["telemetry", "field"], **kind)


def _facts(page: Page, name: str) -> Iterator[tuple[str, Piece]]:
    field = page.content.dictionary[name]
    yield "Example", _example(page, name)
    class_ = page.link("std", "ref", "sensitivity", markup.inline(field.sensitivity))
    own = f": {field.sensitivity_because}" if field.sensitivity_because else ""
    yield "Sensitivity", markup.inline(class_, page.prose(own))
    yield "Type", " or ".join(TYPES.get(type_, type_) for type_ in field.type)
    if field.allowed is not None:
        yield "Allowed", markup.codes(field.allowed)
    elif field.pattern is not None:
        yield "Form", markup.literal(field.pattern)
    yield "Sent by", _sent_by(field)
    yield "Seen in runs of", _seen(page, name)
    yield "Varies", f"{field.varies}: {field.because}" if field.because else "no"
    yield "Added by", "this site" if field.origin == "derived" else field.origin
    yield "Since", _since(page, field.since)
    yield "Set in", _lines(page, name)


def _example(page: Page, name: str) -> Piece:
    example = example_of(name, page.content)
    if example is None:
        return "no run here sent it"
    return markup.inline(markup.literal(example.value), ", from ", markup.literal(example.command))


def _seen(page: Page, name: str) -> Piece:
    seen, told = page.content.verification.field(name), []
    if seen and seen.success:
        told.append(markup.inline(subcommands_of(page, seen.success), " that ended well"))
    if seen and seen.failure:
        told.append(markup.inline(subcommands_of(page, seen.failure), " that failed"))
    return markup.joined(told, "; ") if told else "no subcommand"


def subcommands_of(page: Page, names: Sequence[str]) -> Piece:
    """Subcommands, or that they are all or none."""
    if set(names) == page.content.verification.subcommands():
        return "every subcommand"
    return markup.codes(names) if names else "no subcommand"


def _since(page: Page, since: Since) -> Node:
    own = since.package == "stripepy-hic"
    text = f"StripePy {since.version}" if own else f"{since.package} {since.version}"
    label = nodes.make_id(f"release-{since.version}") if own else "dependency-range"
    return page.link("std", "ref", label, markup.inline(text))


def _lines(page: Page, name: str) -> Piece:
    seen = page.content.verification.field(name)
    if page.content.dictionary[name].origin == "derived":
        return "nowhere: it is computed for this site"
    if not seen or not seen.lines:
        return "no line of StripePy: OpenTelemetry's SDK adds it by itself"
    release = page.content.verification.stripepy_hic
    return markup.joined(markup.source(release, place) for place in seen.lines)
