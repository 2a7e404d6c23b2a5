"""What only the maintainers can vouch for: where the data go."""

import html

from docutils.nodes import Node

from telemetry.records import files
from telemetry.records.handling import Stated
from telemetry.site import markup
from telemetry.site.content import capitalised
from telemetry.site.page import Page

PICTURE = files.PAGES / "_templates" / "data_flow.svg"

KEPT = "${%s.place}; ${%s.link} on the way there and ${%s.at_rest} at rest"

COLLECTOR = "an ${collector.software} on a ${collector.kind} of the ${collector.place}"

STATIONS = (
    ("Collector", f"{COLLECTOR}; ${{collector.managed_by}} manage both", "${collector.retention}"),
    (
        "Dashboard, for ${dashboard.purpose}",
        KEPT.replace("%s", "dashboard"),
        "${dashboard.retention}",
    ),
    ("Backup", KEPT.replace("%s", "backup"), "${backup.retention}"),
)


def show_data_flow(page: Page) -> list[Node]:
    """The way of a message as a picture, then as a table."""
    page.env.note_dependency(PICTURE)
    handling = page.content.handling
    escaped = {key: html.escape(text) for key, text in handling.items()}
    drawn = Stated(PICTURE.read_text(encoding="utf-8")).substitute(escaped)
    rows = [
        [capitalised(Stated(cell).substitute(handling)) for cell in cells] for cells in STATIONS
    ]
    columns = {"Station": 22, "Where": 46, "How long data are kept": 32}
    table = markup.table("Who keeps what, where, and for how long", columns, rows)
    return [markup.picture(drawn), *markup.folded("As a table", table)]
