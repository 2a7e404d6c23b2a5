"""Sphinx extension: puts what is for programs beside the pages. Reads assets only."""

from typing import Any

from sphinx.application import Sphinx

from telemetry import assets, disclosure
from telemetry.sphinx_ext import read_evidence_of
from telemetry.sphinx_releases import read_history_of

# Served as they are; html_extra_path would complain of one that is missing before it is read.
ASSETS = (
    assets.TABLE,
    assets.MESSAGE,
    assets.CLAIMS,
    assets.CLAIMS_SCHEMA,
    assets.RELEASES,
    assets.RELEASES_SCHEMA,
)


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.name != "html":
        return
    evidence = read_evidence_of(app)
    document = disclosure.build(
        evidence.run,
        evidence.dictionary,
        evidence.handling,
        evidence.verification,
        read_history_of(app),
    )
    assets.replace(app.outdir / "telemetry.json", disclosure.render(document))
    assets.replace(app.outdir / "telemetry.schema.json", disclosure.render_schema())
    for asset in ASSETS:
        assets.replace(app.outdir / asset.name, asset.read_bytes())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.setup_extension("telemetry.sphinx_ext")
    app.setup_extension("telemetry.sphinx_releases")
    app.connect("build-finished", _write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
