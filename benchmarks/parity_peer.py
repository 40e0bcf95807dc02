"""SchNetPack's answers in float64 to the cases of `parity.py`, in SchNetPack's own environment.

python parity_peer.py FOLDER reads FOLDER/*.case.npz and writes FOLDER/*.answer.npz.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from schnetpack import properties as names
from schnetpack.transform import TorchNeighborList
from schnetpack_peer import mapped
from torch import nn


def predict(potential: nn.Module, z: np.ndarray, r: np.ndarray, cutoff_A: float, charge: int) -> dict:
    """Of one molecule; positions reach their read-outs as they are."""
    item = {
        names.n_atoms: torch.tensor([len(z)]),
        names.Z: torch.as_tensor(z),
        names.R: torch.as_tensor(r),
        names.cell: torch.zeros(1, 3, 3),
        names.pbc: torch.zeros(3, dtype=torch.bool),
    }
    item = TorchNeighborList(cutoff_A)(item)
    item |= {
        names.idx_m: torch.zeros(len(z), dtype=torch.long),
        names.total_charge: torch.tensor([float(charge)]),
    }
    out = potential(item)
    shown = {"energy": names.energy, "forces": names.forces, "dipole": names.dipole_moment,
             "polarizability": names.polarizability}  # fmt: skip
    return {ours: out[theirs].detach().numpy().squeeze() for ours, theirs in shown.items()}


def main() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    for path in sorted(Path(sys.argv[-1]).glob("*.case.npz")):
        with np.load(path) as file:
            case = {name: file[name] for name in file.files}
        weights = {name[2:]: torch.as_tensor(v) for name, v in case.items() if name.startswith("w:")}
        cutoff_A = float(case["cutoff_A"])
        potential = mapped(weights, int(case["n_layers"]), cutoff_A, True).double().eval()
        potential.representation.cutoff_fn.cutoff.fill_(cutoff_A)  # they keep it in float32
        answers = {}
        for k in range(int(case["n_molecules"])):
            z, r = case[f"numbers_{k}"], case[f"positions_{k}"]
            for kind, origin in (("", np.zeros(3)), ("_moved", case["shift_A"])):
                found = predict(potential, z, r + origin, cutoff_A, int(case["charges"][k]))
                answers |= {f"{name}{kind}_{k}": value for name, value in found.items()}
        np.savez(path.with_name(path.name.replace(".case", ".answer")), **answers)


if __name__ == "__main__":
    main()
