"""The snippets of a page, as they stand there."""

import functools
import tempfile
import warnings
from dataclasses import dataclass

from docutils import nodes
from pygments.lexers import get_lexer_by_name
from pygments.token import Generic
from sphinx.application import Sphinx

from conftest import ROOT


@dataclass(frozen=True)
class Snippet:
    """A snippet as it stands on the page.

    Attributes:
        tool: What runs it.
        caption: Its caption; empty for none.
        code: What a reader copies: without prompts and output.
        output: What the page says that is printed.
        not_tried: Why it is not tried; empty if it is.
    """

    tool: str
    caption: str
    code: str
    output: str
    not_tried: str

    @property
    def file(self) -> str:
        """The file that it is the content of, by its caption."""
        return self.caption.partition(",")[0]


@functools.cache
def snippets(page: str) -> tuple[Snippet, ...]:
    """Every snippet of a page, read as the site reads it."""
    # Of Sphinx on its own future; a build does not end by them either.
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        app = Sphinx(ROOT / "docs", ROOT, folder, folder, "dummy", status=None, freshenv=True)
        app.builder.read_doc(page)
        doctree = app.env.get_doctree(page)
    return tuple(
        _snippet(node) for node in doctree.findall(nodes.container) if "snippet" in node["classes"]
    )


def _snippet(node: nodes.container) -> Snippet:
    [block] = node.findall(nodes.literal_block)
    # As the copy button does: see copybutton_exclude in conf.py.
    tokens = list(get_lexer_by_name(block["language"]).get_tokens(block.astext()))
    shown = {Generic.Prompt, Generic.Output}
    code = "".join(text for kind, text in tokens if kind not in shown)
    output = "".join(text for kind, text in tokens if kind is Generic.Output)
    return Snippet(node["tool"], node["caption"], code, output, node["not_tried"])
