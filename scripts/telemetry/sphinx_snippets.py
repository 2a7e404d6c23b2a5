"""Sphinx extension: snippets of code, each with a mark that tells whether a test runs it."""

from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.directives.code import CodeBlock


class Snippet(CodeBlock):
    """`.. snippet:: LANGUAGE`: a code block that says whether it was tried.

    `:tool:` names what runs it. With `:not-tried: REASON`, no test does, and the page says so;
    every other snippet is run by a test, as it stands on the page.
    """

    option_spec = {  # noqa: RUF012 - as Sphinx has it
        "tool": directives.unchanged_required,
        "caption": directives.unchanged_required,
        "not-tried": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Put the block and its mark together, for the page and for the test."""
        if "tool" not in self.options:
            raise self.error("which tool runs this? name it with :tool:")
        # In a line with the mark, and not where Sphinx would put it.
        caption, _ = self.parse_inline(self.options.pop("caption", ""))
        tool, reason = self.options["tool"], self.options.get("not-tried", "")
        snippet = nodes.container(classes=["snippet"])
        snippet += _heading(caption, tool, reason)
        snippet += super().run()
        snippet["tool"], snippet["not_tried"] = tool, reason
        snippet["caption"] = nodes.inline("", "", *caption).astext()
        return [snippet]


def _heading(caption: list[nodes.Node], tool: str, reason: str) -> nodes.paragraph:
    heading = nodes.paragraph(classes=["snippet-heading"])
    if caption:
        heading += [nodes.strong("", "", *caption), nodes.Text(" ")]
    if not reason:
        heading += nodes.inline("", f"tried with {tool}", classes=["mark", "mark-holds"])
    else:
        mark = nodes.inline("", "not tried", classes=["mark", "mark-not-tried"])
        heading += [mark, nodes.Text(f" {reason}")]
    return heading


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("snippet", Snippet)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
