"""Work that is shared out to processes; an interruption ends them, with all that they started."""

import multiprocessing
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from telemetry import edge

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 2


def each(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    tell: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Do the same to every item, two at once.

    Args:
        work: What to do; a function of a module, for processes to find.
        items: What to do it to.
        tell: Called with each result as it comes.

    Returns:
        The results, in the order of the items.
    """
    results: dict[int, Result] = {}
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(AT_ONCE, len(items)), edge.end_on_sigterm) as pool:
        for number, result in pool.imap_unordered(partial(_numbered, work), enumerate(items)):
            results[number] = result
            tell(result)
    return [results[number] for number in range(len(items))]


def _numbered(work: Callable[[Item], Result], item: tuple[int, Item]) -> tuple[int, Result]:
    return item[0], work(item[1])
