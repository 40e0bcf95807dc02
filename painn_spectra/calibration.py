"""What the spread of an ensemble's members says of its error: measured, one factor per property stored."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from painn_spectra import keys
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.errors import InputError
from painn_spectra.evaluate import mean_over, predict
from painn_spectra.files import check_outputs, content_hash, write_json
from painn_spectra.model.checkpoint import learnt, load_members
from painn_spectra.split import read_split
from painn_spectra.tables import text_table

Array = NDArray[np.float64]
FEWEST_MEMBERS = 2


def spread_over(predictions: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Standard deviation (n − 1) over the members of every component, shapes and units of keys.py."""
    return {name: np.std([one[name] for one in predictions], axis=0, ddof=1) for name in predictions[0]}


def factors(spread: Mapping[str, Array], error: Mapping[str, Array]) -> dict[str, float]:
    """By how much the spread is to be multiplied to be the error's standard deviation, per property.

    f² = Σ error² / Σ spread²: with few members single spreads are too uncertain to be divided by. 1 where no
    member differs, as in the dipole that symmetry forbids.
    """
    ratios = {}
    for name in spread:
        whole = np.square(spread[name]).sum()
        ratios[name] = float(np.sqrt(np.square(error[name]).sum() / whole)) if whole else 1.0
    return ratios


def calibrate(
    models: Sequence[Path], dataset: Path, split: Path, output: Path, more: Sequence[Path] = ()
) -> None:
    """Stage: factors from the validation frames, what they are worth on the test frames and on files `more`.

    The file names the members by the hash of their files: other members have other factors.
    """
    if len(set(_hashes(models))) < max(FEWEST_MEMBERS, len(models)):
        raise InputError(
            f"{models[-1]}: one model, or one named twice, has no spread; train.members: 3 trains an ensemble"
        )
    check_outputs(output)
    potentials = load_members(models)
    properties = learnt(potentials[0])
    frames = read_frames(dataset, properties)
    parts = read_split(split, dataset, len(frames))
    sets = [(name, frames.take(parts[name])) for name in ("validation", "test")]
    sets += [(path.name, read_frames(path, properties)) for path in more]
    rows: list[dict[str, Any]] = []
    found: dict[str, float] = {}
    for name, chosen in sets:
        predictions = [predict(one, chosen, path) for one, path in zip(potentials, models, strict=True)]
        spread, mean = spread_over(predictions), mean_over(predictions)
        error = {key: mean[key] - chosen.labels[key] for key in properties}
        found = found or factors(spread, error)
        rows += table(name, chosen, spread, error, found)
    write_json(output, {"models": _hashes(models), "factors": found, "calibration": rows})
    print(text_table(rows))


def table(
    name: str,
    frames: Frames,
    spread: Mapping[str, Array],
    error: Mapping[str, Array],
    found: Mapping[str, float],
) -> list[dict[str, Any]]:
    """One row per property: errors and spreads in shown units, and how often the error is below them.

    within_1, within_2: share of components whose error is below one and two calibrated spreads, 0.68 and 0.95
    of a normal distribution; rank_correlation: Spearman's, of frames' root mean squares.
    """
    rows = []
    for key, factor in found.items():
        unit, shown = keys.SHOWN_UNITS[key]
        of_frame = [_per_frame(values[key], frames, key) for values in (spread, error)]
        real = frames.numbers > 0 if key == keys.FORCES else slice(None)
        size, off = (np.ravel(values[key][real]) for values in (spread, error))
        calibrated = factor * size
        varied = len(frames) > 2 and all(np.ptp(values) > 0 for values in of_frame)
        rows.append(
            {
                "frames": name,
                "n": len(frames),
                "property": key,
                "unit": unit,
                "rmse": float(np.sqrt(np.square(off).mean())) * shown,
                "spread": float(np.sqrt(np.square(size).mean())) * shown,
                "factor": factor,
                "within_1": float((np.abs(off) <= calibrated).mean()),
                "within_2": float((np.abs(off) <= 2 * calibrated).mean()),
                "rank_correlation": float(spearmanr(*of_frame)[0]) if varied else None,
            }
        )
    return rows


def read_factors(path: Path, models: Sequence[Path]) -> dict[str, float]:
    """Factors per property; InputError when the file is none, or of other models."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        hashes, found = content["models"], {name: float(f) for name, f in content["factors"].items()}
        if not all(0 <= factor < math.inf for factor in found.values()):
            raise ValueError(f"factors {found}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no calibration ({error}); make one with painn-spectra calibrate") from None
    if hashes != _hashes(models):
        raise InputError(f"{path}: is the calibration of other models; calibrate these, or name its own")
    return found


def _hashes(models: Sequence[Path]) -> list[str]:
    return sorted(content_hash(path)[:16] for path in models)


def _per_frame(values: Array, frames: Frames, key: str) -> Array:
    """Root mean square over a frame's components, (n_frames,); padding left out."""
    squares = np.square(values).reshape(len(frames), -1)
    count = 3 * (frames.numbers > 0).sum(1) if key == keys.FORCES else squares.shape[1]
    return np.sqrt(squares.sum(1) / count)
