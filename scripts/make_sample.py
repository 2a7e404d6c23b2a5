#!/usr/bin/env python3
"""Make assets/sample.hic, the synthetic contact map that captures run StripePy on.

Without an option, the file is written if it is missing or differs. Exit status: 0 fine, 2 wrong
usage, 3 not written, 5 outdated.
"""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

# Where PYTHONSAFEPATH is set, Python does not look here.
sys.path.insert(0, str(Path(__file__).parent))

from telemetry.records import exits
from telemetry.records.exits import Exit
from telemetry.records.files import SAMPLE
from telemetry.records.findings import Kind, show, write_or_compare
from telemetry.table.sample import render

MEND = "python scripts/make_sample.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = exits.parser(__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    options = parser.parse_args(argv)
    content = render()
    found = write_or_compare(
        {SAMPLE: content},
        old=_checksum(SAMPLE.read_bytes()) if SAMPLE.is_file() else None,
        new=_checksum(content),
        write=not options.check,
        kind=Kind.OUTDATED_SAMPLE,
        mend=MEND,
    )
    show(found, SAMPLE)
    return Exit.FINDINGS if found else Exit.OK


def _checksum(content: bytes) -> list[str]:
    """Say in a line of text what the binary file holds."""
    return [f"SHA-256 {hashlib.sha256(content).hexdigest()}\n"]


if __name__ == "__main__":
    exits.run(main)
