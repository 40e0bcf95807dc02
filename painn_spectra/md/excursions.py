"""Whether a dynamics stayed where its model was trained: told in dynamics.json, and in a warning."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from painn_spectra import keys
from painn_spectra.trained_range import Bounds

NAMED = 5  # replicas whose farthest frame is named


def excursions(trajectory: Path, bounds: Bounds | None) -> dict[str, Any]:
    """Share of frames outside of the trained range, the farthest | Å, and of the replicas that went farthest
    the frame and what is the matter there; nothing for a model without a range.

    A frame of a ring polymer is its bead most outside. time_ps: of the trajectory, whose frame k is at
    (k + 1) sample_interval_fs. Prints a warning that names the farthest frame.
    """
    if bounds is None:
        return {}
    with h5py.File(trajectory) as file:
        excess, place = file[keys.RANGE_EXCESS][:], file[keys.RANGE_PLACE][:]  # (n_replicas, n_samples)
        interval_ps = 1e-3 * float(file.attrs["sample_interval_fs"])
        stopped = set(file.attrs["stopped"].tolist())
    replicas = [number for number in range(len(excess) + len(stopped)) if number not in stopped]
    frames = excess.argmax(1)  # each replica's farthest
    farthest = []
    for row in np.argsort(-excess.max(1), kind="stable")[:NAMED]:
        k = frames[row]
        if excess[row, k] > 0:
            farthest.append(
                {
                    "replica": replicas[row],
                    "time_ps": round(float((k + 1) * interval_ps), 4),
                    "beyond_A": round(bounds.beyond_A(excess[row, k], place[row, k]), 3),
                    "reason": bounds.words(excess[row, k], place[row, k]),
                }
            )
    share = float((excess > 0).mean())
    if farthest:
        worst = farthest[0]
        print(
            f"warning: {100 * share:.2g} % of the frames lie outside of the range that the model was trained "
            f"in, farthest replica {worst['replica']} after {worst['time_ps']:g} ps: {worst['reason']}; "
            "label geometries like these, as another round of sampling does"
        )
    return {
        "outside_trained_range": share,
        "farthest_outside_A": max((told["beyond_A"] for told in farthest), default=0.0),
        "farthest_frames": farthest,
    }
