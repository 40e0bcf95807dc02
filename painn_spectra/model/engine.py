"""Energy and forces of many replicas of one molecule without an autograd graph: the fast way on a CPU.

The same function as `Potential`: filters from tables, pair work in compiled loops over undirected pairs,
dense layers as matrix products, the gradient written out by hand. Dipole and polarizability come from the
torch heads.
"""

import sys
import time

import torch
from torch import Tensor, nn

from painn_spectra import keys
from painn_spectra.model.atom_kernels import gate_gradient, norms, update, update_gradient
from painn_spectra.model.lanes import LANES
from painn_spectra.model.pair_kernels import find_pairs, message, message_gradient
from painn_spectra.model.potential import Potential
from painn_spectra.model.workspace import Buffer, Weights, Workspace

BLOCK_ATOMS = 288  # evaluated together: what a layer keeps for the gradient stays in the cache
WORTH_TELLING_S = 2.0  # compiling takes longer, reading what was compiled does not
ELECTRIC = {keys.DIPOLE, keys.POLARIZABILITY}

silu, silu_gradient = torch.ops.aten.silu.out, torch.ops.aten.silu_backward.grad_input


def fits(potential: Potential) -> bool:
    """Whether the loops over eight features at a time come out even."""
    return potential.painn.n_features % LANES == 0


class Engine(nn.Module):
    """Stands in for a `Potential` in eval mode on the CPU while the molecule stays the same."""

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential
        self.charge, self.metadata = potential.charge, potential.metadata
        self.weights = Weights(potential)
        self.workspaces: dict[int, Workspace] = {}
        self.elements = torch.zeros(0, dtype=torch.int64)

    def forward(
        self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...] = keys.PROPERTIES
    ) -> dict[str, Tensor]:
        """As `Potential.forward`, but every row of numbers (b, n) is the same molecule, without padding."""
        n_atoms = numbers.shape[1]
        if not torch.equal(numbers[0], self.elements):
            self.take_molecule(numbers[0])
        size = max(1, BLOCK_ATOMS // n_atoms)
        parts = [
            self.block(numbers[first : first + size], positions[first : first + size], properties)
            for first in range(0, len(positions), size)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in properties}

    def compile_loops(self) -> None:
        """Compile them, or read what an earlier process compiled, and tell when that takes long."""
        began = time.monotonic()
        self(torch.ones(1, 2, dtype=torch.int64), torch.eye(2, 3)[None], (keys.ENERGY, keys.FORCES))
        seconds = time.monotonic() - began
        if seconds > WORTH_TELLING_S:
            place = message.stats.cache_path
            print(f"loops of the dynamics compiled in {seconds:.0f} s, kept in {place}", file=sys.stderr)

    def take_molecule(self, elements: Tensor) -> None:
        """What is constant for a molecule: the first layer's scalars and their φ."""
        self.elements = elements.clone()
        self.workspaces.clear()
        self.first_s = self.weights.embedding[elements - 1]  # (n, F)
        first = self.potential.painn.messages[0]
        with torch.no_grad():
            self.first_phi = first.phi(self.first_s)  # type: ignore[operator, union-attr]  # (n, 3F)

    def workspace(self, n_replicas: int) -> Workspace:
        """Buffers for a block, with what is constant filled in."""
        if n_replicas not in self.workspaces:
            new = Workspace(self.weights, n_replicas * len(self.elements))
            new.layers[0].phi.rows.copy_(self.first_phi.repeat(n_replicas, 1))
            self.workspaces[n_replicas] = new
        return self.workspaces[n_replicas]

    def block(self, numbers: Tensor, positions: Tensor, properties: tuple[str, ...]) -> dict[str, Tensor]:
        """Results for a few replicas."""
        shape, weights, potential = positions.shape, self.weights, self.potential
        space = self.workspace(shape[0])
        electric = ELECTRIC & set(properties)
        n_pairs = self.pairs(space, positions)
        not_a_number = (
            0 * positions
        )  # the list has no pair of such atoms: without this they would pass unseen
        space.s.rows.copy_(self.first_s.repeat(shape[0], 1))
        forward_pass(weights, space, n_pairs, bool(electric))
        out: dict[str, Tensor] = {}
        w_in, b_in, w_out, b_out = weights.energy
        torch.addmm(b_in, space.s.rows, w_in.t(), out=space.narrow_hidden.rows)
        if keys.ENERGY in properties:
            silu(space.narrow_hidden.rows, out=space.narrow_active.rows)
            atomic = torch.addmm(b_out, space.narrow_active.rows, w_out.t())  # (b n, 1)
            offset = potential.energy_offset_eV[numbers].sum(1) + not_a_number.sum((1, 2))
            out[keys.ENERGY] = offset + potential.energy_scale_eV * atomic.double().view(shape[:2]).sum(1)
        if keys.FORCES in properties:
            torch.mm(
                silu_gradient(w_out.expand_as(space.narrow_hidden.rows), space.narrow_hidden.rows,
                grad_input=space.narrow_active.rows), w_in, out=space.grad_s.rows,
            )  # fmt: skip
            backward_pass(weights, space, n_pairs, bool(electric))
            gradient = torch.from_numpy(space.gradient).view(shape) + not_a_number
            out[keys.FORCES] = (-potential.energy_scale_eV * gradient).to(weights.dtype)
        if electric:
            s = space.s.rows.view(*shape[:2], -1)
            v = space.layers[-1].v.rows.view(*shape, -1)
            real = torch.ones(shape[:2], dtype=weights.dtype)
            with torch.no_grad():
                out |= potential.electric(numbers, positions.to(weights.dtype), s, v, real, properties)
        return out

    def pairs(self, space: Workspace, positions: Tensor) -> int:
        """Fill in the pairs inside the cutoff; returns their number."""
        for _ in range(2):
            n_pairs = find_pairs(
                positions.detach().double().numpy(), self.weights.cutoff_A, space.pairs, space.distances,
                space.directions,
            )  # fmt: skip
            if n_pairs <= len(space.pairs):
                break
            space.reserve_pairs(2 * n_pairs)
        return n_pairs


def dense_pair(weights: list[Tensor], x: Tensor, hidden: Tensor, active: Tensor, out: Tensor) -> None:
    """Dense SiLU Dense; hidden keeps what SiLU was given."""
    w_in, b_in, w_out, b_out = weights
    torch.addmm(b_in, x, w_in.t(), out=hidden)
    silu(hidden, out=active)
    torch.addmm(b_out, active, w_out.t(), out=out)


def forward_pass(weights: Weights, space: Workspace, n_pairs: int, all_vectors: bool) -> None:
    """s and v of every layer. all_vectors: with the last layer's v, which the energy does not need."""
    n_features, s, active = weights.n_features, space.s, space.active
    for k, layer in enumerate(space.layers):
        before = space.layers[k - 1].v
        if k == 0:
            layer.v.rows.zero_()
        else:
            dense_pair(weights.phi[k], s.rows, layer.phi_hidden.rows, active.rows, layer.phi.rows)
            layer.v.rows.copy_(before.rows)
        message(
            n_pairs, space.pairs, space.distances, space.directions, weights.inverse_step, weights.tables[k],
            layer.phi.array, before.array, k == 0, s.array, layer.v.array,
        )  # fmt: skip
        torch.mm(layer.v.rows, weights.mix[k].t(), out=layer.uv.rows)
        norms(layer.uv.array, layer.norm.array)
        w_in, b_in, w_out, b_out = weights.gate[k]
        hidden = layer.gate_hidden.rows
        torch.addmm(b_in, s.rows, w_in[:, :n_features].t(), out=hidden)
        hidden.addmm_(layer.norm.rows, w_in[:, n_features:].t())
        silu(hidden, out=active.rows)
        gate = gate_of(space, k, all_vectors)
        n_out = gate.rows.shape[1]
        torch.addmm(b_out[:n_out], active.rows, w_out[:n_out].t(), out=gate.rows)
        update(layer.uv.array, gate.array, s.array, layer.v.array)


def gate_of(space: Workspace, k: int, all_vectors: bool) -> Buffer:
    """The buffer of a layer's gates: the energy needs no a_vv in the last layer."""
    last = k == len(space.layers) - 1 and not all_vectors
    return space.narrow_gate if last else space.layers[k].gate


def backward_pass(weights: Weights, space: Workspace, n_pairs: int, all_vectors: bool) -> None:
    """From grad_s to the gradient with respect to the positions."""
    n_features, grad_s, hidden = weights.n_features, space.grad_s, space.hidden.rows
    space.grad_v.rows.zero_()
    space.gradient[:] = 0.0
    for k in reversed(range(weights.n_layers)):
        layer = space.layers[k]
        gate = gate_of(space, k, all_vectors)
        grad_gate = space.grad_narrow_gate if gate is space.narrow_gate else space.grad_gate
        gate_gradient(layer.uv.array, grad_s.array, space.grad_v.array, grad_gate.array)
        w_in, _, w_out, _ = weights.gate[k]
        torch.mm(grad_gate.rows, w_out[: grad_gate.rows.shape[1]], out=hidden)
        silu_gradient(hidden, layer.gate_hidden.rows, grad_input=hidden)
        torch.mm(hidden, w_in[:, n_features:], out=space.grad_norm.rows)
        update_gradient(
            layer.uv.array, gate.array, layer.norm.array, space.grad_norm.array, grad_s.array,
            space.grad_v.array, space.grad_uv.array,
        )  # fmt: skip
        grad_s.rows.addmm_(hidden, w_in[:, :n_features])
        space.grad_v.rows.addmm_(space.grad_uv.rows, weights.mix[k])
        if k > 0:
            space.grad_phi.rows.zero_()
            space.grad_v_in.rows.copy_(space.grad_v.rows)
        message_gradient(
            n_pairs, space.pairs, space.distances, space.directions, weights.inverse_step, weights.tables[k],
            layer.phi.array, space.layers[k - 1].v.array, k == 0, grad_s.array, space.grad_v.array,
            space.grad_phi.array, space.grad_v_in.array, space.gradient,
        )  # fmt: skip
        if k > 0:
            w_in, _, w_out, _ = weights.phi[k]
            torch.mm(space.grad_phi.rows, w_out, out=hidden)
            silu_gradient(hidden, layer.phi_hidden.rows, grad_input=hidden)
            grad_s.rows.addmm_(hidden, w_in)
            space.grad_v, space.grad_v_in = space.grad_v_in, space.grad_v
