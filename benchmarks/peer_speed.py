"""This package beside SchNetPack 2.1.1: the same weights, geometries and recorded properties, interleaved.

    make peer-speed                                    builds SchNetPack's environment in .peers/, then
    python -m benchmarks.peer_speed [--rounds 25] [--only training]

prints milliseconds of CPU time of one core, medians over the rounds, and the ratios, as rows for
docs/performance.md. Dynamics: velocity Verlet in float32; per replica-step. Training: joint loss of all four
properties, AdamW; per step. First of all both must predict the same.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_masses
from rdkit import Chem
from rdkit.Chem import AllChem

from benchmarks.steps import ETHANOL, ROOT, Contestant, Dynamics, Training, WithAse, fresh, seconds_per_step
from painn_spectra import keys
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.model.fastest import fastest
from painn_spectra.model.potential import Potential
from painn_spectra.normal_modes import centred

PEER_PYTHON = ROOT / ".peers/schnetpack/bin/python"
MOLECULES = {"aspirin": "CC(=O)Oc1ccccc1C(=O)O", "60 atoms": "C" * 19 + "O", "200 atoms": "C" * 66}
N_FEATURES = 128
SECONDS_PER_VISIT = 0.15  # of one contestant in one round
# relative to the largest component; float32 on both sides, random weights
SAME = {"energy": 2e-5, "forces": 1e-5, "dipole_moment": 5e-5, "polarizability": 2e-5}


class Peer:
    """Another program in its own process and environment."""

    def __init__(self, python: Path, script: str, *arguments: Path) -> None:
        self.process = subprocess.Popen(
            [python, ROOT / "benchmarks" / script, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, *request: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("answer "):
                return json.loads(line.removeprefix("answer "))
        raise SystemExit(f"the other program ended at {request}; its words are above")


def geometries() -> dict[str, Frames]:
    """Labelled ethanol, and larger molecules shaken about one conformer; all about the centre of mass."""
    ethanol = read_frames(ETHANOL)
    found = {"ethanol": ethanol}
    for name, smiles in MOLECULES.items():
        molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
        AllChem.EmbedMolecule(molecule, randomSeed=1, useRandomCoords=True)
        positions = molecule.GetConformer().GetPositions()  # (n_atoms, 3) | Å
        numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
        shaken = positions + 0.03 * np.random.default_rng(0).standard_normal((16, *positions.shape))
        found[name] = Frames(np.tile(numbers, (16, 1)), shaken, {}, np.zeros(16, str))
    found["1000 atoms"] = side_by_side(found["200 atoms"], 5)
    return {
        name: replace(frames, positions=centred(frames.positions, atomic_masses[frames.numbers[0]]))
        for name, frames in found.items()
    }


def side_by_side(frames: Frames, n: int) -> Frames:
    """Copies along x, closest atoms some Å apart."""
    shift = np.ptp(frames.positions[..., 0]) + 2.0  # Å
    positions = [frames.positions + np.array([k * shift, 0, 0]) for k in range(n)]
    return Frames(np.tile(frames.numbers, n), np.concatenate(positions, axis=1), {}, frames.groups)


def hand_over(folder: Path, potential: Potential, molecules: dict[str, Frames]) -> None:
    """Weights and geometries as arrays: the two programs share no class."""
    weights = {name: value.numpy() for name, value in potential.state_dict().items()}
    np.savez(folder / f"weights_{N_FEATURES}.npz", **weights)
    for name, frames in molecules.items():
        np.savez(folder / f"{name}.npz", numbers=frames.numbers[0], positions=frames.positions[:256])


def check_predictions(peer: Peer, potential: Potential, frames: Frames) -> None:
    """Both programs compute the same functions: E, F, μ, α up to our offsets and units."""
    z, r = torch.as_tensor(frames.numbers[:8]), torch.as_tensor(frames.positions[:8])
    theirs = peer.ask("predictions", 0, "ethanol", N_FEATURES, 8)
    for kind, model in (("torch", potential), ("engine", fastest(potential))):
        for name, value in net_predictions(potential, z, model(z, r)).items():
            other = torch.tensor(theirs[name], dtype=torch.float64).reshape(value.shape)
            error = float((value - other).abs().max() / other.abs().max())
            print(f"{kind}, {name}: largest difference {error:.1e} of the largest component", file=sys.stderr)
            if error > SAME[name]:
                raise SystemExit(f"{name} differs by {error:.1e}: the programs do not compute the same model")


def net_predictions(
    potential: Potential, z: torch.Tensor, ours: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """What the networks give, without our offsets and units, under the peer's names."""
    identity = torch.eye(3) * potential.polarizability_offset_A3[z].sum(1)[:, None, None]
    return {
        "energy": (ours[keys.ENERGY] - potential.energy_offset_eV[z].sum(1)) / potential.energy_scale_eV,
        "forces": ours[keys.FORCES].flatten(0, 1) / potential.energy_scale_eV,
        "dipole_moment": ours[keys.DIPOLE] / potential.dipole_scale_eA,
        "polarizability": (ours[keys.POLARIZABILITY] - identity) / potential.polarizability_scale_A3,
    }


def contestants(
    potential: Potential, molecules: dict[str, Frames], only: str | None
) -> dict[str, tuple[Contestant, tuple, int]]:
    """Name -> our contestant, the peer's request, replicas that share a step."""
    ethanol = molecules["ethanol"]
    found: dict[str, tuple[Contestant, tuple, int]] = {}
    for interval in (4, 1):
        for n in (1, 16, 64, 256):
            found[f"ethanol, {n} replicas, μ and α every {interval}"] = (
                Dynamics(potential, ethanol, n, interval), ("md", "ethanol", N_FEATURES, n, interval), n
            )  # fmt: skip
    found["ethanol, 16 replicas, every 4, torch model"] = (
        Dynamics(potential, ethanol, 16, 4, engine=False), ("md", "ethanol", N_FEATURES, 16, 4), 16
    )  # fmt: skip
    found["ethanol, ASE + our calculator, every 4"] = (
        WithAse(fresh(N_FEATURES, ethanol), ethanol, 4), ("md", "ethanol", N_FEATURES, 1, 4), 1
    )  # fmt: skip
    for name, n in (("aspirin", 16), ("60 atoms", 4), ("200 atoms", 1), ("1000 atoms", 1)):
        n_atoms = molecules[name].numbers.shape[1]
        found[f"{n_atoms} atoms, {n} replicas, every 4"] = (
            Dynamics(potential, molecules[name], n, 4), ("md", name, N_FEATURES, n, 4), n
        )  # fmt: skip
    for n in (10, 32):
        found[f"training step, batch {n}"] = (
            Training(fresh(N_FEATURES, ethanol), ethanol, n),
            ("training", "ethanol", N_FEATURES, n),
            1,
        )
    return {name: one for name, one in found.items() if only is None or only in name}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--only", help="contestants whose name has this in it")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    molecules = geometries()
    potential = fresh(N_FEATURES, molecules["ethanol"])
    with tempfile.TemporaryDirectory() as name:
        hand_over(Path(name), potential, molecules)
        peer = Peer(PEER_PYTHON, "schnetpack_peer.py", Path(name))
        check_predictions(peer, potential, molecules["ethanol"])
        chosen = contestants(potential, molecules, arguments.only)
        seconds: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in chosen}
        warm = {
            name: (seconds_per_step(ours, 2), peer.ask(kind, 2, *rest))
            for name, (ours, (kind, *rest), _) in chosen.items()
        }
        print("measuring", file=sys.stderr, flush=True)
        for _ in range(arguments.rounds):
            for name, (ours, (kind, *rest), n) in chosen.items():
                n_ours, n_theirs = (4 * max(1, round(SECONDS_PER_VISIT / 4 / s)) for s in warm[name])
                seconds[name][0].append(1e3 * seconds_per_step(ours, n_ours) / n)
                seconds[name][1].append(1e3 * peer.ask(kind, n_theirs, *rest) / n)
    print("| | SchNetPack, ms | this, ms | ratio | ratios of the rounds |\n|---|---|---|---|---|")
    for name, (ours, theirs) in seconds.items():
        ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
        a, b = statistics.median(ours), statistics.median(theirs)
        print(f"| {name} | {b:.3g} | {a:.3g} | {b / a:.1f} | {ratios[0]:.1f} to {ratios[-1]:.1f} |")


if __name__ == "__main__":
    main()
