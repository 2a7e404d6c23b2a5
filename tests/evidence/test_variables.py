"""The variables to test are all that the program may ask for by name, even in a copy."""

import re
from pathlib import Path

from telemetry.evidence import variables

ASKING = """
import os
os.environ.copy().get("ZQX_GOT", "")
dict(os.environ)["ZQX_ITEM"]
os.environb.get(b"ZQX_BYTES")
{**os.environ}.pop("ZQX_POPPED", None)
"ZQX_IN" in os.environ
"ZQX_NOT_IN" not in {**os.environ}
os.getenv("ZQX_GETENV")
"""


def test_every_variable_that_stripepy_asks_for_is_known(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(ASKING)
    names = re.findall(r"ZQX_\w+", ASKING)
    assert sorted(variables.named_in(module)) == sorted(names)
