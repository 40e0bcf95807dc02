"""The fast engine of the dynamics is the same function as the torch model."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.data import atomic_masses
from ase.neighborlist import neighbor_list
from torch import nn

from painn_spectra import keys
from painn_spectra.md.integrators import evaluate, verlet_step
from painn_spectra.md.state import State, kinetic_energy, thermal_velocities
from painn_spectra.model.checkpoint import load_model, save_model
from painn_spectra.model.compiled import Compiled
from painn_spectra.model.fastest import fastest
from painn_spectra.model.potential import Potential

pytest.importorskip("numba")
from painn_spectra.model.engine import BLOCK_ATOMS, Engine
from painn_spectra.model.neighbours import CELLS_FROM_ATOMS, find_pairs

ENERGY_AND_FORCES = (keys.ENERGY, keys.FORCES)


def potential(n_features: int = 32, n_layers: int = 3, charge: int = 0, **changes: float) -> Potential:
    """Random weights, biases too, and offsets and scales as a training sets them."""
    torch.manual_seed(n_features + n_layers)
    settings = {"n_radial": 20, "cutoff_A": 5.0, "norm_epsilon": 0.03} | changes
    new = Potential(n_features, n_layers, standard_masses_amu=atomic_masses, charge=charge, **settings)
    for parameter in new.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, std=0.2)
    new.energy_offset_eV.copy_(torch.linspace(-1, -2000, 95))
    new.polarizability_offset_A3.fill_(0.7)
    new.energy_scale_eV.fill_(1.4)
    new.dipole_scale_eA.fill_(0.3)
    new.polarizability_scale_A3.fill_(0.9)
    return new.eval()


def replicas(name: str, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers and positions | Å of shaken copies."""
    atoms = molecule(name)
    shaken = atoms.positions + 0.08 * np.random.default_rng(n).standard_normal((n, len(atoms), 3))
    return torch.as_tensor(atoms.numbers).expand(n, -1), torch.as_tensor(shaken)


def largest_errors(model: Potential, name: str, n: int) -> dict[str, float]:
    """Of each property, relative to its largest component (energies: to their spread)."""
    numbers, positions = replicas(name, n)
    wanted, got = model(numbers, positions), Engine(model)(numbers, positions)
    assert got.keys() == wanted.keys()
    assert all(got[k].shape == wanted[k].shape and got[k].dtype == wanted[k].dtype for k in wanted)
    net = wanted[keys.ENERGY] - model.energy_offset_eV[numbers].sum(1)
    unit = {k: float(v.abs().max()) for k, v in wanted.items()} | {keys.ENERGY: float(net.abs().max())}
    return {k: float((got[k] - wanted[k]).abs().max()) / unit[k] for k in wanted}


MODELS = [
    ("CH3CH2OH", 64, 3, 0),
    ("H2O", 128, 1, 1),
    ("CH3CH2OH", 128, 2, 0),
    ("C6H6", 16, 4, -1),  # pairs beyond the cutoff
    ("HCl", 48, 3, 0),
]


@pytest.mark.parametrize(("name", "n_features", "n_layers", "charge"), MODELS)
def test_same_numbers(name: str, n_features: int, n_layers: int, charge: int) -> None:
    """In float64 only the tables differ, by less than 1e-9: so the gradient is that of the energy."""
    model = potential(n_features, n_layers, charge)
    assert max(largest_errors(model.double(), name, 3).values()) < 1e-9
    single = largest_errors(model.float(), name, 3)
    assert single[keys.FORCES] < 1e-5 and single[keys.ENERGY] < 1e-5
    assert single[keys.DIPOLE] < 1e-4 and single[keys.POLARIZABILITY] < 1e-5  # benzene's dipole cancels


def test_close_and_far_atoms() -> None:
    """Overlapping atoms, a pair on the cutoff, atoms alone: nothing the tables or the list cannot hold."""
    model = potential(16, 2, cutoff_A=3.0).double()
    numbers = torch.tensor([[1, 6, 8]])
    for distances in ((0.02, 0.5), (3.0, 1.0), (3.0 - 1e-13, 2.99), (50.0, 9.0)):
        positions = torch.tensor([[[0.0, 0, 0], [distances[0], 0, 0], [0, distances[1], 0]]]).double()
        wanted, got = (m(numbers, positions, ENERGY_AND_FORCES) for m in (model, Engine(model)))
        assert torch.allclose(got[keys.FORCES], wanted[keys.FORCES], rtol=1e-8, atol=1e-9), distances
        assert torch.allclose(got[keys.ENERGY], wanted[keys.ENERGY], rtol=0, atol=1e-9), distances


def test_forces_are_the_gradient_of_the_energy() -> None:
    """By central differences of the engine's own float64 energy: tables and derivative belong together."""
    engine = Engine(potential(16, 3).double())
    numbers, positions = replicas("CH3CH2OH", 1)
    forces = engine(numbers, positions, ENERGY_AND_FORCES)[keys.FORCES]
    direction = torch.as_tensor(np.random.default_rng(0).standard_normal(positions.shape))
    ahead, behind = (engine(numbers, positions + h * direction, (keys.ENERGY,)) for h in (1e-5, -1e-5))
    slope = float(ahead[keys.ENERGY] - behind[keys.ENERGY]) / 2e-5
    assert -float((forces * direction).sum()) == pytest.approx(slope, rel=1e-6)


def test_blocks_repeat_bitwise() -> None:
    """The same call gives the same bits: a run that goes on after a kill does not fork."""
    model = potential(16, 2).float()
    numbers, positions = replicas("CH3CH2OH", BLOCK_ATOMS // 9 + 3)  # more than one block
    engine = Engine(model)
    first = engine(numbers, positions)
    engine(numbers[:5], positions[:5] + 0.1, ENERGY_AND_FORCES)
    engine(*replicas("H2O", 2))  # another molecule in between
    for again in (engine(numbers, positions), Engine(model)(numbers, positions)):
        assert all(torch.equal(first[name], again[name]) for name in first)
    one = engine(numbers[-1:], positions[-1:])  # and in whatever company
    assert all(torch.equal(first[name][-1:], one[name]) for name in first)


def pairs_of(positions: np.ndarray, cutoff_A: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs as `find_pairs` has them, and their directions over their distances."""
    pairs, places = np.zeros((60 * len(positions), 3), np.int64), np.zeros((60 * len(positions), 5))
    n_pairs = find_pairs(positions[None], cutoff_A, 79, pairs, places)
    assert n_pairs <= len(pairs)
    return pairs[:n_pairs], places[:n_pairs, 1:4] / places[:n_pairs, 4:]


@pytest.mark.parametrize("shape_A", [(25.0, 25.0, 25.0), (300.0, 3.0, 8.0), (2000.0, 2000.0, 2000.0)])
@pytest.mark.parametrize("n_atoms", [CELLS_FROM_ATOMS - 1, CELLS_FROM_ATOMS, 3 * CELLS_FROM_ATOMS])
def test_pairs_are_those_of_ase(n_atoms: int, shape_A: tuple[float, float, float]) -> None:
    """Both searches, in boxes, rods and voids."""
    positions = np.random.default_rng(n_atoms).uniform(size=(n_atoms, 3)) * shape_A - 7.0
    pairs, vectors = pairs_of(positions, 4.0)
    wanted = set(zip(*neighbor_list("ij", Atoms(positions=positions), 4.0), strict=True))
    found = {(int(i), int(j)) for i, j, _ in pairs}
    assert len(found) == len(pairs) and found | {(j, i) for i, j in found} == wanted
    assert np.allclose(vectors, positions[pairs[:, 1]] - positions[pairs[:, 0]], atol=1e-12)


def test_cells_hold_positions_that_are_not_finite() -> None:
    positions = np.random.default_rng(0).uniform(size=(CELLS_FROM_ATOMS, 3))
    for broken in (np.nan, np.inf):
        positions[7, 1] = broken
        assert len(pairs_of(positions, 4.0)[0]) == 0


def test_large_molecule() -> None:
    """More pairs than were reserved, each atom's share as of the molecule alone: copies far apart."""
    model = potential(16, 2).double()
    atoms = molecule("C60")
    copies = [atoms.positions + np.array([60.0 * k, 0, 0]) for k in range(8)]
    numbers = torch.as_tensor(np.tile(atoms.numbers, 8))[None]
    out = Engine(model)(numbers, torch.as_tensor(np.concatenate(copies))[None], ENERGY_AND_FORCES)
    alone = model(numbers[:, :60], torch.as_tensor(atoms.positions)[None], ENERGY_AND_FORCES)
    assert float(out[keys.ENERGY]) == pytest.approx(8 * float(alone[keys.ENERGY]), rel=1e-12)
    assert torch.allclose(out[keys.FORCES].view(8, 60, 3), alone[keys.FORCES], atol=1e-8)


def drift(model: nn.Module, start: State, n_steps: int) -> np.ndarray:
    """Change of each replica's total energy over a run of 0.25 fs steps | eV, (n_replicas,)."""
    state = State(**vars(start))
    evaluate(state, model)
    energies = []
    for _ in range(n_steps):
        verlet_step(state, model, 0.25)
        energies.append(state.potential_energy + kinetic_energy(state.velocities, state.masses_amu))
    series = torch.stack(energies).numpy()
    return series[-n_steps // 4 :].mean(0) - series[: n_steps // 4].mean(0)


def test_energy_is_conserved_as_by_the_torch_model() -> None:
    """Single precision, the same starts: both drifts are zero within the same float32 noise."""
    model = potential(16, 2).float()
    numbers, positions = replicas("H2O", 16)
    masses = torch.as_tensor(atomic_masses[numbers[0].numpy()])[:, None]
    zero = torch.zeros_like(positions)
    start = State(tuple(range(16)), numbers, masses, positions, zero, zero, zero[:, 0, 0])
    start.velocities = thermal_velocities(start, 300.0, seed=1)
    slow, fast = drift(model, start, 400), drift(Engine(model), start, 400)
    kinetic = float(kinetic_energy(start.velocities, masses).mean())
    # velocity Verlet lets the energy swing by some 1e-3 of the kinetic one; forces that differ by 1e-6
    # part the two by a thousandth of that in 400 steps
    assert np.abs(slow).max() < 5e-3 * kinetic
    assert np.abs(fast - slow).max() < 1e-5 * kinetic


def test_dynamics_takes_the_engine_where_it_fits(tmp_path: Path) -> None:
    save_model(tmp_path / "model.pt", potential(16, 2), {"elements": [1, 8]})
    engine = fastest(load_model(tmp_path / "model.pt"))
    assert isinstance(engine, Engine)
    assert engine.charge == 0 and engine.metadata["elements"] == [1, 8]
    assert isinstance(fastest(potential(10, 1)), Potential)  # 10 features: not by sixteens
    other = nn.Identity()
    assert fastest(other) is other


def test_a_gpu_takes_the_compiled_potential() -> None:
    assert isinstance(fastest(potential(16, 1).to("meta")), Compiled)


def test_compiled_potential_is_the_plain_one(capsys: pytest.CaptureFixture) -> None:
    """The tracing is that for a GPU; its code generator is left out. Results are the caller's own."""
    model = potential(16, 2).double().eval()
    compiled = Compiled(model, backend="aot_eager", patience=1)
    numbers, positions = replicas("H2O", 3)
    for properties in (ENERGY_AND_FORCES, keys.PROPERTIES):
        outs = [compiled(numbers, positions + 0.01 * k, properties) for k in range(3)]
        for k, out in enumerate(outs):
            expected = model(numbers, positions + 0.01 * k, properties)
            for name in properties:
                assert torch.allclose(out[name], expected[name], rtol=0, atol=1e-12), name
                assert not out[name].requires_grad
    assert not compiled.fails and not capsys.readouterr().err


def test_what_does_not_compile_goes_on(capsys: pytest.CaptureFixture) -> None:
    def broken(graph: object, inputs: object) -> object:
        raise RuntimeError("no compiler here")

    model = potential(16, 1).eval()
    numbers, positions = replicas("H2O", 2)
    compiled = Compiled(model, backend=broken, patience=0)
    expected = model(numbers, positions, ENERGY_AND_FORCES)[keys.FORCES]
    for _ in range(2):
        assert torch.equal(compiled(numbers, positions, ENERGY_AND_FORCES)[keys.FORCES], expected)
    assert capsys.readouterr().err.count("dynamics step not compiled") == 1


def test_without_numba_torch_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "painn_spectra.model.engine", None)
    assert isinstance(fastest(potential(16, 1)), Potential)
    assert "several times slower" in capsys.readouterr().err


def test_explosion_shows() -> None:
    """Not-a-number in, not-a-number out: the dynamics' check must see it."""
    numbers, positions = replicas("H2O", 2)
    positions[1, 0, 0] = float("nan")
    out = Engine(potential(16, 2).float())(numbers, positions, ENERGY_AND_FORCES)
    assert not torch.isfinite(out[keys.ENERGY][1]) and torch.isfinite(out[keys.ENERGY][0])


PRODUCTS = """
import numpy as np
from painn_spectra.model.lanes import LANES
from painn_spectra.model.matrix_unit import granted
from painn_spectra.model.products import ADD, FROM_BIAS, ZERO, packed, product
random = np.random.default_rng(0)
for n_rows, n_in in ((1, 16), (5, 144), (12, 48), (13, 144), (151, 144)):
    shapes = ((n_rows, n_in), (n_in, 80), 80, (n_rows, 80))
    x, matrix, bias, out = (random.normal(size=shape).astype("f") for shape in shapes)
    limit = (2**-20 + 2**-15 * granted()) * (np.abs(x) @ np.abs(matrix))
    for begin, start in ((ZERO, 0), (FROM_BIAS, bias), (ADD, out)):
        expected = x.astype("d") @ matrix + start
        product(n_rows, x, packed(matrix), bias, begin, out)
        assert (np.abs(out - expected) < limit).all(), (n_rows, begin)
        out[:] = expected
print(LANES, granted())
"""


@pytest.mark.parametrize("lanes", ["8", "16", None])
def test_products_of_another_processor(lanes: str | None) -> None:
    """Tiles of all shapes, rows that fill none of them; what is lost of both l is 2⁻¹⁶ of a term each."""
    environment = {name: value for name, value in os.environ.items() if name != "PAINN_SPECTRA_LANES"}
    ran = subprocess.run(
        [sys.executable, "-c", PRODUCTS], env=environment | ({"PAINN_SPECTRA_LANES": lanes} if lanes else {}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert lanes is None or ran.stdout == f"{lanes} False\n"
    if lanes is None and ran.stdout != "16 True\n":
        pytest.skip("this processor has no matrix unit")
