"""The torch model on a device: replicas of ethanol in thousands, batches of 50 molecules of QM9's size.

    python -m benchmarks.device [--device cuda] [--features 128] [--replicas 16 64 1024 4096]

prints wall-clock milliseconds, medians, after the device has finished. The same code runs on a CPU, where the
dynamics itself takes the engine instead.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from ase.data import atomic_masses
from rdkit import Chem
from rdkit.Chem import AllChem

from benchmarks.steps import ETHANOL, TIMESTEP_FS, fresh
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.md.integrators import ENERGY_AND_FORCES, evaluate, verlet_step
from painn_spectra.md.state import State
from painn_spectra.model.device import pick_device
from painn_spectra.model.potential import Potential

QM9_LIKE = (
    "CC1CC1(C)C=O", "c1ccc(O)cc1", "CC(C)(C)CC#N", "OCC1CCCO1", "NC(=O)C1CCC1", "CC1=NOC(=N1)C",
    "C1CC2CCC1C2", "CCOC(=O)CC", "CN1C=CC(=O)C1", "OC1C2CC1C2O",
)  # fmt: skip
N_MOLECULES, ROUNDS = 50, 7


def milliseconds(step: Callable[[], object], device: str, n_steps: int) -> float:
    """Wall-clock time of one step, the device's queue empty before and after."""
    times = []
    for _ in range(ROUNDS):
        if device == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(n_steps):
            step()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - began) / n_steps)
    return 1e3 * statistics.median(times)


def replicas(potential: Potential, frames: Frames, n: int, device: str) -> Callable[[], object]:
    """A step of velocity Verlet of n replicas, energy and forces."""
    chosen = np.arange(n) % len(frames)
    numbers, positions, masses = (
        torch.as_tensor(array, device=device)
        for array in (frames.numbers[chosen], frames.positions[chosen], atomic_masses[frames.numbers[0]])
    )
    zero = torch.zeros_like(positions)
    state = State(tuple(range(n)), numbers, masses[:, None], positions, zero, zero, zero[:, 0, 0])
    evaluate(state, potential)
    return lambda: verlet_step(state, potential, TIMESTEP_FS)


def molecules(potential: Potential, device: str) -> Callable[[], object]:
    """Energy and forces of different molecules, padded to the largest."""
    found = [Chem.AddHs(Chem.MolFromSmiles(QM9_LIKE[k % len(QM9_LIKE)])) for k in range(N_MOLECULES)]
    n_atoms = max(molecule.GetNumAtoms() for molecule in found)
    numbers, positions = np.zeros((N_MOLECULES, n_atoms), int), np.zeros((N_MOLECULES, n_atoms, 3))
    for k, molecule in enumerate(found):
        AllChem.EmbedMolecule(molecule, randomSeed=k + 1)
        numbers[k, : molecule.GetNumAtoms()] = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
        positions[k, : molecule.GetNumAtoms()] = molecule.GetConformer().GetPositions()
    z, r = torch.as_tensor(numbers, device=device), torch.as_tensor(positions, device=device)
    return lambda: potential(z, r, ENERGY_AND_FORCES)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--replicas", type=int, nargs="+", default=[16, 64, 1024, 4096])
    arguments = parser.parse_args()
    device = pick_device(arguments.device)
    torch.set_num_threads(1)
    frames = read_frames(ETHANOL)
    potential = fresh(arguments.features, frames).to(device)
    for n in arguments.replicas:
        cost = milliseconds(replicas(potential, frames, n, device), device, 5)
        print(
            f"{device}: {n} replicas, {cost:.2f} ms a step, {1e3 * n / cost:.3g} replica-steps/s", flush=True
        )
    cost = milliseconds(molecules(potential, device), device, 5)
    print(f"{device}: {N_MOLECULES} molecules of QM9's size, {cost:.1f} ms")


if __name__ == "__main__":
    main()
