"""MACE and TorchANI with random weights, in an environment of their own; asked by `orientation.py`.

Answers each JSON line [program, n_steps, n_replicas] of standard input by one, the CPU seconds of an
evaluation of energy and forces of so many copies of ethanol.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
import torchani
from ase.build import molecule
from e3nn import o3
from mace import data, modules, tools
from mace.tools import torch_geometric

CUTOFF_A = 5.0
ETHANOL = molecule("CH3CH2OH")


def mace(n_replicas: int) -> Callable[[], None]:
    """Two layers of 128 scalars and 128 vectors, correlation 3, as its smaller published models."""
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = modules.ScaleShiftMACE(
        r_max=CUTOFF_A, num_bessel=8, num_polynomial_cutoff=5, max_ell=3, interaction_cls=block,
        interaction_cls_first=block, num_interactions=2, num_elements=3, correlation=3, radial_type="bessel",
        hidden_irreps=o3.Irreps("128x0e+128x1o"), MLP_irreps=o3.Irreps("16x0e"), avg_num_neighbors=8,
        gate=torch.nn.functional.silu, atomic_energies=np.zeros(3), atomic_numbers=[1, 6, 8],
        atomic_inter_scale=1.0, atomic_inter_shift=0.0,
    )  # fmt: skip
    one = data.AtomicData.from_config(
        data.config_from_atoms(ETHANOL), tools.AtomicNumberTable([1, 6, 8]), CUTOFF_A
    )
    loader = torch_geometric.dataloader.DataLoader([one] * n_replicas, batch_size=n_replicas)
    batch = next(iter(loader)).to_dict()
    return lambda: model(batch, compute_force=True)


def torch_ani(n_replicas: int) -> Callable[[], None]:
    """One network per element; the published models have eight of them."""
    model = torchani.arch.simple_ani(("H", "C", "O"), lot="wb97x-631gd", ensemble_size=1)
    numbers = torch.tensor(ETHANOL.numbers).repeat(n_replicas, 1)
    positions = torch.tensor(ETHANOL.positions, dtype=torch.float32).repeat(n_replicas, 1, 1)

    def run() -> None:
        moved = positions.clone().requires_grad_()
        torch.autograd.grad(model((numbers, moved)).energies.sum(), moved)

    return run


@cache
def build(program: str, n_replicas: int) -> Callable[[], None]:
    return {"MACE": mace, "TorchANI": torch_ani}[program](n_replicas)


def main() -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    for line in sys.stdin:
        program, n_steps, n_replicas = json.loads(line)
        run = build(program, n_replicas)
        began = time.process_time()
        for _ in range(n_steps):
            run()
        print("answer " + json.dumps((time.process_time() - began) / n_steps), flush=True)


if __name__ == "__main__":
    main()
