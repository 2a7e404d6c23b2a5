#!/usr/bin/env python3
"""Make assets/sample.hic, the synthetic contact map on which captures run StripePy.

Without options, the file is written if it is missing or differs. Exit status: 0 fine, 2 wrong
usage, 3 not written, 5 outdated.
"""

import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

# If PYTHONSAFEPATH is set, Python does not search this folder by itself.
sys.path.insert(0, str(Path(__file__).parent))

from packaging.version import Version

from telemetry.records import exits
from telemetry.records.exits import Exit, UserError
from telemetry.records.files import SAMPLE
from telemetry.records.findings import Kind, show, write_or_compare
from telemetry.records.table import sha256
from telemetry.table import sample


def main() -> int:
    parser = exits.parser(__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    options = parser.parse_args()
    release = next((found.version for found in distributions(name="hictkpy")), "0")
    if Version(release) < Version("1.4.0"):
        raise UserError("making the sample needs hictkpy 1.4.0 or newer", "make venv-dev")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, SAMPLE.name)
        sample.write_here(path, sample.CHROMOSOMES, list(sample.pixels()), sample.ASSEMBLY)
        content = path.read_bytes()
    found = write_or_compare(
        {SAMPLE: content},
        # The file is binary, so a diff can show only its checksum.
        old=[f"SHA-256 {sha256(SAMPLE.read_bytes())}\n"] if SAMPLE.is_file() else None,
        new=[f"SHA-256 {sha256(content)}\n"],
        write=not options.check,
        kind=Kind.OUTDATED_SAMPLE,
        fix=".venv/bin/python scripts/make_sample.py",
    )
    show(found, SAMPLE)
    return Exit.FINDINGS if found else Exit.OK


if __name__ == "__main__":
    exits.run(main)
