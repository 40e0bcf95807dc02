"""`painn-spectra predict`: energy, forces, dipole and polarizability of any geometries, written as extxyz."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.io import write

from painn_spectra import keys
from painn_spectra.calibration import read_factors, spread_over
from painn_spectra.dataset import read_atoms, read_frames
from painn_spectra.evaluate import mean_over, predict
from painn_spectra.files import atomic_path, check_outputs
from painn_spectra.model.checkpoint import load_members

PREFIX = "model_"  # beside the REF_ of labels, which stay
SPREAD = "_spread"


def predict_files(
    models: Sequence[Path], frames: Path, output: Path, calibration: Path | None = None
) -> None:
    """Copy the structures of an extxyz file, each with the mean prediction of `models`.

    The molecules may differ. Adds `model_energy` eV, `model_forces` eV/Å, `model_dipole` e·Å (origin: centre
    of the standard masses) and `model_polarizability` Å³, nine numbers, as far as they were learnt.
    Several models add `model_energy_spread` and so on, their standard deviation, times the factor that
    `calibration` (of `painn-spectra calibrate`) has for the property.
    Raises InputError for an element that a model was not trained on, or a file that is no extxyz.
    """
    check_outputs(output)
    structures, geometries = read_atoms(frames), read_frames(frames, required=())
    factors = read_factors(calibration, models) if calibration else {}
    potentials = load_members(models)
    members = [predict(one, geometries, path) for one, path in zip(potentials, models, strict=True)]
    predicted = mean_over(members)
    if len(members) > 1:
        for name, spread in spread_over(members).items():
            predicted[name + SPREAD] = spread * factors.get(name, 1.0)
    for k, atoms in enumerate(structures):
        atoms.calc = None  # another program's results are not ours to write
        for name, value in atoms.info.items():
            if isinstance(value, np.ndarray) and value.ndim > 1:  # nine numbers, which ASE reads by columns
                atoms.info[name] = value.ravel(order="F")
        for name, values in predicted.items():
            value = values[k]
            if name.startswith(keys.FORCES):
                atoms.arrays[PREFIX + name] = value[: len(atoms)]
            else:
                atoms.info[PREFIX + name] = value.ravel() if value.ndim else float(value)
    with atomic_path(output) as temporary:
        write(temporary, structures, format="extxyz")
    print(f"{output}: {len(structures)} structures")
