"""Environments, what is kept of them, and what is said when something is missing."""

import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from conftest import need, python
from telemetry.records import files
from telemetry.records.exits import UserError
from telemetry.releases import environments, observations, summary
from telemetry.releases.environments import Environment, UnresolvableError

# A port of this machine on which nothing listens.
NO_INDEX = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"}

[CONTROL] = [run for run in observations.runs() if run.name == "command: download --list-only"]


def test_runs_are_made_once_for_the_same_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("namespaces")
    python = Path(sys.executable)
    environment = Environment(python, ("stripepy-hic==0",))
    with monkeypatch.context() as patch:
        patch.setattr(Environment, "made", lambda _: nullcontext(python))
        seen = observations.kept(environment, [CONTROL], tmp_path)
    assert summary.state(seen) == ("sends", "")
    [destination] = summary.destinations(seen)
    assert destination.timeout > 0
    assert "content-type" in destination.headers
    # This environment cannot be made, since there is no such release: the answer was kept.
    assert observations.kept(environment, [CONTROL], tmp_path) == seen


def test_what_is_kept_does_not_depend_on_comments(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SCRIPTS", project / "scripts")
    before = list(observations._code())
    module = project / "scripts" / "telemetry" / "box" / "observing.py"
    text = module.read_text()
    module.write_text(text.replace('"""', '"""Otherwise said: ', 1) + "# A remark.\n")
    assert list(observations._code()) == before
    module.write_text(text + "CHANGED = True\n")
    assert list(observations._code()) != before


def test_without_an_index_it_says_what_it_lacks(project: Path) -> None:
    for script in ("telemetry_releases.py", "telemetry_newest.py"):
        run = python(f"scripts/{script}", folder=project, env=NO_INDEX)
        assert run.returncode == 3
        [line] = run.stderr.splitlines()
        assert line.startswith(
            "error: the package index does not list the releases of stripepy-hic"
        )
        assert line.endswith("-- fix: run it again with a network; what was run before is kept")
    assert (project / "assets/telemetry_releases.json").read_bytes() == files.RELEASES.read_bytes()


def test_without_an_index_uv_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (NO_INDEX | {"UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"uv cannot `pip compile`: .*127\.0\.0\.1"):
        environments.resolve(["stripepy-hic"])


def test_without_namespaces_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observations, "have_namespaces", lambda: False)
    with pytest.raises(UserError, match="this machine allows no network namespaces -- fix: "):
        observations.made(Path(sys.executable), [CONTROL])


@pytest.mark.slow
def test_an_environment_has_what_was_resolved() -> None:
    oldest, *_ = environments.releases("stripepy-hic")
    assert oldest.uploaded.startswith("2024-12-20T")
    environment = environments.resolve([f"stripepy-hic=={oldest.version}"])
    assert environment.packages["stripepy-hic"] == str(oldest.version)
    with environment.made() as interpreter:
        assert (interpreter.parent / "stripepy").exists()
    assert not interpreter.exists()
    assert "numpy<3,>=2" in environments.required_by("stripepy-hic==1.3.0")
    with pytest.raises(UnresolvableError, match="nothing fits: Because "):
        environments.resolve(["stripepy-hic==1.3.0", "numpy==1.26"])
