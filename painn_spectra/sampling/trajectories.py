"""One GFN2-xTB trajectory from one conformer: what a worker of the stage `sample` runs, without torch."""

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from numpy.typing import NDArray

from painn_spectra import keys

TIMESTEP_FS = 1.0  # geometries are wanted, no spectra: nine steps per period of the fastest vibration suffice
FRICTION_PER_PS = 10.0
EQUILIBRATION_PS = 1.0  # ten times the friction's time: the minimum is forgotten


def xtb_trajectory(
    numbers: NDArray[np.int64],
    start: NDArray[np.float64],
    charge: int,
    multiplicity: int,
    temperature_K: float,
    interval_fs: float,
    n_frames: int,
    seed: tuple[int, ...],
) -> dict[str, NDArray[np.float64]]:
    """{"positions": (n_frames, n_atoms, 3) | Å}, every `interval_fs` of Langevin dynamics once it is
    in equilibrium.

    NaN from where on the electrons do not converge any more, as in a broken molecule.
    """
    from tblite.ase import TBLite

    rng = np.random.default_rng(seed)
    atoms = Atoms(numbers, start)
    atoms.calc = TBLite(method="GFN2-xTB", charge=charge, multiplicity=multiplicity, verbosity=0)
    thermalize_momenta(atoms, temperature_K=temperature_K, rng=rng)
    dynamics = Langevin(
        atoms,
        TIMESTEP_FS * units.fs,
        temperature_K=temperature_K,
        friction=FRICTION_PER_PS * 1e-3 / units.fs,
        fixcm=False,
        rng=rng,
    )
    positions = np.full((n_frames, len(numbers), 3), np.nan)
    try:
        dynamics.run(round(EQUILIBRATION_PS * 1e3 / TIMESTEP_FS))
        for k in range(n_frames):
            dynamics.run(max(1, round(interval_fs / TIMESTEP_FS)))
            positions[k] = atoms.positions - atoms.get_center_of_mass()
    except Exception:  # ASE wraps the solver's failure in exceptions of its own
        pass
    return {keys.POSITIONS: positions}
