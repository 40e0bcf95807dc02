"""Which normal modes of which conformer move in a band: the run's velocities projected on the model's modes.

Each frame is set beside the nearest minimum, like atoms exchanged if need be: a methyl group that has turned
has the same modes. A conformer and its mirror image count as one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from painn_spectra import keys
from painn_spectra.md.alignment import matching_orders
from painn_spectra.md.visits import VISIT_INTERVAL_FS, nearest, references
from painn_spectra.spectra.assignment import NAMED_SHARE, SHOWN_SHARE, Coordinates, can_assign
from painn_spectra.spectra.correlation import Estimator
from painn_spectra.spectra.molecule_frame import has_motion, internal_motion
from painn_spectra.spectra.power import mode_density
from painn_spectra.spectra.series import Array, Minima, Series

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HEADING = ["normal_modes", "normal_mode_shares"]
MAJORITY = 0.5


class RunModes:
    """The normal modes a run is projected on. Attributes of a distinct conformer g and its mode k:

    | kinds_of[c] | g of conformer c of the run; mirror images have the same | (n_conformers,) |
    | wavenumbers_cm[g, k] | ascending with k | cm⁻¹ |
    | words[g][k] | what moves, at the minimum | |
    | reachable[c] | what a run from conformer c can be nearest to, as `references`; None for too much | |
    """

    def __init__(self, minima: Minima, numbers: Array, masses_amu: Array) -> None:
        self.minima, self.masses_amu = minima, masses_amu
        _, self.kinds = np.unique(np.stack([numbers, masses_amu], 1), axis=0, return_inverse=True)
        self.numbers = np.asarray(numbers, np.int64)
        firsts: list[int] = []
        self.kinds_of = np.zeros(len(minima.positions), int)
        for c, positions in enumerate(minima.positions):
            same = [
                g for g, first in enumerate(firsts)
                if matching_orders(minima.positions[first], -positions, self.kinds, only_one=True)
            ]  # fmt: skip
            self.kinds_of[c] = same[0] if same else len(firsts)
            firsts += [] if same else [c]
        self.symmetry = [matching_orders(r, r, self.kinds) for r in minima.positions]
        self.wavenumbers_cm = minima.wavenumbers_cm[firsts]  # (n_distinct, n_modes)
        self.words = [self._named(c, numbers) for c in firsts]
        self.reachable = {c: self._reachable(c) for c in set(minima.replicas)}

    def _named(self, conformer: int, numbers: Array) -> list[str]:
        """Class of motion that carries most of each mode's kinetic energy at the minimum; else `mixed`."""
        positions, modes = self.minima.positions[conformer], self.minima.modes[conformer]
        coordinates = Coordinates(numbers, positions, self.masses_amu)
        names, weights = coordinates.weights()
        centre = self.masses_amu @ positions / self.masses_amu.sum()
        still = np.broadcast_to(positions - centre, modes.shape)
        shares = coordinates.parts(still, modes / np.sqrt(self.masses_amu)[:, None]) ** 2 @ weights.T
        return [names[int(row.argmax())] if row.max() >= NAMED_SHARE else "mixed" for row in shares]

    def _reachable(self, start: int) -> tuple[Floats, Integers, Integers] | None:
        """`references` of a conformer, one of each set that a rotation turns into one another: a frame is as
        near to all of these, but their antisymmetric modes have opposite signs."""
        positions = np.asarray(self.minima.positions, np.float64)
        found = references(positions[start], positions, self.numbers, self.kinds)
        if found is None:
            return None
        geometries, which, orders = found
        kept = [
            all(tuple(order) <= tuple(np.array(turn)[order]) for turn in self.symmetry[conformer])
            for conformer, order in zip(which, orders, strict=True)
        ]
        return geometries[kept], which[kept], orders[kept]


@dataclass(frozen=True)
class Share:
    """Of a band's kinetic energy: what a mode of a conformer has."""

    conformer: int  # from 0, mirror images as one: as in harmonic/model.csv, lowest energy first
    mode: int  # from 1, as there
    wavenumber_cm: float  # harmonic, of this conformer
    motion: str
    share: float


def run_modes(series: Series) -> RunModes | None:
    """None where the run's conformers are not known, or its motion, or where too many atoms are alike."""
    if series.minima is None or not has_motion(series) or not can_assign(series):
        return None
    assert series.numbers is not None and series.masses_amu is not None
    found = RunModes(series.minima, series.numbers, series.masses_amu)
    return None if any(known is None for known in found.reachable.values()) else found


def mode_densities(series: Series, replica: int, of: RunModes, estimator: Estimator) -> Array:
    """Modes per cm⁻¹ of every normal mode of one replica, (n_distinct, n_modes, n_wavenumbers).

    q̇_k = Σ_i √m_i L_ki·v_i, v in the Eckart frame of the nearest minimum, whose modes L are; 0 while the run
    is nearer to other conformers. With Ω of `internal_motion` the Σ_k q̇_k² are all of Σ m v².
    """
    reachable = of.reachable[of.minima.replicas[replica]]
    assert reachable is not None
    geometries, which, orders = reachable
    hold = max(1, round(VISIT_INTERVAL_FS / series.sample_interval_fs))
    near = np.concatenate([
        np.repeat(nearest(np.asarray(r[::hold], np.float64), geometries), hold)[: len(r)]
        for r in series.chunks(keys.SPARSE_POSITIONS, replica)
    ])  # fmt: skip
    root = np.sqrt(of.masses_amu)[:, None]

    def rates(distinct: int) -> Iterator[Array]:
        done = 0
        for r, v in series.together((keys.SPARSE_POSITIONS, keys.HALF_STEP_VELOCITIES), replica):
            visited = near[done : done + len(r)]
            done += len(r)
            result = np.zeros((len(r), of.wavenumbers_cm.shape[1]))  # √amu Å/fs
            for reference in np.unique(visited):
                if of.kinds_of[which[reference]] != distinct:
                    continue
                here = visited == reference
                shapes = of.minima.modes[which[reference]][:, orders[reference]]
                _, inner = internal_motion(
                    r[here], v[here], geometries[reference], of.masses_amu, series.integrator_timestep_fs
                )
                result[here] = np.einsum("kax,nax->nk", shapes, root * inner, optimize=True)
            yield result

    weights = np.eye(of.wavenumbers_cm.shape[1])
    densities = np.zeros((*of.wavenumbers_cm.shape, len(estimator.wavenumber_cm)))
    for distinct in np.unique(of.kinds_of[which[np.unique(near)]]):
        densities[distinct] = mode_density(
            rates(distinct), weights, series.temperature_K, estimator, series.n_samples
        )
    return densities


def shares(
    of: RunModes, wavenumber_cm: Array, densities: Array, lower_cm: float, upper_cm: float
) -> list[Share]:
    """Each mode's share of the power between two wavenumbers, largest first; they add up to one."""
    inside = (wavenumber_cm >= lower_cm) & (wavenumber_cm <= upper_cm)
    energy = densities[..., inside].sum(-1)  # (n_distinct, n_modes)
    if energy.sum() <= 0:
        return []
    found = [
        Share(int(g), int(k) + 1, float(of.wavenumbers_cm[g, k]), of.words[g][k], float(part / energy.sum()))
        for (g, k), part in np.ndenumerate(energy)
    ]
    return sorted(found, key=lambda share: -share.share)


def cells(found: list[Share]) -> tuple[str, str]:
    """The mode with most of the band, conformer by conformer, `mixed` where none has half; and the shares.

    A conformer with less than a tenth of the band is not told of.
    """
    majorities = []
    for conformer in sorted({share.conformer for share in found}):
        own = [share for share in found if share.conformer == conformer]
        whole = sum(share.share for share in own)
        if whole >= SHOWN_SHARE:
            first = own[0]
            number = str(first.mode) if first.share > MAJORITY * whole else "mixed"
            majorities.append(f"conformer {conformer}: {number}")
    listed = [
        f"{s.share:.2f} conformer {s.conformer} mode {s.mode} ({s.wavenumber_cm:.0f} cm-1, {s.motion})"
        for s in found if s.share >= SHOWN_SHARE
    ]  # fmt: skip
    return "; ".join(majorities), "; ".join(listed)


def listed(found: list[Share]) -> list[dict[str, Any]]:
    """All shares from one per cent on, JSON-able."""
    return [vars(share) | {"share": round(share.share, 4)} for share in found if share.share >= 0.01]
