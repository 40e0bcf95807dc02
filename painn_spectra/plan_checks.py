"""Checks of a whole config before any job starts: sources, files, charges, isotopes, cutoff."""

from pathlib import Path

from painn_spectra.config import Config
from painn_spectra.download import check_address, is_address
from painn_spectra.errors import InputError
from painn_spectra.first_frame import FirstFrame, check_atoms, check_cutoff, first_frame
from painn_spectra.levels import theory
from painn_spectra.settings.molecule import Molecule
from painn_spectra.sources import computes_labels, data_source, entry, labels_file, model_source
from painn_spectra.start_files import check_name, check_start_files

SHIPPED = Path(__file__).parents[1]  # the program's own folder, where it is not installed as a package


def check_plan(config: Config) -> list[str]:
    """Raise InputError for sources, files, charges, isotopes or a cutoff that cannot be; return warnings."""
    warnings = []
    for key, given in config.qm9.sources.items() if config.qm9 else ():
        if not Path(given).exists():
            raise InputError(f"qm9.{key} = {given}: no such file; docs/accuracy.md tells where to get it")
    for molecule in config.molecules:
        source = model_source(config, molecule.name)
        if molecule.published:
            _check_published(config, molecule)
            check_start_files(config, molecule.name)
            continue
        data = entry(config, data_source(config, molecule.name))
        labels = labels_file(data)
        if not Path(labels).is_file() and (data.labels or not data.structure):
            raise InputError(
                f"molecules.{molecule.name}: no labels at {labels}; put an extxyz file with REF_ keys there, "
                "name a file with labels: or an entry with labels_from:, or give a structure: to compute them"
            )
        if data.method.program == "other" and (data.grow or computes_labels(data)):
            raise InputError(
                f"molecules.{data.name}.method.program = other: such labels are brought along, not computed; "
                f"put them at {labels}, or use pyscf or gfn2-xtb"
            )
        wanted = config.sampling.derivatives_fraction
        if wanted and data.method.program == "gpu4pyscf" and (data.grow or computes_labels(data)):
            raise InputError(
                f"sampling.derivatives_fraction = {wanted:g}: molecules.{data.name}.method.program = "
                "gpu4pyscf computes no derivatives; use pyscf or gfn2-xtb, or 0"
            )
        paths = {"labels": molecule.labels, **molecule.experiment.sources}
        for key, path in paths.items():
            if path:
                check_name(f"molecules.{molecule.name}: {key}", path)
        for key, path in molecule.experiment.sources.items():
            if key != "bands" and is_address(path):
                check_address(path)
            elif not Path(path).is_file():
                raise InputError(
                    f"molecules.{molecule.name}.experiment.{key} = {path}: no such file; "
                    f"give a path from the folder that snakemake runs in, or remove the line"
                )
        _check_inherited_state(config, molecule)
        frame = first_frame(labels)
        numbers = _check_structure(molecule, data) if molecule.structure else None
        check_start_files(config, molecule.name, (frame.atomic_numbers if frame else numbers) or ())
        if computes_labels(data) and (SHIPPED / labels).is_file():
            warnings.append(
                f"molecules.{molecule.name}: labels are to be computed, for this folder has no {labels}; "
                f"to take {SHIPPED / labels}, name it with labels:, or run in {SHIPPED}"
            )
        if frame is not None:
            check_atoms(frame, labels, molecule)
            if numbers is not None and sorted(numbers) != sorted(frame.atomic_numbers):
                raise InputError(
                    f"molecules.{molecule.name}: structure = {molecule.structure!r} is not the molecule of "
                    f"its labels, {labels}; correct either, or give the entry another name"
                )
            warnings += check_level(frame, labels, data)
            if source == molecule.name:  # the others train no model
                warnings += check_cutoff(frame, labels, config.model.cutoff_A)
    return list(dict.fromkeys(warnings))


def _check_structure(molecule: Molecule, data: Molecule) -> list[int]:
    """A structure is a molecule, its isotopes have places and masses, its method can be; atomic numbers."""
    from painn_spectra.isotopes import check_sites  # here: RDKit would slow every start of snakemake
    from painn_spectra.molecules import read_structure
    from painn_spectra.reference.label import check_method

    structure = read_structure(molecule.structure, molecule.charge, molecule.multiplicity)
    graph = structure.graph if structure.kind == "SMILES" else None
    try:
        check_sites(structure.numbers, molecule.isotopes, graph)
        if computes_labels(data):
            check_method(data.method, structure.numbers)
    except InputError as error:
        raise InputError(f"molecules.{molecule.name}: {error}") from None
    return [int(z) for z in structure.numbers]


def check_level(frame: FirstFrame, labels: str, molecule: Molecule) -> list[str]:
    """A warning where the labels say that another method made them than the settings name.

    Raises InputError where such labels are to be computed beside them.
    """
    method = molecule.method
    if not frame.level or method.program == "other":
        return []
    dispersion = f"-{method.dispersion}" if method.dispersion else ""
    ours = f"{method.functional}{dispersion}/{method.basis}"
    named = "GFN2-xTB" if method.program == "gfn2-xtb" else ours
    if theory(named) == theory(frame.level):
        return []
    text = (
        f"molecules.{molecule.name}.method: {named}, but {labels}, which is taken, says {frame.level!r}; "
        "name that method, or give the entry another name to compute labels"
    )
    if molecule.grow:
        raise InputError(text)
    return [text]


def _check_published(config: Config, molecule: Molecule) -> None:
    """A published set has energies and forces only, and its files are where they should be."""
    given = molecule.published
    assert given
    where = f"molecules.{molecule.name}.published"
    for key, path in given.sources.items():
        if is_address(path):
            check_address(path)
        elif not Path(path).is_file():
            raise InputError(f"{where}.{key} = {path}: no such file; docs/accuracy.md tells where to get it")
    for name in ("dipole", "polarizability"):
        if getattr(config.train.loss, name):
            raise InputError(
                f"train.loss.{name} = {getattr(config.train.loss, name):g}: {where} has energies and forces "
                f"only; set train.loss.{name}: 0"
            )


def _check_inherited_state(config: Config, molecule: Molecule) -> None:
    """Labels and model of one charge and multiplicity say nothing about another."""
    for key in ("labels_from", "model_from"):
        source = getattr(molecule, key)
        for state in ("charge", "multiplicity") if source else ():
            own, inherited = getattr(molecule, state), getattr(entry(config, source), state)
            if own != inherited:
                raise InputError(
                    f"molecules.{molecule.name}.{state} = {own}, but {source}, named by {key}, has "
                    f"{inherited}; set {state}: {inherited} in both, or give {molecule.name} its own labels"
                )
