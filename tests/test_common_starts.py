"""Members of an ensemble: the same conformer per replica, the same displacements, the same momenta."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase.data import atomic_masses
from scipy.spatial.transform import Rotation
from toy_potentials import GEOMETRIES, Toy, load_toy, write_inputs

from painn_spectra.errors import InputError
from painn_spectra.md.block import Block, initial_state
from painn_spectra.md.common_starts import in_line_with
from painn_spectra.md.run import run_dynamics
from painn_spectra.md.starts import find_starts
from painn_spectra.settings.dynamics import DynamicsSettings

NUMBERS = np.array([8, 8, 1, 1])
MASSES = atomic_masses[NUMBERS]
SETTINGS = DynamicsSettings(n_replicas=6, equilibration_ps=0.05, production_ps=0.1, seed=3)


class Other(Toy):
    """Another training of the same peroxide: weaker springs, and its torsion's minima 8° from the first's."""

    def __init__(self) -> None:
        super().__init__("peroxide", loosest_eV_A2=8.0)

    def energy(self, r):
        i, j = (r[:, 2] - r[:, 0]), (r[:, 3] - r[:, 1])
        return super().energy(r) + 0.006 * (i * j).sum(1)


def frames(turned: bool) -> np.ndarray:
    """Shaken geometries; turned: each another way, its like atoms exchanged, in another order of frames."""
    rng = np.random.default_rng(7)
    r = np.array(GEOMETRIES["peroxide"][1]) + 0.03 * rng.standard_normal((8, 4, 3))
    if not turned:
        return r
    turns = Rotation.random(len(r), rng=rng).as_matrix()
    return np.einsum("nxy,nay->nax", turns, r)[::-1, [1, 0, 3, 2]]


def rmsd(one: np.ndarray, other: np.ndarray) -> float:
    """As they stand: neither turned nor matched. Å"""
    return float(np.sqrt(((one - other) ** 2).sum(1).mean()))


def test_starts_are_common_though_minima_differ():
    shared = (300.0, SETTINGS.n_replicas, SETTINGS.seed)
    first = find_starts(Toy("peroxide").double(), NUMBERS, MASSES, frames(False), *shared)
    apart = find_starts(Other().double(), NUMBERS, MASSES, frames(True), *shared)
    other = find_starts(Other().double(), NUMBERS, MASSES, frames(True), *shared, first["conformers"])
    starts, alone, along = (
        [np.array(found["conformers"][c]["positions"]) for c in found["replicas"]]
        for found in (first, apart, other)
    )
    assert other["replicas"] == first["replicas"] and set(first["replicas"]) == {0, 1}  # two mirror images
    differences = [rmsd(a, b) for a, b in zip(starts, along, strict=True)]
    assert 0.01 < max(differences) < 0.1  # the minima differ, which is the model's own
    assert max(rmsd(a, b) for a, b in zip(starts, alone, strict=True)) > 0.5  # without: nothing in common

    def momenta(found: list[np.ndarray]) -> np.ndarray:
        block = Block(Path(), tuple(range(6)), NUMBERS, MASSES, MASSES, np.array(found), False, 9, SETTINGS,
                      300.0, "cpu")  # fmt: skip
        return initial_state(block, Toy("peroxide").double()).velocities.numpy()

    assert np.array_equal(momenta(starts), momenta(along))
    for conformer in other["conformers"]:  # turned with their geometry: still without translation
        modes = np.array(conformer["modes"])
        assert np.einsum("kax,jax->kj", modes, modes) == pytest.approx(np.eye(6), abs=1e-5)
        np.testing.assert_allclose(np.einsum("a,kax->kx", np.sqrt(MASSES), modes), 0, atol=1e-5)
        turns = np.cross(np.eye(3)[:, None], np.array(conformer["positions"])) * np.sqrt(MASSES)[:, None]
        np.testing.assert_allclose(np.einsum("jax,kax->kj", turns, modes), 0, atol=1e-5)


def test_what_the_first_member_lacks_comes_last():
    found = find_starts(Toy("peroxide").double(), NUMBERS, MASSES, frames(False), 300.0, 1, 0)
    conformers = found["conformers"]
    second = np.array([conformers[1]["positions"]])
    ordered = in_line_with(conformers, second, second, NUMBERS, MASSES)
    assert [c["energy_eV"] for c in ordered] == [c["energy_eV"] for c in conformers[::-1]]
    assert rmsd(np.array(ordered[0]["positions"]), second[0]) < 0.01  # like atoms may have changed places
    assert ordered[1] == conformers[0]


def test_the_stage_takes_the_first_members_starts(tmp_path):
    model, dataset = write_inputs(tmp_path, "peroxide")
    member = tmp_path / "member.pt"
    member.write_text(json.dumps({"name": "peroxide", "loosest_eV_A2": 8.0}), encoding="utf-8")
    starts, positions = [], []
    for number, path in enumerate((model, member)):
        trajectory = tmp_path / str(number) / "trajectory.h5"
        run_dynamics(
            path, dataset, trajectory, trajectory.with_name("dynamics.json"), SETTINGS, "toy", "classical",
            300.0, {}, 1, load_toy, first_member=model if number else None,
        )  # fmt: skip
        with h5py.File(trajectory) as file:
            starts.append(json.loads(file.attrs["starts"]))
            positions.append(file["positions"][:, 0])
    assert starts[0]["replicas"] == starts[1]["replicas"]
    for one, other in zip(*(s["conformers"] for s in starts), strict=True):
        assert rmsd(np.array(one["positions"]), np.array(other["positions"])) < 0.01
        assert one["wavenumbers_cm"] != other["wavenumbers_cm"]  # each its own model's
    # 50 fs of the same noise later the replicas are still side by side, and no two of one member are
    apart = [rmsd(a, b) for a, b in zip(*positions, strict=True)]
    assert max(apart) < 0.1 < min(rmsd(positions[0][0], other) for other in positions[0][1:])
    with pytest.raises(InputError, match=r"absent\.pt: no such model file"):
        run_dynamics(member, dataset, tmp_path / "t.h5", tmp_path / "r.json", SETTINGS, "toy", "classical",
                     300.0, {}, 1, load_toy, first_member=tmp_path / "absent.pt")  # fmt: skip
