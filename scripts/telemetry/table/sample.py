"""The small synthetic contact map that captures run StripePy on.

The counts are computed in integers throughout, and the noise is a checksum of the position, so that
every machine makes the same pixels. The bytes also depend on hictkpy, which writes its version into
the file, and into a .cool file the time.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from zlib import crc32

ASSEMBLY = "synthetic"
RESOLUTION = 10_000
"""Bin size in bp."""

CHROMOSOMES = {"chr1": 2_500_000, "chr2": 2_100_000}
"""Lengths in bp.

`stripepy call` leaves out chromosomes of 2,000,000 bp or less. Without a region, `stripepy plot`
takes 2,500,000 bp at random: one chromosome of exactly that length leaves it no choice.
"""


class Stripe(NamedTuple):
    """A planted stripe, in the triangle of the symmetric map where StripePy sees it as a column."""

    side: Literal["lower", "upper"]
    anchor: int  # its middle, in bins from the start of the chromosome
    height: int  # its reach from the diagonal, in bins

    def covers(self, row: int, column: int) -> bool:
        """Return whether the stripe contains a pixel of the upper triangle, given in bins."""
        # A column of the lower triangle is, mirrored, a row of the upper one.
        position = row if self.side == "lower" else column
        return abs(position - self.anchor) <= 1 and column - row < self.height


STRIPES = {
    "chr1": (
        Stripe("lower", 50, 60),
        Stripe("upper", 110, 60),
        Stripe("lower", 140, 50),
        Stripe("upper", 200, 60),
    ),
    "chr2": (Stripe("lower", 70, 60), Stripe("upper", 150, 60)),
}

# Found by experiment: with its defaults, StripePy finds every stripe and no other, and `stripepy
# plot` does not call the map too sparse.
CONTACTS = 140  # expected on the diagonal, falling with the distance
ENRICHMENT = 5  # inside a stripe
NOISE = 15  # per cent, either way


class Pixel(NamedTuple):
    """A pixel of the upper triangle, in bins counted from the start of the first chromosome."""

    row: int
    column: int
    contacts: int


def pixels() -> Iterator[Pixel]:
    """Yield the map's pixels by row, then column; no contacts between chromosomes."""
    start = 0
    for chromosome, length in CHROMOSOMES.items():
        end = start + bins_in(length)
        for row in range(start, end):
            for column in range(row, end):
                inside = any(s.covers(row - start, column - start) for s in STRIPES[chromosome])
                expected = CONTACTS * (ENRICHMENT if inside else 1)
                per_cent = 100 - NOISE + crc32(b"%d,%d" % (row, column)) % (2 * NOISE + 1)
                if contacts := expected * per_cent // (100 * (column - row + 1)):
                    yield Pixel(row, column, contacts)
        start = end


def bins_in(length: int) -> int:
    """Return the number of bins that hold `length` bp; the last may be shorter than the others."""
    return -(-length // RESOLUTION)


def write_here(
    path: Path, chromosomes: Mapping[str, int], pixels: Sequence[Pixel], assembly: str
) -> None:
    """Write a .hic or .cool file in this process, where a thread of hictkpy spins from then on.

    `chromosomes` maps names to lengths in bp.
    """
    import hictkpy

    format_ = hictkpy.hic if path.suffix == ".hic" else hictkpy.cooler
    writer = format_.FileWriter(
        path, dict(chromosomes), RESOLUTION, assembly=assembly, tmpdir=path.parent
    )
    rows, columns, contacts = map(list, zip(*pixels, strict=True))
    writer.add_pixels_from_dict({"bin1_id": rows, "bin2_id": columns, "count": contacts})
    writer.finalize()


def nest(cool: Path, mcool: Path, normalisation: str) -> None:
    """Write a .mcool file with a .cool file as its only resolution.

    A normalisation of the given name is added; its weights are all 1. Layout:
    https://cooler.readthedocs.io/en/stable/schema.html
    """
    import h5py

    with h5py.File(cool) as source, h5py.File(mcool, "w") as file:
        file.attrs.update({"format": "HDF5::MCOOL", "format-version": 2, "bin-type": "fixed"})
        group = file.create_group(f"resolutions/{RESOLUTION}")
        group.attrs.update(source.attrs)
        for name in source:
            source.copy(name, group)
        group[f"bins/{normalisation}"] = [1.0] * len(source["bins/start"])
