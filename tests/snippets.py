"""The snippets of a page, as they stand there."""

import re
import textwrap
from dataclasses import dataclass

from pygments.lexers import get_lexer_by_name
from pygments.token import Generic

from conftest import ROOT

SNIPPET = re.compile(r"^\.\. snippet:: (\S+)\n((?:   :.*\n)*)\n((?:(?:   .*)?\n)+)", re.MULTILINE)
OPTION = re.compile(r"^   :([a-z-]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Snippet:
    """A snippet as it stands on the page.

    Attributes:
        tool: What runs it.
        caption: Its caption; empty for none.
        code: What a reader copies: without prompts and output.
        output: What the page says that is printed.
        not_tried: Why it is not tested; empty if it is.
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


def snippets(page: str) -> list[Snippet]:
    """Every snippet of a page."""
    text = (ROOT / "docs" / f"{page}.rst").read_text(encoding="utf-8")
    found = [_snippet(*match.groups()) for match in SNIPPET.finditer(text + "\n")]
    assert len(found) == text.count(".. snippet::") > 0
    return found


def tried(page: str) -> list[Snippet]:
    """The snippets of a page that are tested."""
    return [snippet for snippet in snippets(page) if not snippet.not_tried]


def _snippet(language: str, options: str, body: str) -> Snippet:
    given = dict(OPTION.findall(options))
    # As the copy button does: see copybutton_exclude in conf.py.
    tokens = list(get_lexer_by_name(language).get_tokens(textwrap.dedent(body).strip("\n") + "\n"))
    shown = {Generic.Prompt, Generic.Output}
    return Snippet(
        tool=given["tool"],
        caption=given.get("caption", "").replace("``", ""),
        code="".join(text for kind, text in tokens if kind not in shown),
        output="".join(text for kind, text in tokens if kind is Generic.Output),
        not_tried=given.get("not-tried", ""),
    )
