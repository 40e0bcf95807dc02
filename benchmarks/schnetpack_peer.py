"""SchNetPack with the geometries and weights of `peer_speed.py`, in SchNetPack's own environment.

python schnetpack_peer.py FOLDER answers each JSON line of standard input by one: what the request asks for is
built at its first time; the answer is CPU seconds per step, or predictions.
"""

import json
import sys
import time
from functools import cache
from pathlib import Path

import ase
import numpy as np
import schnetpack as spk
import torch
from schnetpack import properties as names
from schnetpack.data.loader import _atoms_collate_fn
from schnetpack.md import System
from schnetpack.md.calculators import SchNetPackCalculator
from schnetpack.md.integrators import VelocityVerlet
from schnetpack.md.neighborlist_md import NeighborListMD
from schnetpack.transform import CastTo32, TorchNeighborList
from torch import nn

FOLDER = Path(sys.argv[-1])
CUTOFF_A, SHELL_A, N_LAYERS, TIMESTEP_FS = 5.0, 2.0, 3, 0.1  # the shell: SchNetPack's default


def swapped(value: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """Blocks of rows in another order."""
    parts = value.chunk(len(order))
    return torch.cat([parts[k] for k in order])


def load_dense(module: nn.Module, weights: dict[str, torch.Tensor], prefix: str, *order: int) -> None:
    """Dense SiLU Dense: layers 0 and 2 of ours, 0 and 1 of theirs."""
    for ours, theirs in (("0", module[0]), ("2", module[1])):
        for kind in ("weight", "bias"):
            value = weights[f"{prefix}.{ours}.{kind}"]
            getattr(theirs, kind).data = swapped(value, order) if order and ours == "2" else value


def mapped(w: dict[str, torch.Tensor], n_layers: int, cutoff_A: float, electric: bool) -> nn.Module:
    """Our architecture and weights from their modules."""
    n_features, n_radial = w["painn.embedding.weight"].shape[1], w["painn.filters.weight"].shape[1]
    painn = spk.representation.PaiNN(
        n_features, n_layers, spk.nn.BesselRBF(n_radial, cutoff_A), spk.nn.CosineCutoff(cutoff_A)
    )
    painn.embedding.weight.data[1:95] = w["painn.embedding.weight"]
    painn.filter_net.weight.data, painn.filter_net.bias.data = (
        w["painn.filters.weight"],
        w["painn.filters.bias"],
    )
    for k in range(n_layers):
        load_dense(painn.interactions[k].interatomic_context_net, w, f"painn.messages.{k}.phi")
        load_dense(painn.mixing[k].intraatomic_context_net, w, f"painn.updates.{k}.a", 0, 2, 1)  # ss, vv, sv
        painn.mixing[k].mu_channel_mix.weight.data = swapped(w[f"painn.updates.{k}.mix.weight"], (1, 0))
    energy = spk.atomistic.Atomwise(n_features, output_key=names.energy)
    load_dense(energy.outnet, w, "energy_head.net")
    tensors: list[nn.Module] = []
    if electric:
        dipole = spk.atomistic.DipoleMoment(n_features, use_vector_representation=True)
        tensors = [dipole, spk.atomistic.Polarizability(n_features)]
        for head, name in zip(tensors, ("dipole", "polarizability"), strict=True):
            for block, part in zip(head.outnet, ("first", "second"), strict=True):
                load_dense(block.scalar_net, w, f"{name}_head.atomic.{part}.net")
                block.mix_vectors.weight.data = w[f"{name}_head.atomic.{part}.mix.weight"]
    return spk.model.NeuralNetworkPotential(
        painn,
        input_modules=[spk.atomistic.PairwiseDistances()],
        output_modules=[energy, *tensors, spk.atomistic.Forces()],
    )


@cache
def model(n_features: int, electric: bool) -> nn.Module:
    with np.load(FOLDER / f"weights_{n_features}.npz") as file:
        w = {name: torch.as_tensor(file[name]) for name in file.files}
    return mapped(w, N_LAYERS, CUTOFF_A, electric)


@cache
def frames(molecule: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(FOLDER / f"{molecule}.npz") as file:
        return file["numbers"], file["positions"]


class Dynamics:
    """Their system, integrator and calculator, driven as their simulator does, without its hooks."""

    def __init__(self, molecule: str, n_features: int, n_replicas: int, interval: int) -> None:
        numbers, positions = frames(molecule)
        self.interval, self.step = interval, 0
        self.system = System()
        self.system.load_molecules(ase.Atoms(numbers, positions[0]), n_replicas)
        to_internal = self.system.positions[0] / torch.as_tensor(positions[0], dtype=torch.float32)
        unit = float(to_internal[torch.isfinite(to_internal)].median())
        chosen = positions[np.arange(n_replicas) % len(positions)]
        self.system.positions = torch.as_tensor(chosen * unit, dtype=torch.float32)
        self.integrator = VelocityVerlet(TIMESTEP_FS)
        self.calculators = []
        for electric in (False, True):
            path = FOLDER / f"model_{n_features}_{electric}.pt"
            torch.save(model(n_features, electric), path)
            wanted = [names.dipole_moment, names.polarizability] if electric else []
            neighbours = NeighborListMD(CUTOFF_A, SHELL_A, TorchNeighborList)
            new = SchNetPackCalculator(
                str(path),
                names.forces,
                "eV",
                "Angstrom",
                neighbours,
                names.energy,
                required_properties=wanted,
            )
            self.calculators.append(new.to(torch.float32))
            new.calculate(self.system)

    def run(self) -> None:
        self.step += 1
        self.integrator.half_step(self.system)
        self.integrator.main_step(self.system)
        self.calculators[self.step % self.interval == 0].calculate(self.system)
        self.integrator.half_step(self.system)


def batch(molecule: str, n_frames: int) -> dict[str, torch.Tensor]:
    """Their input of the first frames, neighbours included."""
    numbers, positions = frames(molecule)
    one = []
    for r in positions[:n_frames]:
        item = {
            names.n_atoms: torch.tensor([len(numbers)]),
            names.Z: torch.as_tensor(numbers),
            names.R: torch.as_tensor(r),
            names.cell: torch.zeros(1, 3, 3, dtype=torch.float64),
            names.pbc: torch.zeros(3, dtype=torch.bool),
        }
        one.append(CastTo32()(TorchNeighborList(CUTOFF_A)(item)))
    return _atoms_collate_fn(one)


class Training:
    """A step of joint training on a batch that is at hand, neighbours too."""

    def __init__(self, molecule: str, n_features: int, n_frames: int) -> None:
        self.model = model(n_features, True)
        self.batch = batch(molecule, n_frames)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-9)

    def run(self) -> None:
        out = self.model.train()(dict(self.batch))
        loss = sum(value.square().mean() for value in out.values())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def predictions(molecule: str, n_features: int, n_frames: int) -> dict[str, list]:
    """Of the first frames."""
    out = model(n_features, True).eval()(batch(molecule, n_frames))
    return {name: value.detach().tolist() for name, value in out.items()}


build = cache(lambda kind, *arguments: {"md": Dynamics, "training": Training}[kind](*arguments))


def main() -> None:
    torch.set_num_threads(1)
    for line in sys.stdin:
        kind, n_steps, *arguments = json.loads(line)
        if kind == "predictions":
            answer = predictions(*arguments)
        else:
            contestant = build(kind, *arguments)
            began = time.process_time()
            for _ in range(n_steps):
                contestant.run()
            answer = (time.process_time() - began) / max(1, n_steps)
        print("answer " + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
