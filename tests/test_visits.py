"""Populations and interconversions: like atoms exchanged, mirror images apart, recrossings not counted."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase.build import molecule
from scipy.spatial.transform import Rotation
from toy_potentials import GEOMETRIES, load_toy, write_inputs

from painn_spectra import keys
from painn_spectra.md import visits
from painn_spectra.md.bonds import bonds
from painn_spectra.md.run import run_dynamics
from painn_spectra.md.visits import conformer_visits, interconversions, nearest, references
from painn_spectra.settings.dynamics import DynamicsSettings

NUMBERS = molecule("CH3CH2OH").numbers  # C of CH3, C of CH2, O, H of OH, two of CH2, three of CH3
ANGLES = (180.0, 62.0, 298.0)  # anti and both gauche


def ethanol(hydroxyl: float, methyl: float = 0.0) -> np.ndarray:
    """Its O–H at a torsion C–C–O–H and its methyl group turned by `methyl`, degrees; (9, 3) | Å."""
    atoms = molecule("CH3CH2OH")
    atoms.set_dihedral(0, 1, 2, 3, hydroxyl, indices=[3])
    atoms.rotate_dihedral(2, 1, 0, 6, methyl, indices=[6, 7, 8])
    return atoms.positions


def test_ethanol_is_recognised_whatever_its_methyl_group_does() -> None:
    minima = np.array([ethanol(angle) for angle in ANGLES])
    geometries, conformers, _ = references(minima[0], minima, NUMBERS, NUMBERS)
    assert np.bincount(conformers).tolist() == [3, 3, 3]  # turns of the methyl group, no exchange in CH2
    rng = np.random.default_rng(0)
    frames, expected = [], []
    for number, angle in enumerate(ANGLES):
        for _ in range(40):
            turn = rng.choice([0, 120, 240]) + rng.uniform(-25, 25)
            frame = ethanol(angle + rng.uniform(-40, 40), turn)
            frame += rng.normal(scale=0.03, size=frame.shape)
            frames.append(frame @ Rotation.random(rng=rng).as_matrix() + rng.normal(size=3))
            expected.append(number)
    assert (conformers[nearest(np.array(frames), geometries)] == expected).all()


def test_exchanged_start_is_its_own_reference() -> None:
    """A start that is a mirror image bears its CH2 hydrogens the other way round."""
    minima = np.array([ethanol(angle) for angle in ANGLES])
    for start, number in ((minima[1], 1), (-minima[1], 2)):
        geometries, conformers, _ = references(start, minima, NUMBERS, NUMBERS)
        assert conformers[nearest(start[None], geometries)] == number


def test_too_many_orders_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "MAX_ORDERS", 11)  # ethanol has 12
    assert references(ethanol(180.0), ethanol(180.0)[None], NUMBERS, NUMBERS) is None


@pytest.mark.parametrize(
    ("visited", "changes"),
    [
        ([0] * 20, 0),
        ([0] * 10 + [1] * 10, 1),
        ([0] * 10 + [1] * 4 + [0] * 10, 0),  # 80 fs on the other side: a recrossing
        ([0] * 10 + [1] * 5 + [0] * 10, 2),
        ([0] * 10 + [1, 0, 1, 0, 1] + [1] * 10, 1),
        ([0, 1] * 10, 0),
    ],
)
def test_interconversions(visited: list[int], changes: int) -> None:
    assert interconversions(np.array(visited), 20.0) == changes


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_orders_of_like_atoms_are_found_whatever_comes_first(order: slice) -> None:
    """Butane: 3!² turns of methyls, 2² exchanges in CH2 groups, both ends; hydrogens first is no slower."""
    atoms = molecule("trans-butane")[order]
    neighbours = np.zeros((14, 14), bool)
    pairs = np.array(bonds(atoms.numbers, atoms.positions))
    neighbours[pairs[:, 0], pairs[:, 1]] = neighbours[pairs[:, 1], pairs[:, 0]] = True
    found = list(visits.like_orders(neighbours, atoms.numbers))
    assert len(found) == len({tuple(one) for one in found}) == 36 * 4 * 2
    for one in found:
        assert (atoms.numbers[one] == atoms.numbers).all()
        assert (neighbours[np.ix_(one, one)] == neighbours).all()


def test_dynamics_report_what_they_visit(tmp_path: Path) -> None:
    """Peroxide's mirror images: the counts are those of its torsion's sign."""
    settings = DynamicsSettings(
        n_replicas=8, timestep_fs=0.8, record_interval_steps=2, equilibration_ps=0.2, production_ps=3.0,
        checkpoint_interval_ps=3.0,
    )  # fmt: skip
    trajectory, report = tmp_path / "trajectory.h5", tmp_path / "dynamics.json"
    run_dynamics(
        *write_inputs(tmp_path, "peroxide"), trajectory, report, settings, "toy", "classical", 600.0, {}, 1,
        load_toy,
    )  # fmt: skip
    summary = json.loads(report.read_text())
    with h5py.File(trajectory) as file:
        starts, r = json.loads(file.attrs["starts"]), file[keys.SPARSE_POSITIONS][:].astype(float)
        shares, changes = conformer_visits(file, starts)
    assert r.shape[2:] == np.shape(GEOMETRIES["peroxide"][1])

    def positive(r: np.ndarray) -> np.ndarray:
        """Whether the torsion H–O–O–H is right-handed."""
        axis = r[..., 1, :] - r[..., 0, :]
        return (np.cross(r[..., 2, :] - r[..., 0, :], axis) * (r[..., 3, :] - r[..., 1, :])).sum(-1) > 0

    right = [
        i for i, conformer in enumerate(starts["conformers"]) if positive(np.array(conformer["positions"]))
    ]
    side = positive(r)  # (n_replicas, n_samples)
    assert shares[:, right[0]] == pytest.approx(side.mean(1), abs=0.02)
    assert changes > 10
    by_torsion = sum(interconversions(row.astype(int), 20.8) for row in side[:, ::13])  # every 1.6 fs
    assert changes == summary["interconversions"] and abs(changes - by_torsion) <= 0.2 * by_torsion + 1
    for conformer, share in zip(summary["starts"], shares.T, strict=True):
        assert conformer["population"] == pytest.approx(share.mean())
        assert conformer["population_standard_error"] == pytest.approx(share.std(ddof=1) / np.sqrt(8))
