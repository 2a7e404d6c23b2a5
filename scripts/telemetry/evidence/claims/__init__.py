"""What the site claims, and what decides each sentence; one module for each topic."""

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

CLAIMS: tuple[Claim, ...] = (
    *switches.CLAIMS,
    *contents.CLAIMS,
    *options.CLAIMS,
    *privacy.CLAIMS,
    *failures.CLAIMS,
    *transport.CLAIMS,
    *ambient.CLAIMS,
    *surroundings.CLAIMS,
    *unreachable.CLAIMS,
    *results.CLAIMS,
)
