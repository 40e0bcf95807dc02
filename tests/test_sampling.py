"""Conformers, and geometries to label: counts known from chemistry, amplitudes known in closed form."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.data import atomic_masses
from ase.io import read, write
from toy_potentials import load_toy, write_inputs

from painn_spectra.errors import InputError
from painn_spectra.md.alignment import matching_orders
from painn_spectra.md.bonds import bonds
from painn_spectra.molecules import read_structure
from painn_spectra.reference import xtb
from painn_spectra.sampling import output
from painn_spectra.sampling.conformers import conformers, embedded, find_conformers
from painn_spectra.sampling.displacements import amplitudes, thermal_displacements
from painn_spectra.sampling.first_set import sample_geometries
from painn_spectra.sampling.model_batch import sample_model
from painn_spectra.sampling.output import Group, write_selection
from painn_spectra.sampling.parts import scatter
from painn_spectra.sampling.screening import check_losses, distinct, fingerprints, intact, interleaved
from painn_spectra.sampling.surfaces import mmff_surface
from painn_spectra.settings.training import SamplingSettings
from painn_spectra.units import ACCELERATION_A_FS2, BOLTZMANN_EV_K, LIGHT_CM_FS

needs_xtb = pytest.mark.skipif(not xtb.available(), reason="tblite has no wheel for this platform")
FEW = SamplingSettings(n_embeddings=12)


@needs_xtb
@pytest.mark.parametrize(
    ("smiles", "n_conformers"),
    [("O", 1), ("CO", 1), ("CCO", 3), ("CCCC", 3), ("C[C@H](F)Cl", 1)],
)
def test_conformers_are_those_that_chemistry_counts(smiles, n_conformers):
    """Ethanol and butane: anti and two mirror images gauche; with a stereo centre: no mirror image."""
    found, method = conformers(read_structure(smiles), 0, 1, FEW)
    assert (len(found), method) == (n_conformers, "GFN2-xTB")
    assert sum(conformer["weight"] for conformer in found) == pytest.approx(1)
    if n_conformers > 1:  # the last two are mirror images: the same only after reflection
        kinds = read_structure(smiles).numbers
        one, two = (np.array(conformer["positions"]) for conformer in found[-2:])
        if found[-1]["energy_eV"] - found[-2]["energy_eV"] > 1e-4:
            one, two = (np.array(conformer["positions"]) for conformer in found[:2])
        assert not matching_orders(one, two, kinds, only_one=True)
        assert matching_orders(one, -two, kinds, only_one=True)


@needs_xtb
def test_conformers_of_a_file_keep_its_order_and_are_the_same_for_a_seed(tmp_path):
    order = [8, 2, 0, 5, 1, 3, 4, 6, 7]
    write(tmp_path / "mixed.xyz", molecule("CH3CH2OH")[order])
    for name in ("one", "two"):
        find_conformers(tmp_path / f"{name}.extxyz", str(tmp_path / "mixed.xyz"), 0, 1, FEW)
    assert (tmp_path / "one.extxyz").read_bytes() == (tmp_path / "two.extxyz").read_bytes()
    frames = read(tmp_path / "one.extxyz", index=":")
    assert len(frames) == 3
    assert all(frame.numbers.tolist() == molecule("CH3CH2OH").numbers[order].tolist() for frame in frames)
    energies = [frame.info["relative_energy_eV"] for frame in frames]
    assert energies[0] == 0 and energies == sorted(energies)


def test_without_tblite_conformers_are_those_of_mmff(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(xtb, "available", lambda: False)
    find_conformers(tmp_path / "c.extxyz", "CCO", 0, 1, FEW)
    assert "tblite is not installed" in capsys.readouterr().err
    assert {frame.info["method"] for frame in read(tmp_path / "c.extxyz", index=":")} == {"MMFF94"}
    assert len(read(tmp_path / "c.extxyz", index=":")) == 3


def test_mmff_forces_are_the_gradient():
    """RDKit keeps the distances of the last energy: gradients asked for later belong to another geometry."""
    structure = read_structure("CCO")
    geometries, surface = embedded(structure, FEW)
    assert surface is not None and mmff_surface(structure.graph) is not None
    geometries = geometries[:2] + np.random.default_rng(0).normal(scale=0.05, size=geometries[:2].shape)
    _, forces = surface(geometries)
    for k in range(2):
        step = np.zeros_like(geometries[k])
        step[1, 2] = 1e-4
        plus, minus = surface(np.array([geometries[k] + step, geometries[k] - step]))[0]
        assert (minus - plus) / 2e-4 == pytest.approx(forces[k, 1, 2], abs=1e-4)


@pytest.mark.physics
@pytest.mark.parametrize("temperature_K", [100.0, 2000.0])
def test_displacements_of_a_diatomic_are_thermal(temperature_K):
    """⟨(r − r₀)²⟩ = ħ/(2 μ ω) coth(ħω/2kT) for a spring; its k is 30 eV/Å², N = 4000, five sigma."""
    k_eV_A2, n = 30.0, 4000
    masses = atomic_masses[[6, 8]]
    positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.13]])
    block = np.diag([0.0, 0.0, k_eV_A2])
    hessian = np.block([[block, -block], [-block, block]])
    frames = thermal_displacements(hessian, positions, masses, temperature_K, n, np.random.default_rng(0))
    stretch = frames[:, 1, 2] - frames[:, 0, 2] - 1.13
    reduced = masses.prod() / masses.sum()
    omega = np.sqrt(k_eV_A2 / reduced * ACCELERATION_A_FS2)  # 1/fs
    hbar_eV_fs = 0.6582119569  # CODATA
    x = hbar_eV_fs * omega / (2 * BOLTZMANN_EV_K * temperature_K)
    expected = hbar_eV_fs * omega / (2 * k_eV_A2) / np.tanh(x)
    assert np.mean(stretch**2) == pytest.approx(expected, rel=5 * np.sqrt(2 / n))
    assert np.abs(frames[:, :, :2]).max() < 1e-9  # no rotation
    np.testing.assert_allclose(np.einsum("a,fax->fx", masses, frames - positions), 0, atol=1e-9)  # nor shift


@pytest.mark.physics
def test_amplitudes_have_both_limits():
    """k_B T/ω² when hot, ħ/2ω (here from 16.857629 amu Å² cm⁻¹ = ħ/4πc) when cold."""
    omega = 2 * np.pi * LIGHT_CM_FS * 1000.0
    hot = BOLTZMANN_EV_K * 1e6 / omega**2 * ACCELERATION_A_FS2
    assert amplitudes(np.array([1000.0]), 1e6)[0] ** 2 == pytest.approx(hot, rel=1e-4)
    assert amplitudes(np.array([1000.0]), 1.0)[0] ** 2 == pytest.approx(16.857629 / 1000, rel=1e-6)


def test_copies_are_near_duplicates_and_other_geometries_are_not():
    """Turned, mirrored and with like atoms exchanged it is the same; a torsion by 20° is not."""
    ethanol = molecule("CH3CH2OH")
    numbers = ethanol.numbers
    turned = ethanol.copy()
    turned.rotate(77, [1, 2, 3])
    exchanged = np.array([0, 1, 2, 3, 5, 4, 6, 7, 8])
    assert (numbers[exchanged] == numbers).all() and not (exchanged == np.arange(9)).all()
    twisted = ethanol.copy()
    twisted.rotate_dihedral(3, 2, 0, 1, 20, indices=[3])
    frames = np.array([ethanol.positions, turned.positions, -ethanol.positions, ethanol.positions[exchanged],
                       twisted.positions])  # fmt: skip
    prints = fingerprints(numbers, frames)
    assert distinct(prints) == [0, 4]
    assert distinct(prints, known=prints[4:]) == [0]
    nudged = ethanol.positions + 0.003 * np.random.default_rng(0).standard_normal((9, 3))
    assert distinct(fingerprints(numbers, np.array([ethanol.positions, nudged]))) == [0]


def test_reacted_frames_are_told_from_vibrating_ones():
    ethanol = molecule("CH3CH2OH")
    r, numbers = ethanol.positions, ethanol.numbers
    (hydroxyl,) = [j for i, j in bonds(numbers, r) if numbers[i] == 8 and numbers[j] == 1] or [
        i for i, j in bonds(numbers, r) if numbers[j] == 8 and numbers[i] == 1
    ]
    oxygen = int(np.flatnonzero(numbers == 8)[0])
    frames = np.repeat(r[None], 5, axis=0)
    bond = r[hydroxyl] - r[oxygen]
    frames[1, hydroxyl] = r[oxygen] + 1.25 * bond  # a vibration: kept
    frames[2, hydroxyl] = r[oxygen] + 1.7 * bond  # dissociated
    carbon = int(np.flatnonzero(numbers == 6)[0])
    frames[3, hydroxyl] = r[carbon] + [0.0, 0.0, 1.1]  # gone to a carbon
    frames[4, 0, 0] = np.nan
    assert intact(numbers, r, frames).tolist() == [True, True, False, False, False]
    # hydrogen forms from water with both O-H bonds still whole
    angles = np.radians([104.5, 80.0, 38.0])[:, None, None]
    h = 0.97 * np.concatenate([np.cos(angles / 2), np.sin(angles / 2), 0 * angles], axis=2)
    waters = np.concatenate([0 * h, h, h * [1, -1, 1]], axis=1)
    assert intact(np.array([8, 1, 1]), waters[0], waters).tolist() == [True, True, False]


def test_no_reacted_frame_is_written(tmp_path, capsys):
    water = molecule("H2O")
    rng = np.random.default_rng(0)
    good = water.positions + rng.normal(scale=0.05, size=(6, 3, 3))
    bad = good.copy()
    bad[[1, 4], 1] += 3.0
    groups = [Group("xtb-1", 500.0, water.positions, good), Group("xtb-2", 500.0, water.positions, bad)]
    write_selection(tmp_path / "g.extxyz", water.numbers, groups, 100, "temperature_K", "check it")
    frames = read(tmp_path / "g.extxyz", index=":")
    assert len(frames) == 6  # the good ones of the second group are copies of the first
    assert "2 had reacted or flown apart, 4 resembled others" in capsys.readouterr().out
    assert all(len(bonds(frame.numbers, frame.positions)) == 2 for frame in frames)
    groups[0].positions[:5, 2] -= 4.0
    with pytest.raises(
        InputError, match=r"sampling.temperature_K: 7 of 12 frames at 500 K .* lower .* or check it"
    ):
        write_selection(tmp_path / "h.extxyz", water.numbers, groups, 100, "temperature_K", "check it")
    assert not (tmp_path / "h.extxyz").exists()
    check_losses(5, 10, 500.0, "temperature_K", "")


def test_every_beginning_holds_all_groups_in_their_share():
    sizes = [53, 53, 20, 7]
    order = interleaved(sizes)
    assert sorted(order) == sorted((g, k) for g, size in enumerate(sizes) for k in range(size))
    assert {g for g, _ in order[:4]} == {0, 1, 2, 3}
    for n in (20, 60, 100):
        counts = np.bincount([g for g, _ in order[:n]], minlength=4)
        assert np.abs(counts - n * np.array(sizes) / sum(sizes)).max() < 2
    assert all(a[1] < b[1] for g in range(4) for a, b in pairwise([p for p in order if p[0] == g]))


@pytest.fixture(scope="module")
def water_conformers(tmp_path_factory):
    if not xtb.available():
        pytest.skip("tblite has no wheel for this platform")
    path = tmp_path_factory.mktemp("sampling") / "conformers.extxyz"
    find_conformers(path, "O", 0, 1, FEW)
    return path


def test_the_first_set_does_not_depend_on_threads_and_is_whole(water_conformers, tmp_path):
    settings = SamplingSettings(n_frames=20, n_trajectories=2, interval_fs=20, modes_fraction=0.3)
    for threads in (1, 2):
        sample_geometries(water_conformers, tmp_path / f"{threads}.extxyz", settings, threads)
    assert (tmp_path / "1.extxyz").read_bytes() == (tmp_path / "2.extxyz").read_bytes()
    assert not (tmp_path / "1.extxyz.parts").exists()
    frames = read(tmp_path / "1.extxyz", index=":")
    assert [frame.info["seed"] for frame in frames[:3]] == ["xtb-1", "xtb-2", "modes-0"]
    assert 15 <= len(frames) <= 20
    prints = fingerprints(frames[0].numbers, np.array([frame.positions for frame in frames]))
    assert distinct(prints) == list(range(len(frames)))


def test_a_broken_file_of_conformers_is_told(water_conformers, tmp_path):
    frame = read(water_conformers)
    frame.info.pop("charge")
    write(tmp_path / "old.extxyz", frame, format="extxyz")
    with pytest.raises(InputError, match="lacks charge and multiplicity"):
        sample_geometries(tmp_path / "old.extxyz", tmp_path / "g.extxyz", SamplingSettings())


@needs_xtb
def test_too_hot_is_one_line_with_its_cure(water_conformers, tmp_path):
    settings = SamplingSettings(n_frames=10, n_trajectories=1, modes_fraction=0, temperature_K=50_000)
    with pytest.raises(InputError, match=r"sampling.temperature_K: .* at 50000 K reacted or flew apart"):
        sample_geometries(water_conformers, tmp_path / "g.extxyz", settings)


def test_frames_of_a_model_are_new_intact_and_the_same_for_any_threads(tmp_path):
    """Peroxide's two helices are both started in; both temperatures give their half."""
    model, dataset = write_inputs(tmp_path, "peroxide")
    settings = SamplingSettings(frames_per_round=32, interval_fs=20)
    for threads in (1, 2):
        sample_model(model, dataset, tmp_path / f"{threads}.extxyz", settings, 3, threads, load_toy)
    assert (tmp_path / "1.extxyz").read_bytes() == (tmp_path / "2.extxyz").read_bytes()
    frames = read(tmp_path / "1.extxyz", index=":")
    seeds = [frame.info["seed"] for frame in frames]
    assert len(frames) == 32 and {seed.split("-")[0] for seed in seeds} == {"model3"}
    counts = [sum(seed.startswith(f"model3-{T}-") for seed in seeds) for T in (300, 600)]
    assert sum(counts) == 32 and min(counts) >= 12
    assert len(set(seeds)) == 16
    known = np.array([frame.positions for frame in read(dataset, index=":")])
    numbers, positions = frames[0].numbers, np.array([frame.positions for frame in frames])
    assert distinct(fingerprints(numbers, positions), known=fingerprints(numbers, known)) == list(range(32))


@pytest.mark.physics
def test_frames_of_a_model_have_its_temperature(tmp_path):
    """Hydrogen on a spring k: ⟨(r − r₀)²⟩ = k_B T/k up to centrifugal stretching; 512 frames, five sigma."""
    model, dataset = write_inputs(tmp_path, "hydrogen")
    settings = SamplingSettings(frames_per_round=512, interval_fs=100, model_temperatures_K=[600.0])
    with pytest.MonkeyPatch.context() as patch:  # a diatomic repeats itself
        patch.setattr(output, "distinct", lambda prints, known: list(range(len(prints))))
        sample_model(model, dataset, tmp_path / "g.extxyz", settings, 1, 1, load_toy)
    frames = read(tmp_path / "g.extxyz", index=":")
    stretch = np.array([frame.get_distance(0, 1) for frame in frames]) - 0.74
    expected = BOLTZMANN_EV_K * 600 / 40
    assert len(frames) == 512
    assert np.var(stretch) == pytest.approx(expected, rel=5 * np.sqrt(2 / 512))


def test_a_model_that_leaves_the_molecule_is_told(tmp_path):
    model, dataset = write_inputs(tmp_path, "water")
    settings = SamplingSettings(frames_per_round=16, interval_fs=5, model_temperatures_K=[300.0, 2e5])
    with pytest.raises(InputError, match=r"sampling.model_temperatures_K: .* at 200000 K reacted"):
        sample_model(model, dataset, tmp_path / "g.extxyz", settings, 1, 1, load_toy)


def test_stages_run_from_the_command_line(tmp_path):
    """The settings travel as the plan writes them; a mistake is one line and exit code 2."""
    command = [sys.executable, "-c", "from painn_spectra.cli import entry; entry()", "conformers"]
    told = json.dumps({"structure": "CCO.O", "charge": 0, "multiplicity": 1, "sampling": {"seed": 0}})
    run = subprocess.run(
        [*command, "--settings", told, str(tmp_path / "c.extxyz")],
        capture_output=True, text=True, env=os.environ,
    )  # fmt: skip
    assert run.returncode == 2 and run.stderr.count("\n") == 1
    assert "CCO.O" in run.stderr and not (tmp_path / "c.extxyz").exists()


def test_a_dimer_of_atoms_is_no_problem_for_fingerprints():
    hydrogen = Atoms("H2", [[0, 0, 0], [0, 0, 0.74]])
    assert fingerprints(hydrogen.numbers, hydrogen.positions[None]).tolist() == [[0.74]]


def test_a_killed_stage_keeps_its_finished_jobs(tmp_path):
    """The third job fails once; the run that follows does not repeat the first two."""
    done = []

    def job(k, broken):
        if broken and k == 2:
            raise KeyboardInterrupt
        done.append(k)
        return np.full(2, k)

    with pytest.raises(KeyboardInterrupt):
        scatter(job, [(k, True) for k in range(4)], tmp_path, 1, "jobs", here=True)
    arrays = scatter(job, [(k, False) for k in range(4)], tmp_path, 1, "jobs", here=True)
    assert done == [0, 1, 2, 3] and [array[0] for array in arrays] == [0, 1, 2, 3]


def test_a_worker_that_dies_is_one_line(tmp_path):
    with pytest.raises(InputError, match="a worker of the jobs ended without a word"):
        scatter(os._exit, [(1,)], tmp_path, 1, "jobs")


def test_bonds_are_those_that_the_structure_draws(tmp_path):
    """RDKit's raw geometries of phosphorus pentafluoride have false contacts: no vote on them."""
    find_conformers(tmp_path / "c.extxyz", "FP(F)(F)(F)F", 0, 1, SamplingSettings(n_embeddings=6))
    (frame,) = read(tmp_path / "c.extxyz", ":")
    lengths = np.sort(frame.get_distances(1, [0, 2, 3, 4, 5]))
    assert frame.info["symmetry_number"] == 6
    assert np.ptp(lengths[:3]) < 0.01 < lengths[3] - lengths[2]  # equatorial, axial
