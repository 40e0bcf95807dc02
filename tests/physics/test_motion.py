"""Vibration and rotation told apart; half-step velocities count the modes."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.normal_modes import normal_modes
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra.analysis import analyse
from painn_spectra.spectra.bands import band_centroid, band_integral
from painn_spectra.spectra.correlation import Estimator, true_wavenumber
from painn_spectra.spectra.csv_files import read_spectrum, read_table
from painn_spectra.spectra.molecule_frame import internal_motion
from painn_spectra.spectra.power import atom_weights, mode_density
from painn_spectra.spectra.series import Sampling, series_of_arrays
from painn_spectra.spectra.spectrum import compute_spectra
from painn_spectra.units import ACCELERATION_A_FS2, AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K, LIGHT_CM_FS

T, STEP, N = 300.0, 0.5, 8000
MASSES = np.array([15.999, 1.008, 2.014])
REFERENCE = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])  # Å, as HOD
REFERENCE = REFERENCE - MASSES @ REFERENCE / MASSES.sum()
ROTATION_CM = 15.0  # cm⁻¹, about one axis: P and R branch 30 apart
ROOT = np.repeat(np.sqrt(MASSES), 3)


def modes():
    """Three modes of chosen wavenumbers on the reference geometry, by building the Hessian from them."""
    r = REFERENCE
    rigid = [np.sqrt(MASSES)[:, None] * np.eye(3)[k] for k in range(3)]
    rigid += [np.sqrt(MASSES)[:, None] * np.cross(np.eye(3)[k], r) for k in range(3)]
    basis = np.linalg.svd(np.reshape(rigid, (6, 9)).T)[0][:, 6:]  # (9, 3)
    return np.array([1400.0, 2700.0, 3700.0]), basis.T.reshape(3, 3, 3)


def rotating_molecule():
    """Positions, half-step velocities and dipole and polarizability of the rotating, vibrating molecule."""
    nu, shapes = modes()
    omega = 2 * np.pi * LIGHT_CM_FS * nu
    kT = BOLTZMANN_EV_K * T / AMU_A2_FS2_IN_EV
    phases = np.array([0.3, 1.9, 4.0])
    spin = 2 * np.pi * LIGHT_CM_FS * ROTATION_CM
    axis = np.array([0.48, 0.6, 0.64])

    def at(t):
        q = np.sqrt(2 * kT) / omega * np.cos(omega * t[:, None] + phases)  # (n, 3) | √amu Å
        inner = REFERENCE + np.einsum("nk,kix->nix", q, shapes) / np.sqrt(MASSES)[:, None]
        return Rotation.from_rotvec(spin * t[:, None] * axis).as_matrix(), inner, q

    t = np.arange(N) * STEP
    turn, inner, q = at(t)
    positions = np.einsum("nxy,niy->nix", turn, inner)
    ahead, behind = (np.einsum("nxy,niy->nix", *at(t + s)[:2]) for s in (STEP / 2 + 1e-3, STEP / 2 - 1e-3))
    velocities = (ahead - behind) / 2e-3
    dipole = np.einsum("nxy,ny->nx", turn, q @ np.diag([0.1, 0.2, 0.15]))
    alpha = np.einsum("nk,kxy->nxy", q, np.array([np.diag(d) for d in ([1.0, -1, 0], [2, 1, 1], [0, 1, -1])]))
    alpha = turn @ alpha @ turn.transpose(0, 2, 1)
    return positions, velocities, dipole, alpha


@pytest.fixture(scope="module")
def molecule():
    positions, velocities, dipole, alpha = rotating_molecule()
    return {
        keys.SPARSE_POSITIONS: positions[None], keys.HALF_STEP_VELOCITIES: velocities[None],
        keys.DIPOLE: dipole[None], keys.POLARIZABILITY: alpha[None],
    }  # fmt: skip


def series(arrays, masses=MASSES):
    return series_of_arrays(Path("x.npz"), Sampling(STEP, T, None), arrays, masses)


@pytest.fixture(scope="module")
def kept(molecule):
    return analyse(series(molecule), SpectraSettings(fwhm_cm=10.0))


@pytest.fixture(scope="module")
def removed(molecule):
    return analyse(series(molecule), SpectraSettings(fwhm_cm=10.0, rotation="removed"))


def lines(nu, density, n=4):
    """Wavenumbers of the n highest maxima, ascending."""
    inner = density[1:-1]
    peaks = np.flatnonzero((inner > density[:-2]) & (inner >= density[2:])) + 1
    return np.sort(nu[peaks[np.argsort(density[peaks])[::-1][:n]]])


def test_eckart_frame_takes_the_branches_off(kept, removed):
    """A dipole across the axis shows ν̃ ± the rotation; in the molecule's frame ν̃ alone, of the same area."""
    nu0, _ = modes()
    for centre in nu0:
        near = np.abs(kept.wavenumber_cm - centre) < 60
        grid = kept.wavenumber_cm[near]
        outer = lines(grid, kept.infrared[0][near], 2)
        assert outer[1] - outer[0] >= ROTATION_CM  # two of P, Q and R
        density = removed.infrared[:, near]
        assert lines(grid, density[0], 1)[0] == pytest.approx(centre, abs=1.0)
        assert band_centroid(grid, density, centre - 40, centre + 40)[0] == pytest.approx(centre, abs=0.5)
        half = grid[density[0] > density[0].max() / 2]
        assert half[-1] - half[0] <= 11.0
        areas = [
            band_integral(s.wavenumber_cm, s.infrared, centre - 120, centre + 120)[0] for s in (kept, removed)
        ]
        assert areas[1] == pytest.approx(areas[0], rel=0.02)
        parts = [s.isotropic + s.anisotropic for s in (kept, removed)]
        raman = [band_integral(kept.wavenumber_cm, part, centre - 150, centre + 150)[0] for part in parts]
        assert raman[1] == pytest.approx(raman[0], rel=0.02)
    np.testing.assert_array_equal(kept.eckart_infrared, removed.infrared)


def test_rotation_cannot_be_removed_without_positions_masses_or_bends(molecule):
    settings = SpectraSettings(rotation="removed")
    still = {name: molecule[name] for name in (keys.DIPOLE, keys.POLARIZABILITY)}
    straight = np.broadcast_to(np.array([[-1.0, 0, 0], [0, 0, 0], [1, 0, 0]]), (1, N, 3, 3))
    for arrays, masses, words in (
        (still, MASSES, "needs positions"),
        (molecule, None, "needs masses"),
        ({**molecule, keys.SPARSE_POSITIONS: straight}, MASSES, "linear"),
    ):
        with pytest.raises(InputError, match=words):
            analyse(series(arrays, masses), settings)


def test_power_spectrum_counts_the_modes(kept, removed):
    """Three vibrations with kT each, wherever they are; the rotation is beside them unless removed."""
    for spectra in (removed, kept):
        grid = spectra.power_wavenumber_cm
        for centre in modes()[0]:
            area, *_ = band_integral(grid, spectra.power, centre - 200, centre + 200)
            assert area == pytest.approx(1.0, rel=0.02)
    spacing = grid[1] - grid[0]

    def low(spectra):
        return spectra.power[0, grid < 300].sum() * spacing

    assert low(removed) < 0.01
    assert low(kept) > 0.02


@pytest.mark.parametrize("timestep_fs", [0.5, 1.0])
def test_half_step_velocities_count_modes_where_on_step_ones_fall_short(timestep_fs):
    """Velocity Verlet of harmonic modes with the energy ½v(t+Δt/2)² thermal: one mode each, position true."""
    rng, nu = np.random.default_rng(0), np.array([900.0, 2000.0, 3100.0, 3700.0])
    omega, kT = 2 * np.pi * LIGHT_CM_FS * nu, BOLTZMANN_EV_K * T / AMU_A2_FS2_IN_EV
    q, v = np.zeros(4), np.sqrt(2 * kT) * np.ones(4)  # half-step velocities of amplitude √2kT: ⟨v²⟩ = kT
    v = v / np.cos(np.arcsin(omega * timestep_fs / 2)) * np.sign(rng.normal(size=4))
    v = v * (1 - (omega * timestep_fs / 2) ** 2)  # on-step amplitude is less by cos(ω'Δt/2)
    half, on = [], []
    for _ in range(int(6000 / timestep_fs)):
        middle = v - 0.5 * timestep_fs * omega**2 * q
        half.append(middle)
        on.append(v)
        q = q + timestep_fs * middle
        v = middle - 0.5 * timestep_fs * omega**2 * q
    estimator = Estimator(timestep_fs, timestep_fs, 10.0, 0.0, 4500.0)
    density = mode_density(np.array(half), np.eye(4), T, estimator)
    short = mode_density(np.array(on), np.eye(4), T, estimator)
    for k, centre in enumerate(nu):
        area, *_ = band_integral(estimator.wavenumber_cm, density[k : k + 1], centre - 300, centre + 300)
        assert area == pytest.approx(1.0, rel=0.01)
        where, *_ = band_centroid(estimator.wavenumber_cm, density[k : k + 1], centre - 60, centre + 60)
        assert where == pytest.approx(centre, abs=0.5)
    area, *_ = band_integral(estimator.wavenumber_cm, short[3:], 3400.0, 4000.0)
    assert area == pytest.approx(1 - (omega[3] * timestep_fs / 2) ** 2, rel=0.01)  # 0.97 at 0.5 fs


def test_atoms_share_the_power():
    velocities = np.random.default_rng(1).normal(size=(4000, 9)) * 1e-3
    estimator = Estimator(1.0, 1.0, 20.0, 0.0, 4000.0)
    shares = mode_density(velocities, atom_weights(MASSES), T, estimator)
    whole = mode_density(velocities, np.repeat(MASSES, 3), T, estimator)
    np.testing.assert_allclose(shares.sum(0), whole, rtol=1e-10)


def test_internal_velocities_are_those_of_the_vibration(molecule):
    """In the frame of the reference they are the closed form's, and carry no angular momentum about r⁰."""
    _, shapes = modes()
    positions, velocities = (
        molecule[keys.SPARSE_POSITIONS][0, :200],
        molecule[keys.HALF_STEP_VELOCITIES][0, :200],
    )
    _, inner = internal_motion(positions, velocities, REFERENCE, MASSES, STEP)
    rates = np.einsum("kix,nix,i->nk", shapes, inner, np.sqrt(MASSES))  # q̇
    omega = 2 * np.pi * LIGHT_CM_FS * modes()[0]
    kT = BOLTZMANN_EV_K * T / AMU_A2_FS2_IN_EV
    t = (np.arange(200) + 0.5)[:, None] * STEP
    expected = -np.sqrt(2 * kT) * np.sin(omega * t + np.array([0.3, 1.9, 4.0]))
    np.testing.assert_allclose(rates, expected, atol=0.01 * np.sqrt(2 * kT))
    about = np.cross(REFERENCE, MASSES[:, None] * inner).sum(1)
    assert np.abs(about).max() < 1e-12


def write_h5(path, molecule, **attributes):
    with h5py.File(path, "w") as file:
        for name, array in molecule.items():
            file[name] = array.astype(np.float32)
        file.attrs.update({
            "format_version": keys.TRAJECTORY_VERSION, "molecule": "HOD", "dynamics": "classical",
            "temperature_K": T, "integrator_timestep_fs": STEP, "sample_interval_fs": STEP,
            "sparse_stride": 1, "numbers": [8, 1, 1], "masses_amu": MASSES, **attributes,
        })  # fmt: skip
    return path


def test_stage_writes_power_and_band_origins(molecule, tmp_path):
    path = write_h5(tmp_path / "t.h5", molecule)
    names = ("ir.csv", "raman.csv", "bands.csv", "replicas.npz")
    compute_spectra(path, *(tmp_path / n for n in names), SpectraSettings(fwhm_cm=20.0))
    metadata, power = read_spectrum(tmp_path / "power.csv")
    assert power["wavenumber_cm-1"][0] == 0
    assert metadata["unit"] == "modes per cm-1"
    assert 3.0 < float(metadata["integral_modes"]) < 3.6
    _, rows = read_table(tmp_path / "bands.csv")
    origins = [float(row["eckart_origin_cm-1"]) for row in rows if row["spectrum"] == "ir"]
    for centre in modes()[0]:
        true = true_wavenumber(centre, STEP)  # the stage takes the closed form for velocity Verlet
        assert min(abs(origin - true) for origin in origins) < 0.5


def test_harmonic_modes_of_the_built_hessian_are_these():
    """The shapes used here are normal modes: the test's own footing."""
    nu, shapes = modes()
    flat = shapes.reshape(3, 9)
    values = (2 * np.pi * LIGHT_CM_FS * nu) ** 2 / ACCELERATION_A_FS2
    hessian = (flat.T * values) @ flat * np.outer(ROOT, ROOT)
    found, _ = normal_modes(hessian, REFERENCE, MASSES)
    np.testing.assert_allclose(found, nu, rtol=1e-9)
