"""Kinetic energy of every normal mode beyond its thermal share: numbers of known mean for the error bars."""

import json

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from painn_spectra import keys
from painn_spectra.md.visits import VISIT_INTERVAL_FS, nearest, references
from painn_spectra.normal_modes import centred, eckart_frame
from painn_spectra.units import AMU_A2_FS2_IN_EV, BOLTZMANN_EV_K

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

ALIKE_CM = 200.0  # modes of two conformers this far apart are not alike, whatever moves in them
ENERGY_INTERVAL_FS = 4.0  # between the samples that are averaged; energies change over much longer times


def add_mode_energies(trajectory: h5py.File) -> None:
    """Write MODE_ENERGY_EXCESS into a trajectory that holds its motion and its conformers' modes.

    C_rk = time mean of q̇_k²/k_BT − ⟨q̇_k²⟩_r/k_BT,  q̇_k = Σ_i √m_i L_ki·R v_i

    R turns the frame into the Eckart frame of the nearest minimum, L are that minimum's modes. R, L and the
    choice of the minimum depend on positions alone, of which thermal velocities are independent. Hence
    ⟨q̇_k²⟩_r = k_BT exactly, at any geometry; after the rotation was removed k_BT |P L_k|², P taking the
    instantaneous rotations out. Only half-step velocities have k_BT/2 (docs/pitfalls.md).

    | symbol | variable | unit |
    | C | mode_energy_excess | (n_replicas, n_modes), 1; mean zero over thermal starts |
    | v | half_step_velocities | Å/fs |
    | L | modes | (n_modes, n_atoms, 3), 1 |
    """
    starts, masses = json.loads(trajectory.attrs["starts"]), np.asarray(trajectory.attrs["masses_amu"])
    conformers = starts["conformers"]
    if keys.HALF_STEP_VELOCITIES not in trajectory or not all("modes" in c for c in conformers):
        return
    numbers = trajectory.attrs["numbers"]
    _, kinds = np.unique(np.stack([numbers, masses], 1), axis=0, return_inverse=True)
    minima = np.array([conformer["positions"] for conformer in conformers])  # (n_conformers, n_atoms, 3) | Å
    reachable = {
        start: references(minima[start], minima, numbers, kinds) for start in set(starts["replicas"])
    }
    if any(found is None for found in reachable.values()):
        return
    modes, wavenumbers = matched_modes(
        conformers, minima, masses, references(minima[0], minima, numbers, kinds)
    )
    thermal = BOLTZMANN_EV_K * float(trajectory.attrs["temperature_K"]) / AMU_A2_FS2_IN_EV  # amu Å²/fs²
    freedom = int(trajectory.attrs["degrees_of_freedom"])
    without_rotation, linear = freedom < 3 * len(masses) - 3, freedom == 3 * len(masses) - 5
    interval_fs = float(trajectory.attrs["sample_interval_fs"])
    stride = max(1, round(ENERGY_INTERVAL_FS / interval_fs))
    hold = max(1, round(VISIT_INTERVAL_FS / (stride * interval_fs)))
    excess = []
    for replica, start in enumerate(starts["replicas"]):
        found = reachable[start]
        assert found is not None
        geometries, which, orders = found
        r = trajectory[keys.SPARSE_POSITIONS][replica, ::stride].astype(float)  # (n_frames, n_atoms, 3) | Å
        v = trajectory[keys.HALF_STEP_VELOCITIES][replica, ::stride].astype(float)  # Å/fs
        near = np.repeat(nearest(r[::hold], geometries), hold)[: len(r)]
        total = np.zeros(modes.shape[1])
        for reference in np.unique(near):
            here = near == reference
            shapes = modes[which[reference]][:, orders[reference]]  # (n_modes, n_atoms, 3)
            total += energy_excess(
                r[here], v[here], geometries[reference], shapes, masses, thermal, without_rotation, linear
            ).sum(0)
        excess.append(total / len(r))
    data = trajectory.create_dataset(keys.MODE_ENERGY_EXCESS, data=np.array(excess))
    data.attrs["wavenumbers_cm"] = wavenumbers


def energy_excess(
    positions: Array,
    velocities: Array,
    reference: Array,
    modes: Array,
    masses_amu: Array,
    thermal: float,
    without_rotation: bool,
    linear: bool = False,
) -> Array:
    """q̇_k²/k_BT − |P L_k|² of every frame, (n_frames, n_modes); thermal: k_BT in amu Å²/fs².

    linear: the turn about the axis, of a bent frame that of the least moment of inertia, was not taken out.
    """
    root = np.sqrt(masses_amu)[:, None]
    rotation = eckart_frame(positions, reference, masses_amu)  # (n_frames, 3, 3)
    weighted = root * np.einsum("nxy,nay->nax", rotation, velocities)  # (n_frames, n_atoms, 3) | amu^½ Å/fs
    rates = np.einsum("kax,nax->nk", modes, weighted)
    share: Array | float = 1.0
    if without_rotation:
        r = np.einsum("nxy,nay->nax", rotation, centred(positions, masses_amu))
        turns = root * np.cross(np.eye(3)[:, None], r[:, None])  # (n_frames, 3, n_atoms, 3)
        gram = np.einsum("niax,njax->nij", turns, turns)  # the tensor of inertia
        if linear:
            _, axes = np.linalg.eigh(gram)  # ascending moments
            turns = np.einsum("nij,niax->njax", axes[:, :, 1:], turns)
            gram = np.einsum("niax,njax->nij", turns, turns)
        overlap = np.einsum("kax,njax->nkj", modes, turns)
        share = 1 - np.einsum("nki,nij,nkj->nk", overlap, np.linalg.pinv(gram), overlap)
    return rates**2 / thermal - share


def matched_modes(
    conformers: list[dict],
    minima: Array,
    masses_amu: Array,
    from_first: tuple[Array, Integers, Integers] | None,
) -> tuple[Array, Array]:
    """Modes (n_conformers, n_modes, n_atoms, 3) in the order of the first conformer's most like them, and
    their mean wavenumbers (n_modes,) | cm⁻¹.

    Like modes of different conformers then share a number; another order would be as right, only less useful.
    """
    modes = np.array([conformer["modes"] for conformer in conformers])
    wavenumbers = np.array([conformer["wavenumbers_cm"] for conformer in conformers])
    for number in range(1, len(conformers)):
        order = np.arange(len(masses_amu))
        if from_first is not None and (alike := np.flatnonzero(from_first[1] == number)).size:
            geometries, _, orders = from_first
            order = orders[alike[nearest(minima[:1], geometries[alike])[0]]]
        turn = eckart_frame(minima[number][order][None], minima[0], masses_amu)[0]
        turned = np.einsum("xy,kay->kax", turn, modes[number][:, order])
        overlap = np.einsum("jax,kax->jk", modes[0], turned) ** 2
        apart = (wavenumbers[0][:, None] - wavenumbers[number]) / ALIKE_CM
        _, like = linear_sum_assignment(apart**2 - overlap)
        modes[number], wavenumbers[number] = modes[number][like], wavenumbers[number][like]
    return modes, wavenumbers.mean(0)
