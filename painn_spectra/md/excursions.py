"""Whether a dynamics stayed where its model was trained: told in dynamics.json, and in a warning."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from painn_spectra import keys
from painn_spectra.trained_range import outside

MOST_FRAMES = 500  # looked at per replica, evenly spaced


def excursions(trajectory: Path, metadata: dict[str, Any]) -> dict[str, float]:
    """Share of frames outside of the trained range and the farthest | Å; nothing for a model without a range.

    metadata: of the model. Prints where and when the first replica left.
    """
    if "range" not in metadata:
        return {}
    shares, farthest, told = [], 0.0, ""
    with h5py.File(trajectory) as file:
        recorded, numbers = file[keys.SPARSE_POSITIONS], file.attrs["numbers"]
        interval_ps = 1e-3 * float(file.attrs["sample_interval_fs"]) * int(file.attrs["sparse_stride"])
        every = max(1, recorded.shape[1] // MOST_FRAMES)
        for replica in range(len(recorded)):
            positions = np.asarray(recorded[replica, ::every], dtype=float)
            beyond, words = outside(metadata["range"], numbers, positions)
            shares.append(float((beyond > 0).mean()))
            farthest = max(farthest, float(beyond.max(initial=0.0)))
            if beyond.any() and not told:
                frame = int(np.argmax(beyond > 0))
                told = f"replica {replica} after {frame * every * interval_ps:.2f} ps: {words[frame]}"
    share = float(np.mean(shares))
    if told:
        print(
            f"warning: {100 * share:.2g} % of the frames lie outside of the range that the model was trained "
            f"in, first {told}; label geometries like these, as another round of sampling does"
        )
    return {"outside_trained_range": share, "farthest_outside_A": farthest if np.isfinite(farthest) else -1.0}
