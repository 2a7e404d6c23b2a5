"""Find the releases with which something changed, with as few probes as that takes."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Probed = TypeVar("Probed")
Release = TypeVar("Release")


def stretches(
    releases: Sequence[Release],
    probe: Callable[[Release], Probed | None],
    same: Callable[[Probed, Probed], bool],
) -> list[tuple[Release, Release, Probed]]:
    """Divide releases where something changed, by halving; a change taken back goes unseen.

    Args:
        releases: Oldest first.
        probe: Looks at a release, and is asked for each once at most; None for one that cannot be
            had, which is passed over.
        same: Whether two looks saw the same.

    Returns:
        First and last release of each stretch without a change, and what the first was seen to do.
    """
    seen: dict[int, Probed] = {}
    asked: set[int] = set()

    def there(number: int) -> bool:
        if number not in asked:
            asked.add(number)
            if (probed := probe(releases[number])) is not None:
                seen[number] = probed
        return number in seen

    def turns(low: int, high: int) -> Iterator[int]:
        """Each last and first of neighbours that differ."""
        if same(seen[low], seen[high]):
            return
        nearest = sorted(range(low + 1, high), key=lambda number: abs(number - (low + high) // 2))
        middle = next(filter(there, nearest), None)
        if middle is None:
            yield from (low, high)
        else:
            yield from turns(low, middle)
            yield from turns(middle, high)

    numbers = range(len(releases))
    low, high = next(filter(there, numbers), None), next(filter(there, reversed(numbers)), None)
    if low is None or high is None:
        return []
    ends = [low, *turns(low, high), high]
    return [
        (releases[first], releases[last], seen[first])
        for first, last in zip(ends[::2], ends[1::2], strict=True)
    ]
