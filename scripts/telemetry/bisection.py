"""Find the releases with which something changed, with as few probes as that takes."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from telemetry.environments import UnresolvableError

Probed = TypeVar("Probed")
Release = TypeVar("Release")


def turning_points(
    releases: Sequence[Release],
    probe: Callable[[Release], Probed],
    same: Callable[[Probed, Probed], bool],
) -> list[tuple[Release, Release]]:
    """Neighbours that differ, found by halving; a change that was taken back goes unseen.

    Releases that cannot be had are passed over.

    Args:
        releases: Oldest first; the first and the last have to be there.
        probe: Looks at a release; asked once for each.
        same: Whether two looks saw the same.
    """
    seen: dict[int, Probed] = {}

    def look(number: int) -> Probed:
        if number not in seen:
            seen[number] = probe(releases[number])
        return seen[number]

    def between(low: int, high: int) -> list[tuple[Release, Release]]:
        if same(look(low), look(high)):
            return []
        centre = (low + high) // 2
        for middle in sorted(range(low + 1, high), key=lambda number: abs(number - centre)):
            try:
                look(middle)
            except UnresolvableError:
                continue
            return [*between(low, middle), *between(middle, high)]
        return [(releases[low], releases[high])]

    return between(0, len(releases) - 1) if len(releases) > 1 else []
