"""Frames whose labels are far from what the model says: a wrong label, or a geometry far from all others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.dataset import Frames
from painn_spectra.spectra.csv_files import write_table

Array = NDArray[np.float64]
FAR = 10.0  # times the median frame; normal errors of one number reach 5 in a thousand frames, of many 2
SHOWN = 10
HEADING = ("frame", "part", "trajectory", "property", "error", "unit", "times_median")


def find_outliers(
    frames: Frames, parts: Mapping[str, Sequence[int]], predicted: Mapping[str, Array]
) -> list[dict]:
    """Rows of HEADING, farthest first: frames whose root mean square error is far above the median."""
    part_of = {k: name for name, index in parts.items() for k in index}
    rows: list[dict[str, Any]] = []
    for name, values in predicted.items():
        unit, factor = keys.SHOWN_UNITS[name]
        squares = np.square(values - frames.labels[name]).reshape(len(frames), -1)
        count = 3 * (frames.numbers > 0).sum(1) if name == keys.FORCES else squares.shape[1]
        error = factor * np.sqrt(squares.sum(1) / count)  # (n_frames,) | shown unit
        times = error / (np.median(error) or 1.0)
        rows += [
            {
                "frame": int(k),
                "part": part_of.get(int(k), ""),
                "trajectory": str(frames.groups[k]),
                "property": name,
                "error": float(error[k]),
                "unit": unit,
                "times_median": float(times[k]),
            }
            for k in np.flatnonzero(times > FAR)
        ]
    return sorted(rows, key=lambda row: -row["times_median"])


def write_outliers(path: Path, rows: Sequence[Mapping[str, Any]], dataset: Path) -> None:
    """Write them all and print the farthest."""
    cells = [[f"{v:.4g}" if isinstance(v, float) else v for v in (row[h] for h in HEADING)] for row in rows]
    note = f"frames off by more than {FAR:g} times the median: wrong labels or far geometries"
    write_table(path, {"dataset": dataset, "meaning": note}, HEADING, cells)
    for row in rows[:SHOWN]:
        print(
            "outlier: frame {frame} ({part}, {trajectory}): {property} off by {error:.4g} {unit}, "
            "{times_median:.0f} times the median; check its label".format(**row)
        )
    if len(rows) > SHOWN:
        print(f"outlier: {len(rows) - SHOWN} more in {path}")
