"""Find the releases with which something changed, with as few probes as that takes."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

Probed = TypeVar("Probed")
Release = TypeVar("Release")


def turning_points(
    releases: Sequence[Release],
    probe: Callable[[Sequence[Release]], Sequence[Probed | None]],
    same: Callable[[Probed, Probed], bool],
) -> list[tuple[Release, Release]]:
    """Neighbours that differ, found by halving; a change that was taken back goes unseen.

    Args:
        releases: Oldest first; at least one; the first and the last have to be there.
        probe: Looks at releases, each asked for once; None for one that cannot be had, which is
            passed over.
        same: Whether two looks saw the same.
    """
    seen: dict[int, Probed | None] = {}

    def look(numbers: Sequence[int]) -> None:
        seen.update(zip(numbers, probe([releases[n] for n in numbers]), strict=True))

    def differing() -> Iterator[tuple[int, int]]:
        known = [(n, probed) for n in sorted(seen) if (probed := seen[n]) is not None]
        for (low, before), (high, after) in pairwise(known):
            if not same(before, after):
                yield low, high

    def untried(low: int, high: int) -> Iterator[int]:
        """The release in the middle, or what there is around it."""
        there = (n for n in range(low + 1, high) if n not in seen)
        yield from sorted(there, key=lambda n: abs(n - (low + high) // 2))[:1]

    look(sorted({0, len(releases) - 1}))
    while middles := [n for pair in differing() for n in untried(*pair)]:
        look(middles)
    return [(releases[low], releases[high]) for low, high in differing()]
