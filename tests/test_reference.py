"""GFN2-xTB labels against their definitions, and the pre-training set."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import molecule

from painn_spectra import keys
from painn_spectra.dataset import read_frames
from painn_spectra.errors import InputError
from painn_spectra.gathering import gather_labels
from painn_spectra.reference import xtb
from painn_spectra.sampling.pretraining import FRAMES_PER_BURST, _burst, label_pretraining
from painn_spectra.settings.training import DatasetSettings, PretrainSettings
from painn_spectra.split import read_split
from painn_spectra.units import BOHR_A, DEBYE_EA

pytestmark = pytest.mark.skipif(not xtb.available(), reason="tblite has no wheel for this platform")


def test_forces_are_the_gradient():
    water = molecule("H2O")
    water.positions[1] += [0.05, 0.02, -0.03]
    forces, step = xtb.label(water.numbers, water.positions)[keys.FORCES], 1e-3
    for axis in range(3):
        energies = []
        for sign in (1, -1):
            moved = water.positions.copy()
            moved[1, axis] += sign * step
            energies.append(xtb.label(water.numbers, moved, properties=(keys.ENERGY,))[keys.ENERGY])
        assert -(energies[0] - energies[1]) / (2 * step) == pytest.approx(forces[1, axis], abs=2e-4)


def test_units_of_dipole_and_polarizability():
    """GFN2-xTB water as published: 2.28 D (doi:10.1021/acs.jctc.8b01176); 0.37 Å³, a minimal-basis value."""
    water = molecule("H2O")
    out = xtb.label(water.numbers, water.positions)
    assert np.linalg.norm(out[keys.DIPOLE]) / DEBYE_EA == pytest.approx(2.28, abs=0.03)
    assert np.trace(out[keys.POLARIZABILITY]) / 3 == pytest.approx(0.37, abs=0.01)


def test_dipole_of_an_ion_is_about_the_centre_of_mass():
    """μ of an ion moves with the origin; shifting the molecule must not change the label."""
    ammonium = molecule("NH3")
    one = xtb.label(ammonium.numbers, ammonium.positions, 1, 2)[keys.DIPOLE]
    two = xtb.label(ammonium.numbers, ammonium.positions + 4 * BOHR_A, 1, 2)[keys.DIPOLE]
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_pretraining_set_does_not_depend_on_the_number_of_workers(water_labels, tmp_path):
    dataset, split = tmp_path / "dataset.extxyz", tmp_path / "split.json"
    gather_labels([water_labels], dataset, split, DatasetSettings())
    settings = PretrainSettings(n_frames=12, temperature_K=300)
    for threads in (1, 2):
        label_pretraining(dataset, split, tmp_path / f"{threads}.extxyz", settings, threads=threads)
    one, two = (read_frames(tmp_path / f"{threads}.extxyz") for threads in (1, 2))
    assert not (tmp_path / "1.extxyz.parts").exists()
    assert len(one) == 12 and (one.positions == two.positions).all()
    # thermal, not wild: no bond of water leaves 0.96 Å by more than 0.4 Å
    assert np.abs(np.linalg.norm(one.positions[:, 0] - one.positions[:, 1], axis=1) - 0.96).max() < 0.4


def test_a_burst_ends_where_the_molecule_breaks(water_labels):
    """Hydrogens pressed into the oxygen are thrown out: what flies apart is no water to learn from."""
    frames = read_frames(water_labels).take([0])
    pressed = replace(
        frames, positions=frames.positions[:, :1] + 0.5 * (frames.positions - frames.positions[:, :1])
    )
    bursts = [_burst(start, 300.0, 0, 1, 0) for start in (frames, pressed)]
    assert len(bursts[0]) == FRAMES_PER_BURST > len(bursts[1])


def test_wrong_spin_is_told(water_labels, tmp_path):
    dataset, split = tmp_path / "dataset.extxyz", tmp_path / "split.json"
    gather_labels([water_labels], dataset, split, DatasetSettings())
    with pytest.raises(InputError, match="charge and multiplicity"):
        label_pretraining(
            dataset, split, tmp_path / "out.extxyz", PretrainSettings(n_frames=5), multiplicity=2
        )
    assert not (tmp_path / "out.extxyz").exists()


def test_killed_labelling_goes_on(water_labels, tmp_path, monkeypatch):
    """Bursts that a stopped run has written are read, not computed again; the result is the same."""
    dataset, split = tmp_path / "dataset.extxyz", tmp_path / "split.json"
    gather_labels([water_labels], dataset, split, DatasetSettings())
    settings = PretrainSettings(n_frames=15, temperature_K=300)

    class Killed(Exception):
        pass

    def kill(self, amount=1, note=""):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("painn_spectra.progress.Progress.advance", kill)
        label_pretraining(dataset, split, tmp_path / "killed.extxyz", settings)
    (kept,) = (tmp_path / "killed.extxyz.parts").glob("*.extxyz")
    age = kept.stat().st_mtime_ns
    monkeypatch.setattr("shutil.rmtree", lambda path, ignore_errors=False: None)
    for name in ("killed", "whole"):
        label_pretraining(dataset, split, tmp_path / f"{name}.extxyz", settings)
    assert kept.stat().st_mtime_ns == age
    assert (tmp_path / "killed.extxyz").read_text() == (tmp_path / "whole.extxyz").read_text()


def test_only_training_geometries_are_starts(water_labels, tmp_path, monkeypatch):
    """Bursts from held-out geometries would let the model see the neighbourhood of the test set."""
    dataset, split = tmp_path / "dataset.extxyz", tmp_path / "split.json"
    gather_labels([water_labels], dataset, split, DatasetSettings())
    starts = []

    def note(burst, arguments, threads, label):
        starts.extend(start.positions[0] for start, *_ in arguments.values())
        return iter(())

    monkeypatch.setattr("painn_spectra.sampling.pretraining.finished_jobs", note)
    with pytest.raises(FileNotFoundError):  # no burst was run: nothing to gather
        label_pretraining(dataset, split, tmp_path / "out.extxyz", PretrainSettings(n_frames=1000))
    frames, parts = read_frames(dataset), read_split(split, dataset)
    held_out = frames.positions[parts["test"] + parts["validation"]]
    assert len(starts) == 220  # a tenth to spare
    for start in starts:
        assert (start == frames.positions[parts["train"]]).all((1, 2)).any()
        assert not (start == held_out).all((1, 2)).any()
