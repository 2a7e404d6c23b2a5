"""The sample contact map in StripePy's other two formats, .cool and .mcool.

Written with h5py, because hictkpy stamps its files with the time; the same pixels give the same
bytes. Layout: https://cooler.readthedocs.io/en/stable/schema.html
"""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from telemetry.table.sample import ASSEMBLY, CHROMOSOMES, RESOLUTION, bins_in, pixels

ATTRIBUTES = {
    "genome-assembly": ASSEMBLY,
    "generated-by": "scripts/telemetry/table/coolers.py",
    "creation-date": "2000-01-01T00:00:00",
    "metadata": "{}",
}


def make_cooler(
    path: Path,
    chromosomes: Mapping[str, int] = CHROMOSOMES,
    texts: Mapping[str, str] = ATTRIBUTES,
    normalisation: str = "",
) -> None:
    """Write the sample contact map in place of any file there; as .mcool, with one resolution.

    Chromosomes have lengths in bp, texts are what the file says of itself, and a normalisation by
    that name, if any, changes nothing.
    """
    lengths = np.array(list(chromosomes.values()), dtype=np.int32)
    bins = np.array([bins_in(length) for length in chromosomes.values()])
    starts = np.concatenate([np.arange(count, dtype=np.int32) for count in bins]) * RESOLUTION
    rows, columns, counts = np.array(list(pixels())).T
    chromosome_ids = np.repeat(np.arange(len(bins)), bins)
    enum = h5py.enum_dtype({name: i for i, name in enumerate(chromosomes)}, basetype=np.int32)

    tables = {
        "chroms/name": np.array(list(chromosomes), dtype="S"),
        "chroms/length": lengths,
        "bins/chrom": chromosome_ids.astype(enum),
        "bins/start": starts,
        "bins/end": np.minimum(starts + RESOLUTION, lengths[chromosome_ids]).astype(np.int32),
        "pixels/bin1_id": rows,
        "pixels/bin2_id": columns,
        "pixels/count": counts.astype(np.int32),
        "indexes/chrom_offset": np.concatenate([[0], np.cumsum(bins)]),
        "indexes/bin1_offset": np.searchsorted(rows, np.arange(bins.sum() + 1)),
    }
    if normalisation:
        tables[f"bins/{normalisation}"] = np.ones(len(starts))
    attributes = {
        "format": "HDF5::Cooler",
        "format-version": 3,
        "bin-type": "fixed",
        "bin-size": RESOLUTION,
        "storage-mode": "symmetric-upper",
        "nchroms": len(bins),
        "nbins": int(bins.sum()),
        "nnz": len(counts),
        "sum": int(counts.sum()),
        **texts,
    }
    with h5py.File(path, "w") as file:
        group: h5py.Group = file
        if path.suffix == ".mcool":
            file.attrs.update({"format": "HDF5::MCOOL", "format-version": 2, "bin-type": "fixed"})
            group = file.create_group(f"resolutions/{RESOLUTION}")
        for name, values in tables.items():
            group.create_dataset(name, data=values, track_times=False)
        group.attrs.update(attributes)
