"""The ASE calculator: the model's numbers, in ASE's units, computed only when asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import atomic_masses
from ase.optimize import BFGS
from ase.vibrations import Infrared
from toy_potentials import GEOMETRIES, Toy

from painn_spectra import keys
from painn_spectra.ase import PaiNNCalculator
from painn_spectra.derivatives import STEP_A, derivatives, displaced
from painn_spectra.errors import InputError
from painn_spectra.md.minima import predict
from painn_spectra.model.checkpoint import save_model
from painn_spectra.model.potential import Potential
from painn_spectra.spectra.harmonic import sticks


@pytest.fixture
def water() -> Atoms:
    return Atoms(*GEOMETRIES["water"])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path / "model.pt", Potential(8, 2, 5, 4.0, np.arange(119.0)), {"elements": [1, 8]})
    return tmp_path / "model.pt"


def test_results_are_those_of_the_model(water: Atoms, model: Path) -> None:
    water.calc = calculator = PaiNNCalculator(model)
    out = calculator.potential(torch.tensor(water.numbers)[None], torch.tensor(water.positions)[None])
    assert water.get_potential_energy() == pytest.approx(float(out[keys.ENERGY][0]), abs=1e-12)
    assert water.get_forces() == pytest.approx(out[keys.FORCES][0].numpy(), abs=1e-12)
    assert water.get_dipole_moment() == pytest.approx(out[keys.DIPOLE][0].numpy(), abs=1e-12)
    polarizability = calculator.get_property("polarizability", water)
    assert polarizability == pytest.approx(out[keys.POLARIZABILITY][0].numpy(), abs=1e-12)
    assert calculator.results["polarizability"].shape == (3, 3)


def test_a_fitting_width_runs_in_the_engine(water: Atoms) -> None:
    """The same numbers, also after the molecule has changed."""
    engine = pytest.importorskip("painn_spectra.model.engine").Engine
    torch.manual_seed(1)
    potential = Potential(16, 2, 5, 4.0, atomic_masses).double()
    calculator = PaiNNCalculator(potential)
    assert isinstance(calculator.potential, engine)
    for atoms in (water, water[[0, 2]], water):
        wanted = potential.eval()(torch.tensor(atoms.numbers)[None], torch.tensor(atoms.positions)[None])
        for name, value in wanted.items():
            got = calculator.get_property(name, atoms)
            assert got == pytest.approx(value[0].numpy(), rel=1e-8, abs=1e-9), name


def test_forces_are_the_gradient(water: Atoms, model: Path) -> None:
    water.calc = PaiNNCalculator(model)
    forces, shift = water.get_forces(), 1e-4
    for atom, axis in np.ndindex(3, 3):
        energies = []
        for sign in (1, -1):
            moved = water.copy()
            moved.calc = water.calc
            moved.positions[atom, axis] += sign * shift
            energies.append(moved.get_potential_energy())
        assert forces[atom, axis] == pytest.approx((energies[1] - energies[0]) / (2 * shift), abs=1e-6)


def test_only_what_is_asked_for(water: Atoms) -> None:
    asked = []
    toy = Toy("water")
    toy.register_forward_pre_hook(lambda _, arguments: asked.append(arguments[2]))
    water.calc = PaiNNCalculator(toy)
    water.get_forces()
    water.get_potential_energy()
    assert asked == [(keys.ENERGY, keys.FORCES)]
    water.get_dipole_moment()
    assert asked[1:] == [keys.PROPERTIES]


def test_optimisers_work(water: Atoms) -> None:
    water.rattle(0.05, seed=1)
    water.calc = PaiNNCalculator(Toy("water"))
    assert BFGS(water, logfile=None).run(fmax=1e-4, steps=100)
    geometry = np.array(GEOMETRIES["water"][1])
    assert water.get_distance(0, 1) == pytest.approx(np.linalg.norm(geometry[0] - geometry[1]), abs=1e-4)


def test_infrared_of_ase_gives_our_sticks(water: Atoms, tmp_path: Path) -> None:
    water.calc = calculator = PaiNNCalculator(Toy("water"))
    assert BFGS(water, logfile=None).run(fmax=1e-6, steps=100)
    theirs = Infrared(water, name=str(tmp_path / "ir"), delta=STEP_A)
    theirs.run()
    frequencies = theirs.get_frequencies().real[-3:]  # after translations and rotations
    found = derivatives(
        predict(calculator.potential, water.numbers, displaced(water.positions), keys.PROPERTIES)
    )
    ours = sticks(
        found.hessian, found.dipole, found.polarizability, water.positions, atomic_masses[water.numbers]
    )
    assert frequencies == pytest.approx(ours.wavenumber_cm, rel=1e-5)
    golden = 42.2561  # km/mol per (D/Å)²/amu
    assert golden * theirs.intensities[-3:] == pytest.approx(ours.infrared, rel=1e-4)


def test_unknown_element_is_one_line(model: Path) -> None:
    atoms = Atoms("CH2O", np.eye(4, 3), calculator=PaiNNCalculator(model))
    with pytest.raises(InputError, match="element C: the model knows H, O only"):
        atoms.get_potential_energy()


def test_periodic_atoms_are_refused(water: Atoms, model: Path) -> None:
    water.calc = PaiNNCalculator(model)
    water.set_cell([3.0, 3.0, 3.0])
    water.pbc = True
    with pytest.raises(InputError, match="the atoms are periodic; only molecules in free space"):
        water.get_potential_energy()
