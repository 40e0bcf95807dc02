"""What each method makes of the stretch of a rotating O–H bond whose levels are known.

Exact 3694 cm⁻¹; classical nuclei leave it near the harmonic 3877, ring polymers come nearer, each in its way.
O–D on the same curve: exact 2726.
Tolerances are those of sampling; the deviations belong to the methods and are told by docs/quantum.md.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import write
from toy_potentials import Hydroxyl, load_hydroxyl

from painn_spectra import keys
from painn_spectra.config import load_config
from painn_spectra.md.integrators import evaluate
from painn_spectra.md.mechanics import mechanics
from painn_spectra.md.workers import single_thread
from painn_spectra.model.fastest import fastest
from painn_spectra.model.total import load_total
from painn_spectra.plan import stage_settings
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.stages import TrainStage
from painn_spectra.tepigs.centroids import sample_centroids
from painn_spectra.train import train_model
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K, EV_CM, HBAR_EV_FS

TEMPERATURE_K = 300.0
HYDROGEN, DEUTERIUM = Hydroxyl.masses_amu, (Hydroxyl.masses_amu[0], 2.014102)
WINDOWS_CM = {HYDROGEN: (3200.0, 4300.0), DEUTERIUM: (2330.0, 3130.0)}
N_REPLICAS = 48


def exact_centroid(masses: tuple[float, float] = HYDROGEN) -> tuple[float, float]:
    """Wavenumber of 1–0 without rotation, and the mean over the Q branch of the bond length at 300 K, cm⁻¹.

    Levels of −ħ²/2μ d²/dr² + J(J+1)ħ²/2μr² + V on a sinc grid; lines ΔJ = 0 with the moments of r.
    """
    toy = Hydroxyl()
    reduced = masses[0] * masses[1] / sum(masses) * AMU_A2_FS2_IN_EV
    n = 220
    r = np.linspace(0.45, 2.4, n)
    h, i = r[1] - r[0], np.arange(n)
    square = (i[:, None] - i) ** 2 + np.eye(n)
    k = HBAR_EV_FS**2 / (2 * reduced)
    kinetic = k / h**2 * np.where(np.eye(n) == 1, math.pi**2 / 3, 2 * (-1.0) ** (i[:, None] - i) / square)
    well = toy.morse(torch.as_tensor(r)).numpy()
    lines = []
    for j in range(24):
        levels, v = np.linalg.eigh(kinetic + np.diag(well + k * j * (j + 1) / r**2))
        population = (2 * j + 1) * math.exp(-levels[0] / (BOLTZMANN_EV_K * TEMPERATURE_K))
        nu = (levels[1] - levels[0]) * EV_CM
        lines.append((nu, population * nu * (v[:, 0] * r * v[:, 1]).sum() ** 2))
    nu, weight = np.array(lines).T
    return float(nu[0]), float((nu * weight).sum() / weight.sum())


@single_thread()
def band(
    kind: str, potential: torch.nn.Module, seed: int = 0, amu: tuple[float, float] = HYDROGEN
) -> tuple[float, float, float]:
    """Centroid of the stretch in the bond length (isotropic Raman: no P and R branches), its standard error
    over replicas, and the width at half height, cm⁻¹."""
    settings = DynamicsSettings(timestep_fs=0.5, friction_per_ps=20.0, seed=seed)
    motion = mechanics(kind, settings, TEMPERATURE_K)
    masses = torch.tensor(amu, dtype=torch.float64)[:, None]
    start = torch.zeros(N_REPLICAS, 2, 3, dtype=torch.float64)
    start[:, 1, 0] = 0.98
    state = motion.initial_state(tuple(range(N_REPLICAS)), torch.tensor([8, 1]), masses, start)
    evaluate(state, potential)
    motion.set_thermal_velocities(state)
    for _ in range(1200):
        motion.equilibrate(state, potential)
    motion.begin_production(state, linear=True)
    lengths = []
    for step in range(3600):
        wanted = (keys.ENERGY, keys.FORCES, keys.POLARIZABILITY) if step % 2 else (keys.ENERGY, keys.FORCES)
        out = motion.step(state, potential, wanted)
        if step % 2:
            lengths.append(out[keys.POLARIZABILITY][:, 0, 0].double().numpy())
    series = np.stack(lengths, axis=1)[:, :, None]  # (n_replicas, n_samples, 1)
    estimator = Estimator(1.0, 0.5, 20.0, *WINDOWS_CM[amu])
    density = np.array([estimator.power_density(x) for x in series])
    nu = estimator.wavenumber_cm
    means = (density * nu).mean(0).sum() / density.mean(0).sum()
    residual = (density * (nu - means)).sum(1) / density.mean(0).sum()
    mean = density.mean(0)
    high = nu[mean > mean.max() / 2]
    return float(means), float(residual.std(ddof=1) / math.sqrt(len(density))), float(high[-1] - high[0])


def told(kind: str, position: float, error: float, width: float, exact: float) -> str:
    return f"{kind}: {position:.0f} ± {error:.0f} cm-1, {position - exact:+.0f} from exact, width {width:.0f}"


def test_exact_levels() -> None:
    """The Morse formula ω − 2ωx, and the band's mean beside it."""
    origin, centroid = exact_centroid()
    assert origin == pytest.approx(3877 - 2 * 3877**2 / (4 * 5.1 * EV_CM), abs=0.5)
    assert abs(centroid - origin) < 20


@pytest.mark.parametrize(
    ("kind", "expected_cm", "widest_cm"),
    [("classical", 3853.0, 130.0), ("rpmd32", 3760.0, 200.0), ("trpmd32", 3725.0, 260.0)],
)
def test_methods_have_their_known_errors(kind: str, expected_cm: float, widest_cm: float) -> None:
    _, origin = exact_centroid()
    position, error, width = band(kind, Hydroxyl())
    print(told(kind, position, error, width, origin))
    assert error < 8
    assert abs(position - expected_cm) < 15 + 3 * error
    assert width < widest_cm


@pytest.mark.parametrize(("masses", "temperature_K"), [(HYDROGEN, 500.0), (DEUTERIUM, 400.0)])
def test_te_pigs_keeps_the_stretch_where_it_belongs(
    tmp_path: Path, masses: tuple[float, float], temperature_K: float
) -> None:
    """PIMD, a small PaiNN of the difference by the usual trainer, classical dynamics on the sum.

    What is as quantum-mechanical at a lower temperature is heavier by its square: 500 K for H, 354 K for D.
    """
    model, dataset = tmp_path / "model.json", tmp_path / "frames.extxyz"
    model.write_text("{}")
    rng = np.random.default_rng(0)
    frames = [Atoms("OH", [[0, 0, 0], [0.97 + 0.05 * rng.standard_normal(), 0, 0]]) for _ in range(8)]
    write(dataset, frames, format="extxyz")
    tepigs = {
        "n_frames": 1600,
        "n_replicas": 8,
        "interval_fs": 4.0,
        "epochs": 24,
        "temperature_K": temperature_K,
    }
    config = load_config({"molecules": [{"name": "OH"}], "dynamics": ["tepigs"], "tepigs": tepigs})
    centroids, split = tmp_path / "centroids.extxyz", tmp_path / "split.json"
    isotopes = dict(enumerate(masses))
    sample_centroids(model, dataset, centroids, split, config.tepigs, isotopes, load=load_hydroxyl)
    learning = TrainStage.model_validate_json(stage_settings(config, "train-correction", "OH", 0, "tepigs"))
    correction = tmp_path / "correction.pt"
    train_model(centroids, split, correction, tmp_path / "metrics.jsonl", learning.train, learning.model)
    total = fastest(load_total(model, correction=correction, load=load_hydroxyl))
    _, origin = exact_centroid(masses)
    position, error, width = band("classical", total, amu=masses)
    print(told("Te PIGS", position, error, width, origin))
    assert error < 8
    assert abs(position - origin) < 20 + 3 * error
    assert width < 130
