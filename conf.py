"""How Sphinx builds the site."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from sphinx.application import Sphinx

ROOT = Path(__file__).parent

# The extension and the scripts share a package, so that both read the assets in the same way.
sys.path.insert(0, str(ROOT / "scripts"))

# -- What the site is --------------------------------------------------------------------------

project = "StripePy telemetry"
author = "StripePy's maintainers"
copyright = "2025, Andrea Raffo; MIT licence"

# -- How pages are read ------------------------------------------------------------------------

extensions = [
    "notfound.extension",
    "sphinx_copybutton",
    "telemetry.site",
]
nitpicky = True
default_role = "any"
highlight_language = "none"

# Quotation marks and dashes stay as typed: pages quote commands and values.
smartquotes = False

# -- How pages look ----------------------------------------------------------------------------

html_theme = "sphinx_rtd_theme"
html_theme_options = {
    # The menu shows the sections of the current page, but not their subsections.
    "navigation_depth": 2,
    # Read the Docs's own menu has both; the theme's lack names for screen readers.
    "language_selector": False,
    "version_selector": False,
}
templates_path = ["docs/_templates"]
html_title = project
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")
html_context = {
    # As Sphinx's own setting, `language` would make pages load a script of translations.
    "language": "en-GB",
    "repository": os.environ.get("READTHEDOCS_GIT_CLONE_URL", ""),
}
# The 404 page is shown for addresses at any depth, so its links must be absolute.
notfound_urls_prefix = urlsplit(html_baseurl).path or "/"
html_static_path = ["docs/_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = "docs/_static/favicon.svg"

# Nobody reads the sources here; the repository has them.
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False

# The copy button leaves out prompts and output.
copybutton_exclude = ".linenos, .gp, .go"

# -- For reading without a network (make pdf epub) ----------------------------------------------

epub_basename = "stripepy-telemetry"
epub_css_files: list[str] = []
# Files that only a browser needs, or that must not be in a book.
epub_exclude_files = [
    "404.xhtml",
    "_static/favicon.svg",
    "_static/site.css",
]

# -- Links out (make linkcheck) ----------------------------------------------------------------

# The publisher turns robots away.
linkcheck_ignore = [r"https://doi\.org/10\.1093/bioinformatics/.*"]


def _show_permalinks(app: Sphinx) -> None:
    """Replace the theme's icon, a character of an icon font that no page loads."""
    app.config.html_permalinks_icon = "#"


def setup(app: Sphinx) -> None:
    """Connect what has to run after the theme."""
    app.connect("builder-inited", _show_permalinks)
