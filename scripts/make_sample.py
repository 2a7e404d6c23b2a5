#!/usr/bin/env python3
"""Make assets/sample.hic, the synthetic contact map that captures run StripePy on.

Without an option, the file is written if it is missing or differs. Exit status: 0 fine, 2 wrong
usage, 3 not written, 5 outdated.
"""

import sys
from pathlib import Path

# Where PYTHONSAFEPATH is set, Python does not look here.
sys.path.insert(0, str(Path(__file__).parent))

from telemetry.records import exits
from telemetry.records.exits import Exit
from telemetry.records.files import SAMPLE
from telemetry.records.findings import Kind, show, write_or_compare
from telemetry.records.table import sha256
from telemetry.table.sample import render


def main() -> int:
    parser = exits.parser(__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    options = parser.parse_args()
    content = render()
    found = write_or_compare(
        {SAMPLE: content},
        # The file itself is binary.
        old=[f"SHA-256 {sha256(SAMPLE.read_bytes())}\n"] if SAMPLE.is_file() else None,
        new=[f"SHA-256 {sha256(content)}\n"],
        write=not options.check,
        kind=Kind.OUTDATED_SAMPLE,
        mend="python scripts/make_sample.py",
    )
    show(found, SAMPLE)
    return Exit.FINDINGS if found else Exit.OK


if __name__ == "__main__":
    exits.run(main)
