"""Snippets of code, each with a mark that tells whether a test runs it."""

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.directives.code import CodeBlock

from telemetry.site import markup


class Snippet(CodeBlock):
    """`.. snippet:: LANGUAGE`: a code block that says whether it was tested.

    `:tool:` names what runs it. With `:not-tried: REASON`, no test does, and the page says so;
    every other snippet is run by a test, as it stands on the page.
    """

    option_spec = {  # noqa: RUF012 -- declared so by Sphinx
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
        snippet["caption"] = markup.inline(*caption).astext()
        return [snippet]


def _heading(caption: list[nodes.Node], tool: str, reason: str) -> nodes.paragraph:
    kind, words = ("not-tried", "not tested") if reason else ("holds", f"tested with {tool}")
    heading = markup.paragraph(class_="snippet-heading")
    if caption:
        heading += [nodes.strong("", "", *caption), nodes.Text(" ")]
    heading += [markup.mark(words, kind), nodes.Text(f" {reason}" if reason else "")]
    return heading
