"""Where replicas start: conformers, mirror images, their weights and shares."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from dynamics_runs import run
from scipy.spatial.transform import Rotation
from toy_potentials import GEOMETRIES, Toy

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.md.alignment import matching_orders
from painn_spectra.md.limits import check_fastest_vibration
from painn_spectra.md.minima import hessian, surface
from painn_spectra.md.segments import PER_SAMPLE, join, write_segment
from painn_spectra.md.starts import diverse, share
from painn_spectra.md.state import State
from painn_spectra.normal_modes import normal_modes
from painn_spectra.populations import classical_weights
from painn_spectra.relaxation import relax
from painn_spectra.settings.dynamics import DynamicsSettings
from painn_spectra.units import BOLTZMANN_EV_K


def test_highest_mode_of_any_conformer_counts() -> None:
    conformers = [{"wavenumbers_cm": [300.0, 3000.0]}, {"wavenumbers_cm": [200.0, 3700.0]}]
    check_fastest_vibration(DynamicsSettings(record_interval_steps=4), conformers[:1])
    check_fastest_vibration(DynamicsSettings(record_interval_steps=4), conformers)
    with pytest.raises(InputError, match=r"3700 cm-1, .* use at most 4"):
        check_fastest_vibration(DynamicsSettings(record_interval_steps=5), conformers)
    check_fastest_vibration(DynamicsSettings(record_interval_steps=6), conformers[:1])


def test_mirror_images_are_two_conformers(tmp_path: Path, peroxide: tuple[Path, Path]) -> None:
    run(tmp_path, peroxide, n_replicas=4)
    starts = json.loads((tmp_path / "trajectory.h5.parts/starts.json").read_text())
    energies = [conformer["energy_eV"] for conformer in starts["conformers"]]
    assert len(energies) == 2 and energies[0] == pytest.approx(energies[1], abs=1e-9)
    assert [conformer["weight"] for conformer in starts["conformers"]] == pytest.approx([0.5, 0.5])
    assert sorted(starts["replicas"]) == [0, 0, 1, 1]
    for conformer in starts["conformers"]:  # minimum of a cos φ + b cos 2φ, softened by nothing
        r = np.array(conformer["positions"])
        one, other = (np.cross(r[h] - r[o], r[1] - r[0]) for h, o in ((2, 0), (3, 1)))
        cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        assert cosine == pytest.approx(-0.045 / 0.12, abs=0.02)


def test_matching_knows_turns_exchanges_and_mirrors() -> None:
    rng = np.random.default_rng(0)
    kinds = np.array([6, 1, 1, 9, 17])
    chiral = rng.standard_normal((5, 3)) * 1.5
    turned = chiral @ Rotation.random(rng=rng).as_matrix() + 3.0
    assert matching_orders(chiral, turned[[0, 2, 1, 3, 4]], kinds) == {(0, 2, 1, 3, 4)}
    assert matching_orders(chiral, -turned, kinds) == set()
    methane = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.63
    assert len(matching_orders(methane, methane, np.array([6, 1, 1, 1, 1]))) == 12
    assert len(matching_orders(methane, methane, np.array([6, 1, 1, 1, 2]))) == 3


def toy_minimum(name: str) -> tuple[Any, np.ndarray, np.ndarray]:
    numbers = {"O": 8, "C": 6, "H": 1}
    symbols = {"water": "OHH", "carbon dioxide": "COO", "peroxide": "OOHH"}[name]
    on = surface(Toy(name), np.array([numbers[symbol] for symbol in symbols]))
    rng = np.random.default_rng(3)
    shaken = np.array(GEOMETRIES[name][1]) + 0.05 * rng.standard_normal((6, len(symbols), 3))
    relaxed, _, converged = relax(on, shaken)
    assert converged.all()
    masses = np.array([{"O": 15.999, "C": 12.011, "H": 1.008}[symbol] for symbol in symbols])
    return on, relaxed, masses


def test_harmonic_modes_of_a_linear_molecule() -> None:
    """Closed form: (antisymmetric/symmetric)² = (1 + 2 m_O/m_C) k/(k + 2 k'), k' the O–O spring."""
    on, relaxed, masses = toy_minimum("carbon dioxide")
    for geometry in relaxed:
        nu = normal_modes(hessian(on, geometry), geometry, masses)[0]
        assert len(nu) == 4 and nu[0] == pytest.approx(nu[1], rel=1e-4)
        ratio = np.sqrt((1 + 2 * 15.999 / 12.011) * 40.0 / (40.0 + 2 * 10.0))
        assert nu[3] / nu[2] == pytest.approx(ratio, rel=1e-4)


def test_weights_do_not_depend_on_masses() -> None:
    """Classical populations belong to the potential alone; without the moments of inertia they would not."""
    on, relaxed, masses = toy_minimum("peroxide")
    stretched = np.stack([relaxed[0], relaxed[0]])
    softer = [hessian(on, relaxed[0]), hessian(on, relaxed[0]) * 0.8]
    weights = []
    for heavy in (1.0, 2.0):
        m = masses * np.array([1, 1, heavy, 1])
        modes = [normal_modes(h, relaxed[0], m)[0] for h in softer]
        weights.append(classical_weights(stretched, np.zeros(2), modes, [1, 1], m, 300.0))
    assert weights[0] == pytest.approx(weights[1])
    assert weights[0][1] / weights[0][0] == pytest.approx(0.8 ** (-6 / 2))
    two = classical_weights(stretched, np.array([0, BOLTZMANN_EV_K * 300]), [modes[0]] * 2, [2, 1], m, 300.0)
    assert two[1] / two[0] == pytest.approx(2 / np.e)


def test_shares_follow_weights() -> None:
    for seed in range(20):
        counts = np.bincount(share(np.array([0.38, 0.31, 0.31]), 16, seed), minlength=3)
        assert counts.sum() == 16 and np.abs(counts - 16 * np.array([0.38, 0.31, 0.31])).max() < 1


def test_diverse_frames_are_far_apart() -> None:
    frames = np.zeros((60, 3, 3))
    frames[:, 1, 0], frames[:, 2, 1] = 1.0, np.repeat([1.0, 2.0, 3.0], 20)
    frames += 0.01 * np.random.default_rng(0).standard_normal(frames.shape)
    assert sorted(i // 20 for i in diverse(frames, 3)) == [0, 1, 2]


def test_starts_of_many_conformers_fit_into_the_trajectory(tmp_path: Path) -> None:
    """HDF5's older attributes end at 64 KiB."""
    state = State((0,), *(torch.zeros(1) for _ in range(6)))
    samples = {name: np.zeros((1, 1)) for name in (*PER_SAMPLE, keys.SPARSE_POSITIONS)}
    write_segment(tmp_path / "0-0/000001.h5", state, samples, 0, 0.0)
    join(tmp_path / "trajectory.h5", [tmp_path / "0-0"], 1, 1, {"starts": "x" * 200_000})
    with h5py.File(tmp_path / "trajectory.h5") as file:
        assert len(file.attrs["starts"]) == 200_000
