"""The stages of quantum dynamics: files, resuming, the sum of two models, ranges. The molecules are toys."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from small_model import write_model
from toy_potentials import Toy, load_toy, write_inputs

from painn_spectra import keys
from painn_spectra.dataset import labelled_geometries, read_frames
from painn_spectra.errors import InputError
from painn_spectra.kinds import beads_of, block_replicas, dynamics_settings
from painn_spectra.md.limits import check_ring_polymer
from painn_spectra.md.run import run_dynamics
from painn_spectra.model.checkpoint import load_model
from painn_spectra.model.total import load_total
from painn_spectra.sampling.model_batch import replicas
from painn_spectra.settings.dynamics import DynamicsSettings, TePigsSettings
from painn_spectra.split import read_split
from painn_spectra.tepigs.centroids import packed, sample_centroids, trusted, unpacked

SHORT = {"n_replicas": 3, "equilibration_ps": 0.05, "production_ps": 0.1, "checkpoint_interval_ps": 0.03}


def run(folder: Path, inputs: tuple[Path, Path], dynamics: str, threads: int = 1, correction=None, **change):
    settings = DynamicsSettings(**(SHORT | change))
    folder.mkdir(exist_ok=True)
    run_dynamics(
        *inputs, folder / "trajectory.h5", folder / "dynamics.json", settings, "toy", dynamics, 300.0, {},
        threads, load_toy, correction=correction,
    )  # fmt: skip
    with h5py.File(folder / "trajectory.h5") as file:
        return {name: values[:] for name, values in file.items()}


@pytest.fixture
def water(tmp_path: Path) -> tuple[Path, Path]:
    return write_inputs(tmp_path, "water")


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ["rpmd3", "trpmd3"])
def test_a_killed_run_goes_on(tmp_path: Path, water: tuple[Path, Path], kind: str) -> None:
    """Segments removed, or a longer run: the rest is computed again, bit for bit; so do more workers."""
    whole = run(tmp_path / "whole", water, kind)
    assert whole[keys.DIPOLE].shape == (3, 100, 3)
    assert whole[keys.SPARSE_POSITIONS].shape == whole[keys.HALF_STEP_VELOCITIES].shape == (3, 100, 3, 3)
    folders = sorted((tmp_path / "whole/trajectory.h5.parts").glob("0*"))
    assert [folder.name for folder in folders] == ["0000-0001", "0002-0002"]  # 8 beads or fewer in a block
    for path in sorted(folders[0].glob("0*.h5"))[-2:]:
        path.unlink()
    assert same(whole, run(tmp_path / "whole", water, kind))
    longer = run(tmp_path / "whole", water, kind, production_ps=0.13)
    assert np.array_equal(longer[keys.DIPOLE][:, :100], whole[keys.DIPOLE])
    told = json.loads((tmp_path / "whole/dynamics.json").read_text())
    assert told["virial_kinetic_energy_eV"]["mean"] > 0.1  # zero-point motion: classical nuclei have 0.08


def test_two_workers_make_the_same_ring_polymers(tmp_path: Path, water: tuple[Path, Path]) -> None:
    assert same(run(tmp_path / "one", water, "trpmd4"), run(tmp_path / "two", water, "trpmd4", threads=2))


def test_dipoles_are_means_over_beads(tmp_path: Path, water: tuple[Path, Path]) -> None:
    """The toy's dipole is linear in positions: the mean over beads is that of the centroid."""
    data = run(tmp_path / "run", water, "rpmd6", timestep_fs=0.25)
    centroid = torch.as_tensor(data[keys.SPARSE_POSITIONS][:, ::10].reshape(-1, 3, 3).astype(float))
    numbers = torch.tensor([[8, 1, 1]]).expand(len(centroid), -1)
    linear = Toy("water")(numbers, centroid, (keys.DIPOLE, keys.POLARIZABILITY))
    assert data[keys.DIPOLE][:, ::10].reshape(-1, 3) == pytest.approx(linear[keys.DIPOLE].numpy(), abs=1e-5)
    alpha = data[keys.POLARIZABILITY][:, ::10].reshape(-1, 3, 3)
    spread = np.trace(alpha - linear[keys.POLARIZABILITY].numpy(), axis1=1, axis2=2)
    assert (spread > 0).all()  # quadratic: the beads' own spread comes on top


def test_kinds_and_blocks() -> None:
    md = DynamicsSettings(n_beads=32)
    assert [beads_of(kind, md) for kind in ("classical", "tepigs", "rpmd", "trpmd16")] == [1, 1, 32, 16]
    assert [block_replicas(kind, md) for kind in ("classical", "trpmd4", "rpmd")] == [8, 2, 1]
    assert "n_beads" not in dynamics_settings("classical", md) and "trpmd_lambda" not in dynamics_settings(
        "rpmd", md
    )
    assert {"n_beads", "trpmd_lambda"} <= set(dynamics_settings("trpmd", md))
    check_ring_polymer(DynamicsSettings(timestep_fs=0.5), 64, 300.0)
    with pytest.raises(InputError, match=r"64 beads at 600 K by 5.0 rad.*use at most 0.29"):
        check_ring_polymer(DynamicsSettings(timestep_fs=0.5), 64, 600.0)


def test_path_integrals_of_too_many_beads_are_one_line(tmp_path: Path, water: tuple[Path, Path]) -> None:
    settings = TePigsSettings(n_beads=64, temperature_K=600.0)
    with pytest.raises(InputError, match=r"n_beads = 64: .* by 5.0 rad .* use at most 38"):
        sample_centroids(*water, tmp_path / "centroids.extxyz", tmp_path / "split.json", settings)


def test_quantum_frames_reach_further(tmp_path: Path) -> None:
    """Beads at 300 K stretch the toy's O–H bond far more than classical nuclei do."""
    inputs = write_inputs(tmp_path, "water")
    numbers, frames = labelled_geometries(inputs[1])
    minima = np.repeat(frames[:1], 4, axis=0)
    widths = []
    for quantum in (False, True):
        found = replicas(inputs[0], numbers, minima, 300.0, 20.0, 30, 0, 0, load_toy, quantum)
        assert found.shape == (4, 30, 3, 3)
        widths.append(np.linalg.norm(found[:, :, 1] - found[:, :, 0], axis=-1).std())
    assert widths[1] > 1.6 * widths[0]


def test_centroids_hold_differences(tmp_path: Path, water: tuple[Path, Path]) -> None:
    """Labels are means over beads minus the centroid's values: zero where the toy is linear, not for α."""
    settings = TePigsSettings(n_frames=12, n_replicas=3, n_beads=4, equilibration_ps=0.05)
    files = tmp_path / "centroids.extxyz", tmp_path / "split.json"
    sample_centroids(*water, *files, settings, load=load_toy)
    frames = read_frames(files[0])
    assert len(frames) == 12 and set(frames.groups) == {"replica-0", "replica-1", "replica-2"}
    assert sum(len(part) for part in read_split(files[1], files[0]).values()) == 12
    assert np.abs(frames.labels[keys.DIPOLE]).max() < 1e-6
    assert np.trace(frames.labels[keys.POLARIZABILITY], axis1=1, axis2=2).min() > 0
    assert (frames.labels[keys.ENERGY] > 0).all()
    assert np.abs(frames.labels[keys.FORCES]).max() > 0.05
    assert np.abs(frames.labels[keys.FORCES].sum(1)).max() < 1e-6  # no net force
    again = tmp_path / "again.extxyz"
    sample_centroids(*water, again, tmp_path / "s.json", settings, threads=2, load=load_toy)
    assert again.read_text() == files[0].read_text()
    rows = packed(np.ones((2, 3, 3)), {name: np.full((2, *shape), 2.0) for name, shape in SHAPES.items()})
    positions, labels = unpacked(rows[0], 3)
    assert positions.shape == (3, 3) and {name: value.shape for name, value in labels.items()} == SHAPES


def load_narrow(path: Path, device: str = "cpu") -> Toy:
    """A toy that was trained on O–H bonds from 0.85 to 1.05 Å."""
    toy = load_toy(path, device)
    toy.metadata = {"range": {"neighbours": {"8": [[0.85, 1.05]]}}}
    return toy


def test_replicas_count_until_they_leave_the_trained_range(
    tmp_path: Path, water: tuple[Path, Path], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames before are those of a run without the guard, to the last digit."""
    monkeypatch.setattr("painn_spectra.tepigs.centroids.LARGEST_TURN", np.inf)
    settings = TePigsSettings(
        n_frames=60, n_replicas=6, n_beads=2, equilibration_ps=0.1, interval_fs=10, temperature_K=25000
    )  # the toy's springs hold water together at any temperature
    for name, load in (("all", load_toy), ("some", load_narrow)):
        sample_centroids(*water, tmp_path / name, tmp_path / f"{name}.json", settings, load=load)
    everything, kept = (read_frames(tmp_path / name) for name in ("all", "some"))
    assert "left the range" in capsys.readouterr().out
    assert 30 < len(kept) < len(everything) == 60
    for replica in np.unique(kept.groups):
        ours, theirs = (
            kept.positions[kept.groups == replica],
            everything.positions[everything.groups == replica],
        )
        assert np.array_equal(ours, theirs[: len(ours)])
    hot = settings.model_copy(update={"temperature_K": 100000.0})
    with pytest.raises(InputError, match=r"of 6 path integrals at 100000 K left the range .* lower tepigs"):
        sample_centroids(*water, tmp_path / "none", tmp_path / "none.json", hot, load=load_narrow)
    assert not (tmp_path / "none").exists()


def test_what_is_trusted() -> None:
    for excess, expected in (([0, 0.1, 0], 3), ([0, 0.3, 0], 1), ([np.nan, 0, 0], 0), ([0, 0, np.inf], 2)):
        assert trusted(np.array(excess)) == expected


SHAPES = {keys.ENERGY: (), keys.FORCES: (3, 3), keys.DIPOLE: (3,), keys.POLARIZABILITY: (3, 3)}


def test_the_sum_is_run(tmp_path: Path, water: tuple[Path, Path]) -> None:
    correction = write_model(tmp_path / "correction.pt")
    total = load_total(water[0], correction=correction, load=load_toy)
    frames = torch.as_tensor(labelled_geometries(water[1])[1])
    numbers = torch.tensor([[8, 1, 1]]).expand(len(frames), -1)
    one, other, both = (m(numbers, frames) for m in (Toy("water"), load_model(correction), total))
    for name in keys.PROPERTIES:
        assert torch.allclose(both[name], one[name].double() + other[name].double())
    with pytest.raises(InputError, match="a correction is trained for tepigs and for nothing else"):
        run(tmp_path / "run", water, "tepigs")
    with pytest.raises(InputError, match="for nothing else"):
        run(tmp_path / "run", water, "classical", correction=(correction, water[1]))
