"""The snippets of a page, as they stand there, and the place where tests run them."""

import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from pygments.lexers import get_lexer_by_name
from pygments.token import Generic

from conftest import ROOT, run

SNIPPET = re.compile(r"^\.\. snippet:: (\S+)\n((?:   :.*\n)*)\n((?:(?:   .*)?\n)+)", re.MULTILINE)
OPTION = re.compile(r"^   :([a-z-]+): (.*)$", re.MULTILINE)
SWITCH = "STRIPEPY_NO_TELEMETRY"
COMMAND = "stripepy call my.mcool 10000"
TOOLS = ROOT / ".venv" / "tools" / "bin"
# Snakemake expects the result at the path in the last argument.
STAND_IN = '#!/bin/sh\necho "${{{}-not set}}" >>{}\nfor last; do :; done\ntouch "$last"\n'


@dataclass(frozen=True)
class Snippet:
    """A snippet as it stands on the page; what it lacks is empty."""

    tool: str
    caption: str
    code: str
    """What a reader copies: without prompts and output."""
    output: str
    """What it prints, according to the page."""
    not_tried: str
    """Why it is not tested."""

    @property
    def file(self) -> str:
        """The file that its caption names, whose content it is."""
        return self.caption.partition(",")[0]


def snippets(page: str) -> list[Snippet]:
    text = (ROOT / "docs" / f"{page}.rst").read_text(encoding="utf-8")
    found = [_snippet(*match.groups()) for match in SNIPPET.finditer(text + "\n")]
    assert len(found) == text.count(".. snippet::") > 0
    return found


def _snippet(language: str, options: str, body: str) -> Snippet:
    given = dict(OPTION.findall(options))
    # Split as by the copy button: see copybutton_exclude in conf.py.
    tokens = list(get_lexer_by_name(language).get_tokens(textwrap.dedent(body).strip("\n") + "\n"))
    shown = {Generic.Prompt, Generic.Output}
    return Snippet(
        tool=given["tool"],
        caption=given.get("caption", "").replace("``", ""),
        code="".join(text for kind, text in tokens if kind not in shown),
        output="".join(text for kind, text in tokens if kind is Generic.Output),
        not_tried=given.get("not-tried", ""),
    )


# -- Where they run -------------------------------------------------------------------------------


class Place:
    """A private folder in which a tool runs, with a stand-in for stripepy."""

    def __init__(self, folder: Path) -> None:
        self.work, self.bin, self.record = folder / "work", folder / "bin", folder / "record"
        self.home, self.said = folder / "home", ""
        for made in (self.work, self.bin, self.home):
            made.mkdir(parents=True)
        (self.work / "my.mcool").touch()
        (self.bin / "python3").symlink_to(sys.executable)
        stand_in = self.bin / "stripepy"
        stand_in.write_text(STAND_IN.format(SWITCH, self.record))
        stand_in.chmod(0o755)

    def write(self, name: str, text: str) -> Path:
        """Write a file in the working directory."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *words: str | Path) -> str:
        """Run a tool to its end and return what it prints."""
        path = os.pathsep.join((str(self.bin), str(TOOLS), os.environ["PATH"]))
        env = {"PATH": path, "HOME": str(self.home), "LC_ALL": "C.UTF-8"}
        ended = run(
            *words, folder=self.work, env=env, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.said += ended.stdout + ended.stderr
        return ended.stdout

    def found(self) -> str:
        """What the one run of stripepy finds in the variable."""
        values = self.record.read_text().splitlines() if self.record.exists() else []
        assert len(values) == 1, f"not one run of stripepy:\n{self.said}"
        return values[0]
