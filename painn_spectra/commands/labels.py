"""From a structure to labelled frames."""

from pathlib import Path

from painn_spectra.commands.parsing import Add, Arguments, positive, take_threads

METHOD_OPTIONS = {  # of `new`, as in Method: name -> help
    "program": "pyscf (default), gpu4pyscf or gfn2-xtb",
    "functional": "default: PBE0",
    "basis": "default: def2-TZVP",
    "polarizability_basis": "for the polarizability alone, e.g. def2-TZVPD",
    "dispersion": "D3(BJ) or D4",
}


def new(a: Arguments) -> None:
    from painn_spectra.new_molecule import new_molecule

    method = {key: getattr(a, key) for key in METHOD_OPTIONS if getattr(a, key) is not None}
    new_molecule(a.structure, a.out, a.name, a.charge, a.multiplicity, method, a.n_frames)


def conformers(a: Arguments) -> None:
    from painn_spectra.sampling.conformers import find_conformers
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import ConformersStage

    s = parse_settings(ConformersStage, a.settings)
    find_conformers(a.output, s.structure, s.charge, s.multiplicity, s.sampling)


def sample(a: Arguments) -> None:
    from painn_spectra.sampling.first_set import sample_geometries
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import SampleStage

    s = parse_settings(SampleStage, a.settings)
    sample_geometries(a.conformers, a.geometries, s.sampling, a.threads)


def sample_model(a: Arguments) -> None:
    from painn_spectra.sampling.model_batch import sample_model as run
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import SampleModelStage

    s = parse_settings(SampleModelStage, a.settings)
    run(
        a.model, a.dataset, a.geometries, s.sampling, s.round_number, a.threads,
        others=a.others, spectra=a.spectra, split=a.split, record=a.record, quantum=s.quantum,
    )  # fmt: skip


def rounds(a: Arguments) -> None:
    from painn_spectra.dataset import read_atoms
    from painn_spectra.sampling.rounds import summarise_rounds

    n_labels = len(read_atoms(a.dataset))
    summarise_rounds(a.records, a.spectra, a.errors, n_labels, a.table, a.figures)


def label(a: Arguments) -> None:
    from painn_spectra.labelling import label_chunk
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import LabelStage

    label_chunk(
        a.geometries, a.labels, a.failures, parse_settings(LabelStage, a.settings), a.store, a.threads
    )


def gather(a: Arguments) -> None:
    from painn_spectra.gathering import gather_labels
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import GatherStage

    settings = parse_settings(GatherStage, a.settings)
    gather_labels(a.labels, a.dataset, a.split, settings, a.previous, a.failures, settings.properties)


def label_pretraining(a: Arguments) -> None:
    from painn_spectra.sampling.pretraining import label_pretraining as run
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import PretrainLabelsStage

    s = parse_settings(PretrainLabelsStage, a.settings)
    run(a.dataset, a.split, a.output, s.pretrain, s.charge, s.multiplicity, a.threads)


def declare(add: Add) -> None:
    """These commands and what they take."""
    fresh = add(new, "a config for a molecule, after a timed trial label", settings=False)
    fresh.add_argument("structure", metavar="STRUCTURE", help="SMILES, xyz file or ASE name")
    fresh.add_argument("--name", help="default: the formula")
    fresh.add_argument("--out", type=Path, metavar="YAML", help="default: config/NAME.yaml")
    fresh.add_argument("--charge", type=int, help="default: that of the SMILES, or 0")
    fresh.add_argument("--multiplicity", type=positive, metavar="2S+1", help="default: 1")
    fresh.add_argument("--n-frames", type=positive, metavar="N", help="labels of the first set, default: 500")
    for name, help_text in METHOD_OPTIONS.items():
        fresh.add_argument(
            f"--{name.replace('_', '-')}", metavar=name.rpartition("_")[2].upper(), help=help_text
        )
    add(conformers, "minima of the molecule that a structure names", "output")
    sampling = add(sample, "geometries to label: GFN2-xTB dynamics, normal modes", "conformers", "geometries")
    batch = add(sample_model, "geometries from a model's own dynamics", "model", "dataset", "geometries")
    batch.add_argument("--others", nargs="*", type=Path, default=[], metavar="MODEL", help="ensemble members")
    batch.add_argument(
        "--spectra", nargs="*", type=Path, default=[], metavar="CSV", help="harmonic, of the models so far"
    )
    batch.add_argument("--split", type=Path, help="for errors on the held-out frames")
    batch.add_argument("--record", type=Path, metavar="JSON", help="what is known of the model")
    help_text = "errors and changes of the spectrum, round by round"
    rows = add(rounds, help_text, "dataset", "errors", "table", "figures", settings=False, recorded=True)
    rows.add_argument("--records", nargs="+", type=Path, required=True, metavar="JSON")
    rows.add_argument("--spectra", nargs="+", type=Path, required=True, metavar="CSV")
    labelling = add(label, "labels of one chunk of geometries", "geometries", "labels", "failures")
    labelling.add_argument("--store", type=Path, required=True, metavar="DIR", help="labels computed so far")
    gathering = add(gather, "check, join and split labelled frames", "dataset", "split")
    gathering.add_argument("labels", nargs="+", type=Path, metavar="LABELS")
    gathering.add_argument("--previous", nargs=2, type=Path, metavar=("DATASET", "SPLIT"))
    gathering.add_argument(
        "--failures", nargs="*", type=Path, default=[], metavar="JSON", help="of labelling"
    )
    pretraining = add(label_pretraining, "GFN2-xTB labels to learn first", "dataset", "split", "output")
    for command in (sampling, batch, labelling, pretraining):
        take_threads(command)
