"""`painn-spectra new`: from a structure to a config that is ready to run, with what it will cost."""

import io
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.build import molecule as ase_molecule
from ase.collections import g2
from rdkit import Chem

from painn_spectra.config import Config, load_config
from painn_spectra.dataset import LABEL_KEYS
from painn_spectra.errors import InputError
from painn_spectra.estimates import JITTER_A, core_hours, disk_bytes
from painn_spectra.files import write_text
from painn_spectra.first_frame import first_frame
from painn_spectra.keys import FORCES, POLARIZABILITY, PROPERTIES
from painn_spectra.labelling import labelled
from painn_spectra.molecules import Structure, canonical_smiles, parse_smiles, read_structure
from painn_spectra.processes import finished_jobs
from painn_spectra.reference.dft import labelling_environment
from painn_spectra.reference.label import check_method, describe
from painn_spectra.sampling.conformers import find_conformers, read_conformers
from painn_spectra.settings.molecule import Method

MAX_SHOWN = 10  # conformers
TRIPLETS = {"O=O": 2, "S=S": 2, "O=S": 2}  # unpaired electrons that no SMILES draws


def new_molecule(
    source: str,
    output: Path | None = None,
    name: str | None = None,
    charge: int | None = None,
    multiplicity: int | None = None,
    method: dict[str, Any] | None = None,
    n_frames: int | None = None,
) -> Path:
    """Write a config for the molecule that `source` names (SMILES, xyz file, ASE name), after a trial label.

    charge and multiplicity: by default those of the SMILES, else 0 and 1. method: settings that are not the
    defaults. Prints atoms, electrons, conformers, core-hours and disk. Raises InputError, before anything is
    written, for what cannot be computed.
    """
    structure, charge, multiplicity = read_state(source, charge, multiplicity)
    formula = str(Atoms(structure.numbers).symbols.formula.format("hill"))
    name = name or formula
    output = output or Path(f"config/{name}.yaml")
    if output.exists():
        raise InputError(f"{output}: exists already; choose another --name or --out, or remove it")
    tell_shipped(Path(f"config/molecules/{name}/labels.extxyz"), structure)
    entry: dict[str, Any] = {"name": name, "structure": source.strip()}
    entry |= {"charge": charge} if charge else {}
    entry |= {"multiplicity": multiplicity} if multiplicity != 1 else {}
    entry |= {"method": method} if method else {}
    settings: dict[str, Any] = {"molecules": [entry]}
    settings |= {"sampling": {"n_frames": n_frames}} if n_frames else {}
    config = load_config(settings)
    level = config.molecules[0].method
    if level.program == "other":
        raise InputError("method.program = other: brings its labels along; write the config by hand")
    check_method(level, structure.numbers)
    electrons = int(structure.numbers.sum()) - charge
    state = f", charge {charge:+d}, multiplicity {multiplicity}" if charge or multiplicity != 1 else ""
    print(
        f"{name}: {source} ({structure.kind}, {formula}), {len(structure.numbers)} atoms, "
        f"{electrons} electrons{state}"
    )
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        find_conformers(Path(folder) / "c.extxyz", source, charge, multiplicity, config.sampling)
        conformers = read_conformers(Path(folder) / "c.extxyz")
    shown = conformers[:MAX_SHOWN]
    energies = ", ".join(
        f"{1e3 * c.info['relative_energy_eV']:.1f} meV ({c.info['weight_300K']:.0%})" for c in shown
    )
    more = f" and {len(conformers) - MAX_SHOWN} more" if len(conformers) > MAX_SHOWN else ""
    by = conformers[0].info["method"]
    print(f"conformers by {by}, mirror images counted: {len(conformers)}, at {energies}{more}")
    hours = print_estimate(config, conformers)
    heading = (
        f"# {formula}: {len(conformers)} conformers, some {sum(hours.values()):.1f} "
        f"core-hours in all.\n#   snakemake --cores 2 --configfile {output}\n"
    )
    write_text(output, heading + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    print(f"written: {output}; run it with: snakemake --cores 2 --configfile {output}")
    return output


def tell_shipped(labels: Path, structure: Structure) -> None:
    """Say that labels of this name are there; InputError where they are another molecule's."""
    if not labels.is_file():
        return
    frame = first_frame(labels)
    if frame and sorted(frame.atomic_numbers) != sorted(structure.numbers.tolist()):
        raise InputError(f"{labels}: labels of another molecule are there; choose another --name")
    made_by = f", by {frame.level}" if frame and frame.level else ""
    print(f"{labels} is there{made_by}: it will be taken, no label is computed; another --name computes them")


def print_estimate(config: Config, conformers: Sequence[Atoms]) -> dict[str, float]:
    """Core-hours of each stage of the first molecule of `config`, after a timed trial label; prints them."""
    molecule = config.molecules[0]
    level, numbers = molecule.method, conformers[0].numbers
    trial, seconds = trial_label(conformers[0], level, molecule.charge, molecule.multiplicity)
    print(f"trial label, {describe(level, molecule.multiplicity)}: {seconds:.1f} s on one core")
    labels = {key: np.asarray(trial.info[LABEL_KEYS[key]], float) for key in PROPERTIES if key != FORCES}
    labels[FORCES] = trial.arrays[LABEL_KEYS[FORCES]]
    labels[POLARIZABILITY] = labels[POLARIZABILITY].reshape(3, 3)
    minima = np.array([c.positions for c in conformers])
    hours = core_hours(config, numbers, minima, labels, seconds)
    rows = [*hours.items(), ("all", sum(hours.values()))]
    width = max(len(stage) for stage, _ in rows)
    print("core-hours expected:", *(f"  {stage:<{width}} {value:8.2f}" for stage, value in rows), sep="\n")
    print(f"disk: about {disk_bytes(config, len(numbers)) / 1e6:.0f} MB")
    return hours


def read_state(source: str, charge: int | None, multiplicity: int | None) -> tuple[Structure, int, int]:
    """The structure with charge and multiplicity, of the SMILES where they are not given.

    Raises InputError for unpaired electrons that no multiplicity speaks of.
    """
    text = source.strip()
    from_file = Path(text).is_file()
    graph = None if from_file else parse_smiles(text)
    if charge is None:
        charge = Chem.GetFormalCharge(graph) if graph is not None else 0
    unpaired = 0
    if graph is not None:
        drawn = sum(atom.GetNumRadicalElectrons() for atom in graph.GetAtoms())
        unpaired = drawn or TRIPLETS.get(canonical_smiles(graph), 0)
    elif text in g2.names and not from_file and not charge:
        unpaired = round(ase_molecule(text).get_initial_magnetic_moments().sum())
    if multiplicity is None and unpaired:
        raise InputError(
            f"structure = {source!r}: unpaired electrons in its ground state: {unpaired}, no closed shell; "
            f"say --multiplicity {unpaired + 1}, or which other state it is in"
        )
    multiplicity = multiplicity or 1
    return read_structure(source, charge, multiplicity), charge, multiplicity


@labelling_environment()
def trial_label(conformer: Atoms, method: Method, charge: int, multiplicity: int) -> tuple[Atoms, float]:
    """One label of a displaced geometry and its processor seconds, by a process that has done a small one.

    The first label of a process also loads the program.
    """
    moved = conformer.copy()
    moved.positions += np.random.default_rng(0).normal(scale=JITTER_A, size=moved.positions.shape)
    small = Atoms("H2", [[0, 0, 0], [0, 0, 0.74]])
    jobs = {0: (small, method, 0, 1), 1: (moved, method, charge, multiplicity)}
    results = {key: job.result() for key, job in finished_jobs(timed_label, jobs, 1, "trial label")}
    trial: tuple[Atoms, float] = results[1]
    return trial


def timed_label(atoms: Atoms, method: Method, charge: int, multiplicity: int) -> tuple[Atoms, float]:
    """A label and the processor seconds that it took."""
    began = time.process_time()
    return labelled(atoms, method, charge, multiplicity, PROPERTIES, False), time.process_time() - began
