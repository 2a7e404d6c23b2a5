"""What the site claims, with the judges that decide each sentence; one module per topic."""

from telemetry.evidence.claims import (
    ambient,
    contents,
    failures,
    options,
    privacy,
    results,
    surroundings,
    switches,
    transport,
    unreachable,
)
from telemetry.evidence.judging import Claim

MODULES = (
    switches,
    contents,
    options,
    privacy,
    failures,
    transport,
    ambient,
    surroundings,
    unreachable,
    results,
)

CLAIMS = tuple(
    claim for module in MODULES for claim in vars(module).values() if isinstance(claim, Claim)
)
