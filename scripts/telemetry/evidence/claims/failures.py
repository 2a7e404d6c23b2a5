"""What a failing run sends about its error."""

import builtins
import re

from telemetry.evidence.judging import Trial, claim
from telemetry.records.runs import Observation


def _failed(seen: Observation) -> bool:
    return seen.exit_status != 0 and "STRIPEPY_NO_TELEMETRY" not in seen.run.environment


@claim(
    "The text and the stack trace of an error are sent empty.",
    ("failures", "downloads", "options"),
)
def redacted(trial: Trial) -> None:
    # The runs do not show every kind of error, so the code is checked, too.
    kept = [line for line in trial.evidence.lines if line.what.endswith("with its text")]
    trial.expect(not kept, f"lines that may send the text of some errors: {kept}")
    for seen in trial.runs(where=_failed):
        values = trial.evidence.values(seen)
        for name in ("exception.message", "exception.stacktrace"):
            trial.expect(
                values.get(name) == '""', f"`{seen.run.command}` sends {name} = {values.get(name)}"
            )


@claim(
    "What remains of an error is the name of its class, such as `RuntimeError`.",
    ("failures", "downloads", "options"),
)
def class_only(trial: Trial) -> None:
    for seen in trial.runs(where=_failed):
        kind = trial.evidence.values(seen).get("exception.type", "")
        raised = re.search(rf"^([\w.]+\.)?{re.escape(kind)}(:|$)", seen.stderr, re.MULTILINE)
        known = isinstance(getattr(builtins, kind, None), type) or raised is not None
        what = f"`{seen.run.command}` sends {kind!r}, which is not the class of its error"
        trial.expect(bool(kind) and known, what)
        if shown := re.findall(r"^([\w.]*(?:Error|Exception))\b", seen.stderr, re.MULTILINE):
            # The last one is what the run ended with; any others led to it.
            same = shown[-1].rpartition(".")[2] == kind.rpartition(".")[2]
            trial.expect(same, f"`{seen.run.command}` sends {kind}, and shows {shown[-1]}")
