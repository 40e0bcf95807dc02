"""How often 95 % intervals hold the truth: python benchmarks/coverage.py [--repeats N]

Synthetic bands of harmonic modes whose energies are exponential over replicas, as after a thermal start, and
whose wavenumbers fall with their energy, as anharmonic ones do. Every quantity is a ratio of means over
replicas. The truth is the thermal mean, convolved with the window and cut at the band's borders.
"""

import argparse
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm
from scipy.stats import t as student_t

from painn_spectra.spectra.intervals import ratio_of_means, unskewed

Array = np.ndarray
Pair = tuple[Array, Array]
SIGMA_CM = 10.0 / np.sqrt(8 * np.log(2))  # of a window 10 cm⁻¹ wide
SHIFT_CM = 8.0  # fall of a mode's wavenumber per kT of its energy, of the order of an O–H stretch's
N_BOOTSTRAP = 999
# name -> modes (cm⁻¹, infrared, isotropic, anisotropic intensity), borders of the band
CASES: dict[str, tuple[list[tuple[float, float, float, float]], tuple[float, float]]] = {
    "single": ([(1000, 1, 1, 0.2)], (940, 1060)),
    "weak beside strong": ([(1000, 50, 30, 5), (1050, 1, 0.5, 2)], (1030, 1090)),
    "two overlapping": ([(1000, 1, 1, 0.1), (1030, 1, 0.1, 1)], (940, 1090)),
    "two, 10:1": ([(1000, 10, 10, 1), (1030, 1, 0.1, 2)], (940, 1090)),
    "five": ([(2900 + 30 * k, 1 + k % 3, 1 + k, 0.3 + k % 2) for k in range(5)], (2800, 3080)),
}


def contributions(case: str, energies: Array) -> dict[str, Pair]:
    """Numerator and denominator of every quantity for energies (..., n_modes) | kT."""
    modes, (lower, upper) = CASES[case]
    wavenumber, infrared, isotropic, anisotropic = np.array(modes, float).T
    centre = wavenumber - SHIFT_CM * energies
    a, b = (lower - centre) / SIGMA_CM, (upper - centre) / SIGMA_CM
    inside = energies * (ndtr(b) - ndtr(a))  # of a line of unit intensity
    moment = (centre - lower) * inside - energies * SIGMA_CM * (norm.pdf(b) - norm.pdf(a))
    area, iso, aniso = (inside @ weights for weights in (infrared, isotropic, anisotropic))
    found = {"area": (area, np.ones_like(area)), "centroid": (moment @ infrared, area)}
    if len(modes) > 1:  # one mode has one depolarisation ratio, whatever its energy
        found["depolarisation"] = (3 * aniso, 7 * iso + 4 * aniso)
    return found


def truths(case: str) -> dict[str, float]:
    """The quantities of the thermal mean, by Gauss–Laguerre quadrature of one mode's energy at a time."""
    nodes, weights = np.polynomial.laguerre.laggauss(60)
    parts: dict[str, Array] = {}
    for mode in range(len(CASES[case][0])):
        energies = np.zeros((len(nodes), len(CASES[case][0])))
        energies[:, mode] = nodes
        for name, (u, v) in contributions(case, energies).items():
            below = 1 / len(CASES[case][0]) if name == "area" else weights @ v  # of an area: 1, once
            parts[name] = parts.get(name, np.zeros(2)) + np.array([weights @ u, below])
    return {name: float(u / v) for name, (u, v) in parts.items()}


def draw(case: str, n_replicas: int, n_repeats: int, seed: int) -> dict[str, Pair]:
    """Thermal samples of `contributions`, (n_repeats, n_replicas)."""
    rng = np.random.default_rng(seed)
    return contributions(case, rng.exponential(size=(n_repeats, n_replicas, len(CASES[case][0]))))


def package(u: Array, v: Array) -> Pair:
    """Hall's transformation with the degrees of freedom of the sample variance."""
    estimate = ratio_of_means(u, v)
    return estimate.low, estimate.high


def hall(u: Array, v: Array) -> Pair:
    """Hall's transformation with n − 1 degrees of freedom."""
    estimate, n = ratio_of_means(u, v), u.shape[1]
    influence = u - estimate.value[:, None] * v
    skewness = (influence**3).mean(1) / influence.std(1) ** 3
    t = np.full(len(u), student_t.ppf(0.975, n - 1))
    low, high = (estimate.value - estimate.standard_error * unskewed(s * t, skewness, n) for s in (1, -1))
    return low, high


def student(u: Array, v: Array) -> Pair:
    estimate = ratio_of_means(u, v)
    half = student_t.ppf(0.975, u.shape[1] - 1) * estimate.standard_error
    return estimate.value - half, estimate.value + half


def log_t(u: Array, v: Array) -> Pair:
    estimate = ratio_of_means(u, v)
    half = student_t.ppf(0.975, u.shape[1] - 1) * estimate.standard_error / estimate.value
    return estimate.value * np.exp(-half), estimate.value * np.exp(half)


def resampled(u: Array, v: Array) -> Pair:
    """Estimates and standard errors of bootstrap samples of the replicas, (n_repeats, N_BOOTSTRAP)."""
    n = u.shape[1]
    counts = np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), N_BOOTSTRAP).T / n
    below = v @ counts
    value = u @ counts / below
    variance = (u * u) @ counts - 2 * value * ((u * v) @ counts) + value**2 * ((v * v) @ counts)
    return value, np.sqrt(np.maximum(variance / (n - 1), 1e-24 * below**2)) / below


def percentile(u: Array, v: Array) -> Pair:
    low, high = np.quantile(resampled(u, v)[0], [0.025, 0.975], axis=1)
    return low, high


def bca(u: Array, v: Array) -> Pair:
    """Bias-corrected and accelerated bootstrap; Efron 1987, doi:10.1080/01621459.1987.10478410."""
    values, estimate = np.sort(resampled(u, v)[0], axis=1), ratio_of_means(u, v).value[:, None]
    influence = u - estimate * v
    acceleration = (influence**3).sum(1) / (6 * (influence**2).sum(1) ** 1.5)
    shift = norm.ppf(np.clip((values < estimate).mean(1), 1 / N_BOOTSTRAP, 1 - 1 / N_BOOTSTRAP))
    ends = []
    for z in norm.ppf([0.025, 0.975]):
        rank = ndtr(shift + (shift + z) / (1 - acceleration * (shift + z))) * (N_BOOTSTRAP - 1)
        ends.append(np.take_along_axis(values, np.rint(rank).astype(int)[:, None], axis=1)[:, 0])
    return ends[0], ends[1]


def studentised(u: Array, v: Array) -> Pair:
    """Bootstrap-t."""
    estimate, (values, errors) = ratio_of_means(u, v), resampled(u, v)
    low, high = np.quantile((values - estimate.value[:, None]) / errors, [0.025, 0.975], axis=1)
    return estimate.value - high * estimate.standard_error, estimate.value - low * estimate.standard_error


METHODS: dict[str, Callable[[Array, Array], Pair]] = {
    "package": package, "hall": hall, "student": student, "log-t": log_t,
    "percentile": percentile, "BCa": bca, "bootstrap-t": studentised,
}  # fmt: skip


def coverage(method: str, samples: Pair, truth: float) -> float:
    """Share of the repeats whose interval holds the truth."""
    low, high = METHODS[method](*samples)
    return float(np.mean((low <= truth) & (truth <= high)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    repeats = parser.parse_args().repeats
    print(f"{'band':20}{'quantity':16}{'replicas':>8}" + "".join(f"{name:>13}" for name in METHODS))
    for n_replicas in (64, 16, 8):
        for case in CASES:
            samples, truth = draw(case, n_replicas, repeats, seed=0), truths(case)
            for quantity, pair in samples.items():
                shares = []
                for name in METHODS:
                    meant = name != "log-t" or quantity == "area"
                    shares.append(f"{coverage(name, pair, truth[quantity]):13.3f}" if meant else f"{'–':>13}")
                print(f"{case:20}{quantity:16}{n_replicas:8}" + "".join(shares))


if __name__ == "__main__":
    main()
