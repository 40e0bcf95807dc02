"""What SchNetPack 2.1.1 predicts with our weights, in float64: makes tests/data/schnetpack.npz.

    make parity    builds SchNetPack's environment in .peers/, then python -m benchmarks.parity

Weights are a closed form of their place, so that paper-sized models cost nothing to keep. Molecules lie with
the centre of their standard masses at the origin, and once more moved away from it.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from ase.build import molecule
from ase.data import atomic_masses
from torch import nn

from benchmarks.steps import ROOT
from painn_spectra.model.potential import Potential

STORED = ROOT / "tests/data/schnetpack.npz"
PEER_PYTHON = ROOT / ".peers/schnetpack/bin/python"
SHIFT_A = np.array([3.0, -2.0, 1.5])
CASES = {  # name: width, layers, radial functions, cutoff in Å
    "paper": (128, 3, 20, 5.0),
    "short": (32, 3, 20, 2.7),  # the cutoff of the paper's ethanol model: not every pair is seen
    "small": (16, 2, 8, 4.0),
}
MOLECULES = {"H2O": 0, "CH3CH2OH": 0, "C6H6": 0, "CH3SH": 0, "CH3CONH2": 0, "CH3O": -1, "NH3": 1}  # : charge


def set_weights(potential: nn.Module) -> None:
    """Weights by place, as large as a fresh model's: √(3/n_in) sin(k² + k/7 + p), p the parameter's rank."""
    for place, weight in enumerate(potential.parameters()):
        k = torch.arange(weight.numel(), dtype=torch.float64) % 9973  # squares stay exact enough for sin
        size = (3 / weight.shape[-1]) ** 0.5 if weight.dim() > 1 else 0.1
        values = size * torch.sin(k * k % 9967 + k / 7 + place)
        weight.data = values.reshape(weight.shape).to(weight.dtype)


def potential_of(name: str, charge: int = 0) -> Potential:
    """Our model of a case, in float64."""
    n_features, n_layers, n_radial, cutoff_A = CASES[name]
    potential = Potential(n_features, n_layers, n_radial, cutoff_A, atomic_masses, charge).double()
    set_weights(potential)
    return potential.eval()


def geometries() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Atomic numbers (n_atoms,) and positions (n_atoms, 3) | Å, off their symmetry."""
    rng = np.random.default_rng(0)
    for name in MOLECULES:
        atoms = molecule(name)
        positions = atoms.positions + 0.05 * rng.standard_normal((len(atoms), 3))
        masses = atomic_masses[atoms.numbers]
        yield atoms.numbers.astype(np.int64), positions - masses @ positions / masses.sum()


def main() -> None:
    frames = {}
    for k, (numbers, positions) in enumerate(geometries()):
        frames |= {f"numbers_{k}": numbers, f"positions_{k}": positions}
    charges = np.array(list(MOLECULES.values()))
    stored = {**frames, "charges": charges, "shift_A": SHIFT_A}
    with tempfile.TemporaryDirectory() as folder:
        for name, (_, n_layers, _, cutoff_A) in CASES.items():
            parameters = potential_of(name).named_parameters()
            weights = {f"w:{key}": value.detach().numpy() for key, value in parameters}
            sizes = {"n_layers": n_layers, "cutoff_A": cutoff_A, "n_molecules": len(charges)}
            np.savez(Path(folder) / f"{name}.case.npz", **weights, **stored, **sizes)
        subprocess.run([PEER_PYTHON, ROOT / "benchmarks/parity_peer.py", folder], check=True)
        for name in CASES:
            with np.load(Path(folder) / f"{name}.answer.npz") as answers:
                stored |= {f"{name}:{key}": answers[key] for key in answers.files}
    STORED.parent.mkdir(exist_ok=True)
    np.savez_compressed(STORED, **stored)
    print(f"{STORED.relative_to(ROOT)}: {STORED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
