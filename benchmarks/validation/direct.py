"""PaiNN trained on GFN2-xTB against dynamics driven by GFN2-xTB itself: are the spectra the same?

    python -m benchmarks.validation.direct_dynamics reference --batches 25   # hours, goes on
    python -m benchmarks.validation.direct_dynamics model --member 0 --batches 7
    python -m benchmarks.validation.direct_dynamics model --member 1 --batches 7
    python -m benchmarks.validation.direct

One protocol, one analysis, independent noise. Sampling limits the likeness of any two such spectra, so it is
measured first: two random halves of one side agree to the cosine h, two sides of that size each to 2h/(1 + h)
(Spearman and Brown), and a perfect model would reach the geometric mean of both sides. Members of the model's
ensemble share their noise, so that their disagreement tells the error of the training. Every replica's
spectra are kept in data/direct.npz: the comparison runs without the dynamics. Rows are in data/direct.json.
"""

from pathlib import Path

import numpy as np
from scipy.stats import t as student_t

from benchmarks.validation.runs import ELECTRIC, replica, trajectories
from benchmarks.validation.table import DATA, Row, save
from painn_spectra.files import atomic_path
from painn_spectra.spectra.bands import (
    band_areas,
    find_bands,
    jackknife_standard_error,
    leave_one_out,
    standard_error,
)
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.infrared import infrared_density
from painn_spectra.spectra.model_spread import model_standard_deviation
from painn_spectra.spectra.raman import raman_density
from painn_spectra.spectra.trajectory_file import open_trajectory

FWHM_CM, RANGE_CM = 25.0, (100.0, 4000.0)
N_SPLITS, N_ALIGNMENTS = 400, 4
KINDS = ("IR", "Raman")
Densities = dict[str, np.ndarray]  # kind -> (n_replicas, n_wavenumbers), of a model (n_members, ...)
KEPT = DATA / "direct.npz"
MAX_MEMBERS = 8
SHARP_CM = 2.5  # half of what positions may differ by


def densities(files: list[Path]) -> tuple[np.ndarray, Densities]:
    """Wavenumbers, and every replica's IR | km/mol per cm⁻¹ and Raman activity | Å⁴/amu per cm⁻¹."""
    rows: dict[str, list[np.ndarray]] = {name: [] for name in KINDS}
    nu = np.empty(0)
    for file in files:
        with open_trajectory(file) as series:
            interval_fs, temperature_K = series.sample_interval_fs, series.temperature_K
            estimator = Estimator(interval_fs, series.integrator_timestep_fs, FWHM_CM, *RANGE_CM)
            nu = estimator.wavenumber_cm
            for k in range(series.n_replicas):
                dipole, alpha = (replica(series, name, k) for name in ELECTRIC)
                rows["IR"].append(infrared_density(dipole, temperature_K, estimator))
                rows["Raman"].append(np.add(*raman_density(alpha, temperature_K, estimator)))
    return nu, {name: np.array(values) for name, values in rows.items()}


def keep(nu: np.ndarray, reference: Densities, model: Densities) -> None:
    """Half precision: its rounding, 0.05 %, is a hundredth of a replica's noise."""
    arrays = {"wavenumber_cm": nu.astype(np.float32)}
    for side, spectra in (("reference", reference), ("model", model)):
        arrays |= {f"{side}_{name}": values.astype(np.float16) for name, values in spectra.items()}
    with atomic_path(KEPT) as temporary:
        np.savez_compressed(temporary, **arrays)


def kept() -> tuple[np.ndarray, Densities, Densities]:
    """Wavenumbers and both sides, as `keep` left them."""
    with np.load(KEPT) as file:
        sides = [
            {name: file[f"{side}_{name}"].astype(float) for name in KINDS} for side in ("reference", "model")
        ]
        return file["wavenumber_cm"].astype(float), *sides


def from_trajectories() -> None:
    """Keep what the trajectories under results/validation/ tell, where both sides are there."""
    reference = trajectories("reference")
    members = [files for k in range(MAX_MEMBERS) if (files := trajectories(f"model-{k}"))]
    if not reference or not members:
        return
    nu, direct = densities(reference)
    trained = [densities(files)[1] for files in members]
    shared = min(len(one["IR"]) for one in trained)  # replicas that every member has run
    keep(nu, direct, {name: np.array([one[name][:shared] for one in trained]) for name in KINDS})


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


def displacement_cm(nu: np.ndarray, reference: np.ndarray, model: np.ndarray) -> float:
    """By how far the model's curve lies higher: δ of m(ν) ≈ a r(ν − δ), least squares, both (n_wavenumbers,).

    Unlike a centroid it does not depend on where a band's wings are cut off.
    """
    moved = 0.0
    for _ in range(N_ALIGNMENTS):
        there = np.interp(nu - moved, nu, reference)
        (scale, slope), *_ = np.linalg.lstsq(np.stack([there, -np.gradient(there, nu)], axis=1), model)
        moved += float(np.clip(slope / scale, -FWHM_CM / 2, FWHM_CM / 2))
    return moved


def displacement(nu: np.ndarray, reference: np.ndarray, model: np.ndarray) -> tuple[float, float]:
    """`displacement_cm` of the means of (n_replicas, n_wavenumbers), with its jackknife error."""
    means = reference.mean(0), model.mean(0)
    errors = [
        jackknife_standard_error(np.array([displacement_cm(nu, *pair) for pair in pairs]))
        for pairs in (
            [(one, means[1]) for one in leave_one_out(reference)],
            [(means[0], one) for one in leave_one_out(model)],
        )
    ]
    return displacement_cm(nu, *means), float(np.hypot(*errors))


def bands(name: str, nu: np.ndarray, reference: np.ndarray, members: np.ndarray) -> list[Row]:
    """Bands of the pooled spectrum on both sides: positions, areas; Holm's correction over the bands.

    members: (n_members, n_replicas, n_wavenumbers). The relative spread of the members' areas is taken to be
    one number for all bands: two members alone say little of a single one.
    """
    unit = {"IR": "km/mol", "Raman": "Å⁴/amu"}[name]
    model = members.mean(0)
    result, shifts = [], []
    found = find_bands(nu, np.concatenate([reference, model]))
    windows = [(band.lower_cm, band.upper_cm) for band in found]
    theirs = [band_areas(nu, reference, *window) for window in windows]  # (n_replicas,) each
    ours = [np.array([band_areas(nu, one, *window) for one in members]) for window in windows]
    spread = 0.0
    if len(members) > 1:
        relative = [float(model_standard_deviation(areas)) / areas.mean() for areas in ours]
        spread = float(np.sqrt(np.mean(np.square(relative))))
    p_values = []
    for band, window, direct, areas in zip(found, windows, theirs, ours, strict=True):
        inside = (nu >= window[0]) & (nu <= window[1])
        shift, error = displacement(nu[inside], reference[:, inside], model[:, inside])
        sides = direct, areas.mean(0)
        means = [float(side.mean()) for side in sides]
        errors = [float(standard_error(side)) / mean for side, mean in zip(sides, means, strict=True)]
        errors.append(spread / np.sqrt(len(members)))
        freedoms = [len(reference) - 1, len(model) - 1, max(1, len(found) * (len(members) - 1))]
        variances = np.square(errors)
        freedom = variances.sum() ** 2 / np.sum(variances**2 / freedoms)  # Welch and Satterthwaite
        z = np.log(means[1] / means[0]) / np.sqrt(variances.sum())
        p_values.append(2 * student_t.sf(abs(z), freedom))
        shifts.append((shift, error))
        words = f"{name} band at {band.peak_cm:.0f}"
        result += [
            Row("direct dynamics", f"{words}: model − direct (± {error:.1f})", shift, "cm⁻¹"),
            Row("direct dynamics",
                f"{words}: area of {means[0]:.3g} {unit}, model/direct (± {np.sqrt(variances.sum()):.2f})",
                means[1] / means[0]),
        ]  # fmt: skip
    ordered = np.sort(p_values)
    corrected = float(np.min(np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1)).clip(max=1)))
    beyond = max(abs(shift) - 2 * error for shift, error in shifts)
    sharp = [abs(shift) for shift, error in shifts if error <= SHARP_CM]
    result += [
        Row("direct dynamics", f"{name}: largest shift of {len(sharp)} bands known to ± {SHARP_CM:g} cm⁻¹",
            max(sharp, default=np.nan), "cm⁻¹", 5),
        Row("direct dynamics", f"{name}: largest shift of all {len(found)}, less 2 σ of sampling",
            max(beyond, 0.0), "cm⁻¹", 5),
        Row("direct dynamics", f"{name}: smallest p of equal areas (Holm)",
            corrected, "", 0.05, at_least=True),
    ]  # fmt: skip
    if len(members) > 1:
        words = f"{name}: relative spread of {len(members)} models in a band's area"
        result.append(Row("direct dynamics", words, spread))
    return result


def rows() -> list[Row]:
    """Of the trajectories that are there, or of the spectra kept from earlier ones; none without either."""
    from_trajectories()
    if not KEPT.exists():
        return []
    nu, reference, model = kept()
    result = [
        Row("direct dynamics", "replicas, GFN2-xTB", len(reference["IR"])),
        Row("direct dynamics", "replicas, PaiNN", model["IR"].shape[1]),
    ]
    for name in KINDS:
        result += likeness(name, reference[name], model[name].mean(0))
        result += bands(name, nu, reference[name], model[name])
    return result


if __name__ == "__main__":
    save("direct", rows())
