"""The variables to test: whatever the program could ask for by name, also in a copy."""

from pathlib import Path

import pytest

from telemetry.evidence import variables


@pytest.mark.parametrize(
    "code",
    [
        "os.environ.copy().get('ZQX_NAME', '')",
        "dict(os.environ)['ZQX_NAME']",
        "os.environb.get(b'ZQX_NAME')",
        "{**os.environ}.pop('ZQX_NAME', None)",
        "'ZQX_NAME' in os.environ",
        "'ZQX_NAME' not in {**os.environ}",
        "os.getenv('ZQX_NAME')",
    ],
)
def test_a_variable_that_stripepy_asks_for_is_known(code: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(f"import os\nvalue = {code}\n")
    assert list(variables.named_in(tmp_path / "module.py", ours=True)) == ["ZQX_NAME"]
