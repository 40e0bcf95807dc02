"""Cost of a step per atom against the size of the system, and per replica against their number.

    python -m benchmarks.sizes [--features 128]

Energy and forces of clusters of ethanol at the liquid's density, one replica; then of ethanol alone, many
replicas. CPU microseconds of one core, medians; small clusters have fewer pairs per atom.
"""

import argparse
import statistics

import numpy as np
import torch
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from benchmarks.steps import ETHANOL, Dynamics, fresh, seconds_per_step
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.model.engine import Engine
from painn_spectra.model.potential import Potential

SPACING_A = 4.59  # 97 Å³ per molecule
MOLECULES = (1, 11, 22, 56, 111, 222)
REPLICAS = (1, 4, 16, 64, 256)
ROUNDS = 7


def cluster(frames: Frames, n_molecules: int) -> Frames:
    """The nearest sites of a cubic lattice to its middle, a turned molecule on each."""
    edge = np.arange(-4, 5)
    sites = np.stack(np.meshgrid(edge, edge, edge), axis=-1).reshape(-1, 3)
    sites = sites[np.argsort((sites**2).sum(1), kind="stable")][:n_molecules]
    own = frames.positions[:n_molecules] - frames.positions[:n_molecules].mean(1, keepdims=True)
    turns = Rotation.random(n_molecules, rng=np.random.default_rng(0)).as_matrix()
    positions = np.einsum("mxy,may->max", turns, own) + SPACING_A * sites[:, None]
    numbers = np.tile(frames.numbers[0], n_molecules)
    return Frames(numbers[None], positions.reshape(1, -1, 3), {}, np.zeros(1, str))


def microseconds(potential: Potential, frames: Frames, n_replicas: int) -> tuple[float, float]:
    """CPU time of a step, and pairs per atom."""
    dynamics = Dynamics(potential, frames, n_replicas, 10**9)
    assert isinstance(dynamics.potential, Engine)
    dynamics.run()
    n_atoms = frames.numbers.shape[1]
    n_steps = max(1, 200 // (n_atoms * n_replicas))
    cost = statistics.median(seconds_per_step(dynamics, n_steps) for _ in range(ROUNDS))
    distances = pdist(frames.positions[0])
    return 1e6 * cost, int((distances < potential.painn.cutoff_A).sum()) / n_atoms


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=128)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frames = read_frames(ETHANOL)
    potential = fresh(arguments.features, frames)
    print("| atoms | pairs per atom | µs per atom |\n|---|---|---|")
    for n_molecules in MOLECULES:
        one = cluster(frames, n_molecules)
        cost, pairs = microseconds(potential, one, 1)
        n_atoms = one.numbers.shape[1]
        print(f"| {n_atoms} | {pairs:.1f} | {cost / n_atoms:.1f} |", flush=True)
    print("\n| replicas of ethanol | µs per replica |\n|---|---|")
    for n_replicas in REPLICAS:
        cost, _ = microseconds(potential, frames, n_replicas)
        print(f"| {n_replicas} | {cost / n_replicas:.0f} |", flush=True)


if __name__ == "__main__":
    main()
