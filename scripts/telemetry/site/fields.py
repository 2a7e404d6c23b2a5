"""Fields: tables of what was sent, and the reference of all fields."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from docutils import nodes
from docutils.nodes import Node
from sphinx import addnodes

from telemetry.records.fields import SENSITIVITIES, Field
from telemetry.records.words import capitalised, listed
from telemetry.site import markup
from telemetry.site.content import look_up
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
"""OTLP's types, in a reader's words."""

SHARED = 3  # how many rows must share a text for it to stand once above their table
PACKAGES = "these packages"

Names = tuple[str, ...]


def show_fields(page: Page, category: str, folded: str = "") -> list[Node]:
    """The fields of a category that the documented run sent, `folded` or in full view."""
    dictionary, sent = page.content.dictionary, dict(page.content.run.table)
    # Fields that are described alike, such as the versions of dependencies, share a row.
    families = defaultdict[Names, list[str]](list)
    for name in (name for name in _of(page, category) if name in sent):
        since = str(dictionary[name].since)
        families[dictionary.meaning(name, PACKAGES), _class(page, name), since].append(name)
    cells = {tuple(names): _members(page, names, sent) for names in families.values()}
    title = f"{category.capitalize()}: sent by {page.content.run.provenance.command}"
    table = _table(page, title, "Value in this run", cells)
    shown = listed([name for family in cells for name in family])
    return markup.folded(f"Values and meanings of {shown}", *table) if folded else table


def _members(page: Page, names: Sequence[str], sent: Mapping[str, str]) -> Piece:
    """The value of a field or, for a family, of each member."""
    if not names[1:]:
        return markup.code(sent[names[0]])
    listing = nodes.bullet_list()
    for name in names:
        told = markup.paragraph()
        if member := page.content.dictionary.families[name][1]:
            link = page.link("field", name, markup.code(member))
            told += [link, nodes.Text(" ")]
        told += markup.literal(sent[name])
        listing += nodes.list_item("", told, ids=[_anchor(name)])
    return listing


def show_other_fields(page: Page) -> list[Node]:
    """Fields that the documented run did not send, and what sends them."""
    sent, entries = dict(page.content.run.table), page.content.dictionary.items()
    cells: dict[Names, Piece] = {(n,): _sent_by(entry) for n, entry in entries if n not in sent}
    table = _table(page, "Fields that the run above did not send", "Sent by", cells)
    return markup.folded(f"{len(cells)} more fields, and which subcommands send them", *table)


def show_sensitivities(page: Page) -> list[Node]:
    counts = Counter(entry.sensitivity for entry in page.content.dictionary.values())
    told = []
    for name, why in SENSITIVITIES.items():
        count = "One field." if counts[name] == 1 else f"{counts[name]} fields."
        told.append((capitalised(name), f"{why} {count}"))
    return [markup.definitions(told)]


def show_machine_fields(page: Page) -> list[Node]:
    entries = page.content.dictionary.items()
    return [markup.bullets(page.field(n) for n, entry in entries if entry.varies == "by machine")]


def show_field_reference(page: Page, category: str) -> list[Node]:
    shown: list[Node] = []
    for name in _of(page, category):
        anchor = page.target("field", name, _anchor(name))
        entry = page.content.dictionary[name]
        index = ("single", f"{name} (telemetry field)", anchor, "", None)
        signature = addnodes.desc_signature("", "", ids=[anchor], _toc_name="", _toc_parts=())
        signature += addnodes.desc_name("", "", *markup.code(name).children)
        content = addnodes.desc_content()
        content += markup.paragraph(page.prose(page.content.dictionary.meaning(name)))
        content += markup.paragraph(page.prose(entry.why))
        content += markup.definitions(_facts(page, name), "facts")
        kind = {"domain": "std", "objtype": "field", "desctype": "field"}
        field = addnodes.desc("", signature, content, classes=["telemetry", "field"], **kind)
        shown += [addnodes.index(entries=[index]), field]
    return shown


def _of(page: Page, category: str) -> list[str]:
    names = defaultdict[str, list[str]](list)
    for name, entry in page.content.dictionary.items():
        names[entry.category].append(name)
    return look_up(names, category, "category")


def _table(page: Page, title: str, heading: str, cells: Mapping[Names, Piece]) -> list[Node]:
    """A table of fields; a reason or sensitivity that many rows share stands once above it."""
    whys = _shared(page.content.dictionary[name].why for name, *_ in cells)
    classes = _shared(_class(page, name) for name, *_ in cells)
    headings = "Field", heading, "Meaning, reason and sensitivity"
    rows = [(_headed(page, n), cell, _meaning(page, n, whys, classes)) for n, cell in cells.items()]
    table = markup.table(title, headings, rows, "telemetry-table")
    [body] = table.findall(nodes.tbody)
    for names, row in zip(cells, body.findall(nodes.row), strict=True):
        if not names[1:]:
            row["ids"].append(_anchor(names[0]))
    class_ = f"Sensitivity: {classes}" if classes else ""
    shared = f"Unless a row says otherwise: {whys} {class_}".rstrip()
    return [markup.paragraph(shared), table] if whys or classes else [table]


def _shared(told: Iterable[str]) -> str:
    most = Counter(told).most_common(1)
    return next((text for text, count in most if count >= SHARED), "")


def _headed(page: Page, names: Names) -> Node:
    key, _ = page.content.dictionary.families[names[0]]
    return markup.code(key) if names[1:] and "*" in key else markup.joined(map(page.field, names))


def _anchor(field: str) -> str:
    """The anchor of a field on any page, without dots, which Sphinx's search cannot handle."""
    return nodes.make_id(f"field-{field}")


def _class(page: Page, name: str) -> str:
    """How sensitive a field is, and what its value depends on."""
    entry = page.content.dictionary[name]
    varies = f"; varies {entry.varies}" if entry.because else ""
    return f"{entry.sensitivity}{varies}."


def _meaning(page: Page, names: Names, *shared: str) -> Node:
    dictionary = page.content.dictionary
    since, class_ = dictionary[names[0]].since, _class(page, names[0])
    text = page.prose(dictionary.meaning(names[0], PACKAGES if names[1:] else ""))
    for why in dict.fromkeys(dictionary[name].why for name in names):
        if why not in shared:
            text += nodes.Text(f" {why}")
    if class_ not in shared:
        text += [nodes.Text(" "), markup.inline(capitalised(class_), class_="varies")]
    if since.package != "stripepy-hic":
        text += nodes.Text(f" Only with {since.package} {since.version} or newer.")
    return text


def _sent_by(entry: Field) -> Node:
    told = []
    for subcommand, when in entry.sent_by.items():
        who = "every subcommand" if subcommand == "*" else markup.literal(subcommand)
        told.append(markup.inline(who, "" if when == "always" else f" {when}"))
    return markup.joined(told, "; ")


def _facts(page: Page, name: str) -> Iterator[tuple[str, Piece]]:
    field, example = page.content.dictionary[name], page.content.example(name)
    seen = page.content.verification.field(name)
    if example:
        told = markup.literal(example.value), markup.literal(example.command)
        yield "Example", markup.joined(told, ", from ")
    else:
        yield "Example", "no run here sent it"
    class_ = page.link("ref", "sensitivity", markup.inline(field.sensitivity))
    own = f": {field.sensitivity_because}" if field.sensitivity_because else ""
    yield "Sensitivity", markup.inline(class_, page.prose(own))
    yield "Type", " or ".join(TYPES.get(type_, type_) for type_ in field.type)
    if field.allowed is not None:
        yield "Allowed", markup.codes(field.allowed)
    elif field.pattern is not None:
        yield "Form", markup.literal(field.pattern.pattern)
    yield "Sent by", _sent_by(field)
    ended = {"on success": seen.success, "on failure": seen.failure} if seen else {}
    every = {s for f in page.content.verification.fields for s in (*f.success, *f.failure)}
    runs = [
        markup.inline("every subcommand" if {*of} == every else markup.codes(of), f" {how}")
        for how, of in ended.items()
        if of
    ]
    yield "Seen in runs of", markup.joined(runs, "; ") if runs else "no subcommand"
    yield "Varies", f"{field.varies}: {field.because}" if field.because else "no"
    yield "Added by", "this site" if field.origin == "derived" else field.origin
    release = field.since.version
    if field.since.package == "stripepy-hic":
        since, label = f"StripePy {release}", nodes.make_id(f"release-{release}")
    else:
        since, label = f"{field.since.package} {release}", "dependency-range"
    yield "Since", page.link("ref", label, markup.inline(since))
    if field.origin == "derived":
        yield "Set in", "nowhere: it is computed for this site"
    elif not seen or not seen.lines:
        yield "Set in", "no line of StripePy: OpenTelemetry's SDK adds it by itself"
    else:
        yield "Set in", markup.joined(map(page.source, seen.lines))
