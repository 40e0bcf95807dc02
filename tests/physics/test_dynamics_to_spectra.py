"""Dynamics and spectra joined: a cold molecule's bands are those of its Hessian and its derivatives.

At 5 K the vibrations are harmonic: a band of mode m has the area A_m ⟨ω²Q_m²⟩/k_BT, A_m the harmonic
intensity. The bracket is exponential over replicas, mean 1. It is taken from the positions of the very run,
which leaves a per cent of error instead of the 4/√n of sampling theory; its mean is tested against that.
"""

import math
import shutil
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
import torch
from toy_potentials import GEOMETRIES, Toy, load_toy, write_inputs

from painn_spectra import keys
from painn_spectra.md import run
from painn_spectra.md.alignment import kabsch
from painn_spectra.settings.dynamics import DynamicsSettings, SpectraSettings
from painn_spectra.spectra.bands import band_centroid, band_integral
from painn_spectra.spectra.csv_files import read_spectrum
from painn_spectra.spectra.spectrum import compute_spectra

TEMPERATURE_K, N_REPLICAS = 5.0, 32
CHARGE, MASSES_AMU = 1.0, np.array([15.999, 2.014102, 1.008])  # HDO⁺: no symmetry, an ion's origin
SETTINGS = DynamicsSettings(
    n_replicas=N_REPLICAS, equilibration_ps=0.25, friction_per_ps=50.0, production_ps=2.2, rotation="removed"
)
K_B_EV_K, AMU_A2_FS2_EV, C_CM_FS = 8.617333262e-5, 103.642697, 2.99792458e-5  # not from units.py
KM_MOL = 42.2561 / 0.2081943**2  # 1 (e·Å/Å)²/amu
AREA_TOLERANCE, POSITION_TOLERANCE_CM = 0.025, 0.8


class Harmonic(NamedTuple):
    """The toy's minimum and its modes."""

    positions: np.ndarray  # (n_atoms, 3) | Å
    modes: np.ndarray  # (n_modes, n_atoms, 3) | amu^-½, ∂r/∂Q
    wavenumber_cm: np.ndarray  # (n_modes,)
    infrared: np.ndarray  # (n_modes,) | km/mol
    raman: np.ndarray  # (n_modes,) | Å⁴/amu


def harmonic() -> Harmonic:
    """By automatic differentiation of the toy in Cartesian coordinates."""
    toy = Toy("water", charge=CHARGE)
    numbers = torch.tensor([[8, 1, 1]])
    minimum = torch.tensor(GEOMETRIES["water"][1], dtype=torch.float64)  # springs at their lengths
    hessian = torch.autograd.functional.hessian(lambda r: toy.energy(r[None])[0], minimum).reshape(9, 9)
    root = np.repeat(np.sqrt(MASSES_AMU), 3)
    values, vectors = np.linalg.eigh(hessian.numpy() / np.outer(root, root))  # eV/(amu Å²)
    modes = (vectors / root[:, None]).T[6:].reshape(3, 3, 3)
    wavenumber = np.sqrt(values[6:] / AMU_A2_FS2_EV) / (2 * np.pi * C_CM_FS)
    slopes = {
        name: np.einsum(
            "...ax,max->m...",
            torch.autograd.functional.jacobian(
                lambda r, name=name: toy(numbers, r[None], (name,))[name][0], minimum
            ),
            modes,
        )
        for name in (keys.DIPOLE, keys.POLARIZABILITY)
    }
    # the toy's origin is the centre of the standard masses, a mode leaves that of its own masses at rest
    standard = np.array([15.999, 1.008, 1.008])
    slopes[keys.DIPOLE] += CHARGE * np.einsum("a,max->mx", standard / standard.sum(), modes)
    alpha = slopes[keys.POLARIZABILITY]
    beta2 = (np.trace(alpha, axis1=1, axis2=2) / 3) ** 2
    gamma2 = 1.5 * ((alpha**2).sum((1, 2)) - 3 * beta2)
    return Harmonic(
        minimum.numpy(),
        modes,
        wavenumber,
        KM_MOL * (slopes[keys.DIPOLE] ** 2).sum(1),
        45 * beta2 + 7 * gamma2,
    )


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cold")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "block_replicas", lambda *_: N_REPLICAS // 2)  # wide blocks cost the toy no time
        run.run_dynamics(
            *write_inputs(folder, "water", charge=CHARGE), folder / "trajectory.h5", folder / "dynamics.json",
            SETTINGS, "toy", "classical", TEMPERATURE_K, {1: MASSES_AMU[1]}, 1, load_toy,
        )  # fmt: skip
    return folder / "trajectory.h5"


def mode_energies(trajectory: Path, expected: Harmonic) -> np.ndarray:
    """ω²⟨Q²⟩/k_BT of every replica and mode, from the positions recorded now and then."""
    with h5py.File(trajectory) as file:
        frames = file[keys.SPARSE_POSITIONS][:].astype(float)  # (n_replicas, n_sparse, 3, 3) | Å
    minimum = expected.positions - MASSES_AMU @ expected.positions / MASSES_AMU.sum()
    q = np.empty((*frames.shape[:2], 3))  # √amu Å
    for place in np.ndindex(frames.shape[:2]):
        moved = kabsch(minimum, frames[place]) - minimum
        q[place] = np.einsum("max,a,ax->m", expected.modes, MASSES_AMU, moved)
    omega = 2 * np.pi * C_CM_FS * expected.wavenumber_cm
    return omega**2 * (q**2).mean(1) * AMU_A2_FS2_EV / (K_B_EV_K * TEMPERATURE_K)


def deviations(trajectory: Path, folder: Path) -> tuple[float, float]:
    """Largest relative error of a band's area and largest error of its position, cm⁻¹."""
    expected = harmonic()
    outputs = [folder / name for name in ("ir.csv", "raman.csv", "bands.csv", "replicas.npz")]
    # set against the energies that the modes had in this run: nothing may be adjusted for them
    compute_spectra(trajectory, *outputs, SpectraSettings(fwhm_cm=20.0, control_variates=False))
    _, ir = read_spectrum(outputs[0])
    _, raman = read_spectrum(outputs[1])
    nu, share = ir["wavenumber_cm-1"], mode_energies(trajectory, expected).mean(0)
    areas, positions = [], []
    for density, intensity in (
        (ir["ir_km_mol-1_per_cm-1"], expected.infrared),
        (raman["activity_A4_amu-1_per_cm-1"], expected.raman),
    ):
        for mode, centre in enumerate(expected.wavenumber_cm):
            area = band_integral(nu, density[None], centre - 150, centre + 150).value
            centroid = band_centroid(nu, density[None], centre - 60, centre + 60).value
            areas.append(area / (intensity[mode] * share[mode]) - 1)
            positions.append(centroid - centre)
    return float(np.abs(areas).max()), float(np.abs(positions).max())


def test_bands_are_those_of_the_hessian(trajectory: Path, tmp_path: Path) -> None:
    area, position_cm = deviations(trajectory, tmp_path)
    assert area < AREA_TOLERANCE
    assert position_cm < POSITION_TOLERANCE_CM


@pytest.mark.physics
def test_modes_are_thermal(trajectory: Path) -> None:
    """Energies of a mode are exponential: ⟨E⟩ = k_BT, standard deviation k_BT."""
    energies = mode_energies(trajectory, harmonic())
    assert np.abs(energies.mean(0) - 1).max() < 4 / math.sqrt(N_REPLICAS)
    assert abs(energies.mean() - 1) < 4 / math.sqrt(energies.size)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("sample_interval_fs", 1.02),
        ("integrator_timestep_fs", 0.5),
        ("temperature_K", 1.1),
        (keys.DIPOLE, 1 / 0.2081943),
        (keys.POLARIZABILITY, 1 / 0.1481847),
        (keys.SPARSE_POSITIONS, 1.05),
    ],
)
def test_a_slip_in_the_file_shows(trajectory: Path, tmp_path: Path, name: str, factor: float) -> None:
    """What the comparison above is worth: it fails for each number that could be wrong in trajectory.h5."""
    spoilt = Path(shutil.copy(trajectory, tmp_path / "spoilt.h5"))
    with h5py.File(spoilt, "a") as file:
        if name in file:
            file[name][...] *= factor
        else:
            file.attrs[name] *= factor
    area, position_cm = deviations(spoilt, tmp_path)
    assert area > AREA_TOLERANCE or position_cm > POSITION_TOLERANCE_CM
