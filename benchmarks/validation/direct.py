"""PaiNN trained on GFN2-xTB against dynamics driven by GFN2-xTB itself: are the spectra the same?

    python -m benchmarks.validation.direct_dynamics reference --batches 25   # hours, goes on
    python -m benchmarks.validation.direct_dynamics model --batches 6
    python -m benchmarks.validation.direct

One protocol, one analysis, independent noise. Sampling limits the likeness of any two such spectra, so it is
measured first: two random halves of one side agree to the cosine h, two sides of that size each to 2h/(1 + h)
(Spearman and Brown), and a perfect model would reach the geometric mean of both sides. Means and errors of
the spectra are kept in data/direct.npz, the rows in data/direct.json.
"""

from pathlib import Path

import h5py
import numpy as np
from scipy.stats import t as student_t

from benchmarks.validation.runs import ELECTRIC, RESULTS, replica, trajectories
from benchmarks.validation.table import DATA, Row, save
from painn_spectra.files import atomic_path
from painn_spectra.spectra.bands import (
    band_areas,
    band_centroid,
    bin_overlap,
    find_bands,
    jackknife_standard_error,
    leave_one_out,
    standard_error,
)
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.intervals import ratio_of_means
from painn_spectra.spectra.raman import raman_density
from painn_spectra.spectra.trajectory_file import open_trajectory

FWHM_CM, RANGE_CM = 25.0, (100.0, 4000.0)
N_SPLITS = 400
Densities = dict[str, np.ndarray]  # kind -> (n_replicas, n_wavenumbers)


def densities(files: list[Path], length_fs: float = np.inf) -> tuple[np.ndarray, Densities]:
    """Wavenumbers, and every replica's IR | km/mol per cm⁻¹ and Raman activity | Å⁴/amu per cm⁻¹.

    length_fs: the part of each replica that is used.
    """
    rows: dict[str, list[np.ndarray]] = {"IR": [], "Raman": []}
    nu = np.empty(0)
    for file in files:
        with open_trajectory(file) as series:
            interval_fs, temperature_K = series.sample_interval_fs, series.temperature_K
            estimator = Estimator(interval_fs, series.integrator_timestep_fs, FWHM_CM, *RANGE_CM)
            nu = estimator.wavenumber_cm
            used = slice(round(min(length_fs, series.length_fs) / interval_fs))
            for k in range(series.n_replicas):
                dipole, alpha = (replica(series, name, k)[used] for name in ELECTRIC)
                rows["IR"].append(infrared_density(dipole, temperature_K, estimator))
                rows["Raman"].append(np.add(*raman_density(alpha, temperature_K, estimator)))
    return nu, {name: np.array(values) for name, values in rows.items()}


def twins() -> Densities:
    """Densities of the reference's replicas over the time that their twins in `paired` have run."""
    found: dict[str, list[np.ndarray]] = {"IR": [], "Raman": []}
    for file in trajectories("paired"):
        with h5py.File(file) as attributes, open_trajectory(file) as series:
            batches, length_fs = attributes.attrs["reference_batches"], series.length_fs
        files = [RESULTS / "reference" / f"{batch:03d}" / "trajectory.h5" for batch in batches]
        for name, values in densities(files, length_fs)[1].items():
            found[name] += list(values)
    return {name: np.array(values) for name, values in found.items()}


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of spectra along the last axis."""
    dot = np.sum(one * other, axis=-1)
    return dot / np.sqrt(np.sum(one**2, axis=-1) * np.sum(other**2, axis=-1))


def self_cosine(samples: np.ndarray, seed: int = 0) -> float:
    """Mean cosine of the means of two random halves. samples: (n_replicas, n_wavenumbers)"""
    rng, n = np.random.default_rng(seed), len(samples)
    products = samples @ samples.T  # (n_replicas, n_replicas): all that means of halves need
    order = rng.permuted(np.tile(np.arange(n), (N_SPLITS, 1)), axis=1)
    one, other = np.zeros((2, N_SPLITS, n))
    np.put_along_axis(one, order[:, : n // 2], 1.0, axis=1)
    np.put_along_axis(other, order[:, n // 2 : n // 2 * 2], 1.0, axis=1)
    dots = [np.sum(a @ products * b, axis=1) for a, b in ((one, other), (one, one), (other, other))]
    return float(np.mean(dots[0] / np.sqrt(dots[1] * dots[2])))


def likeness(name: str, reference: np.ndarray, model: np.ndarray) -> list[Row]:
    """Cosine of the means, what sampling allows, and their ratio with its jackknife error."""
    halves = [self_cosine(side) for side in (reference, model)]
    wholes = [2 * half / (1 + half) for half in halves]
    found = float(cosine(reference.mean(0), model.mean(0)))
    error = np.hypot(
        jackknife_standard_error(cosine(leave_one_out(reference), model.mean(0))),
        jackknife_standard_error(cosine(reference.mean(0), leave_one_out(model))),
    )
    allowed = float(np.sqrt(wholes[0] * wholes[1]))
    return [
        Row("direct dynamics", f"{name}: cosine of both sides (± {error:.4f})", found),
        Row("direct dynamics", f"{name}: cosine of halves of the direct run", halves[0]),
        Row("direct dynamics", f"{name}: cosine of halves of the model's run", halves[1]),
        Row("direct dynamics", f"{name}: cosine / √(halves · halves)",
            found / float(np.sqrt(halves[0] * halves[1])), "", 0.98, at_least=True),
        Row("direct dynamics", f"{name}: cosine / what sampling allows",
            found / allowed, "", 0.98, at_least=True),
    ]  # fmt: skip


def bands(name: str, nu: np.ndarray, reference: np.ndarray, model: np.ndarray) -> list[Row]:
    """Bands of the pooled spectrum, on both sides: centroids, areas; Holm's correction over the bands."""
    unit = {"IR": "km/mol", "Raman": "Å⁴/amu"}[name]
    result, p_values, shifts = [], [], []
    found = find_bands(nu, np.concatenate([reference, model]))
    for band in found:
        window = (band.lower_cm, band.upper_cm)
        centroids = [band_centroid(nu, side, *window) for side in (reference, model)]
        areas = [band_areas(nu, side, *window) for side in (reference, model)]
        means = [float(area.mean()) for area in areas]
        relative = np.hypot(*(standard_error(a) / m for a, m in zip(areas, means, strict=True)))
        z = np.log(means[1] / means[0]) / relative
        p_values.append(2 * student_t.sf(abs(z), len(reference) + len(model) - 2))
        shift, error = centroids[1][0] - centroids[0][0], np.hypot(centroids[0][1], centroids[1][1])
        shifts.append((shift, error))
        words = f"{name} band at {band.peak_cm:.0f}"
        result += [
            Row("direct dynamics", f"{words}: model − direct (± {error:.1f})", shift, "cm⁻¹"),
            Row("direct dynamics", f"{words}: area of {means[0]:.3g} {unit}, model/direct (± {relative:.2f})",
                means[1] / means[0]),
        ]  # fmt: skip
    ordered = np.sort(p_values)
    corrected = float(np.min(np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1)).clip(max=1)))
    beyond = max(abs(shift) - 2 * error for shift, error in shifts)
    result += [
        Row("direct dynamics", f"{name}: largest shift of {len(found)} bands",
            max(abs(shift) for shift, _ in shifts), "cm⁻¹", 5),
        Row("direct dynamics", f"{name}: largest shift less 2 σ of sampling", max(beyond, 0.0), "cm⁻¹", 5),
        Row("direct dynamics", f"{name}: smallest p of equal areas (Holm)",
            corrected, "", 0.05, at_least=True),
    ]  # fmt: skip
    return result


def paired_bands(name: str, nu: np.ndarray, reference: np.ndarray, model: np.ndarray) -> list[Row]:
    """The same of runs that start in the same states: each replica against its twin."""
    result, deviations, shifts = [], [], []
    found = find_bands(nu, np.concatenate([reference, model]))
    for band in found:
        window = (band.lower_cm, band.upper_cm)
        one, other = (band_areas(nu, side, *window) for side in (reference, model))
        ratio, error, *_ = ratio_of_means(other, one)
        inside = bin_overlap(nu, *window)
        moments = [side @ (inside * nu) for side in (reference, model)]
        places = [leave_one_out(m) / leave_one_out(a) for m, a in zip(moments, (one, other), strict=True)]
        shift = float(moments[1].sum() / other.sum() - moments[0].sum() / one.sum())
        shift_error = jackknife_standard_error(places[1] - places[0])
        deviations.append(abs(ratio - 1) / error)
        shifts.append(abs(shift))
        words = f"{name} band at {band.peak_cm:.0f}"
        result += [
            Row("paired dynamics", f"{words}: model − direct (± {shift_error:.1f})", shift, "cm⁻¹"),
            Row("paired dynamics", f"{words}: area, model/direct (± {error:.3f})", float(ratio)),
        ]
    whole = float(cosine(reference.mean(0), model.mean(0)))
    smallest = min(1.0, len(found) * float(2 * student_t.sf(max(deviations), len(reference) - 1)))
    return [
        *result,
        Row("paired dynamics", f"{name}: cosine of both sides", whole, "", 0.98, at_least=True),
        Row("paired dynamics", f"{name}: largest shift of {len(found)} bands", max(shifts), "cm⁻¹", 5),
        Row("paired dynamics", f"{name}: smallest p of equal areas (Bonferroni)",
            smallest, "", 0.05, at_least=True),
    ]  # fmt: skip


def keep(nu: np.ndarray, sides: dict[str, Densities]) -> None:
    """Means and standard errors for the figure, a small file."""
    arrays = {"wavenumber_cm": nu}
    for side, spectra in sides.items():
        arrays[f"{side}_n_replicas"] = np.array(len(spectra["IR"]))
        for name, values in spectra.items():
            arrays[f"{side}_{name}"] = values.mean(0)
            arrays[f"{side}_{name}_standard_error"] = standard_error(values)
    with atomic_path(DATA / "direct.npz") as temporary:
        np.savez_compressed(temporary, **{k: v.astype(np.float32) for k, v in arrays.items()})


def rows() -> list[Row]:
    """Of the runs that are there; none without the reference and one of the others."""
    found = {kind: densities(trajectories(kind)) for kind in ("reference", "model", "paired")}
    nu = found["reference"][0]
    sides = {kind: spectra for kind, (_, spectra) in found.items() if len(spectra["IR"])}
    if len(sides) < 2 or "reference" not in sides:
        return []
    same_starts = twins()
    keep(nu, sides | ({"twins": same_starts} if "paired" in sides else {}))
    result = [Row("direct dynamics", f"replicas, {kind}", len(found["IR"])) for kind, found in sides.items()]
    for name in ("IR", "Raman"):
        if "model" in sides:
            pair = sides["reference"][name], sides["model"][name]
            result += likeness(name, *pair) + bands(name, nu, *pair)
        if "paired" in sides:
            result += paired_bands(name, nu, same_starts[name], sides["paired"][name])
    return result


if __name__ == "__main__":
    save("direct", rows())
