"""Command line: `painn-spectra <stage> --settings JSON inputs outputs`.

Stages are imported when they run: `--help` answers at once, and the labelling process never sees torch.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from painn_spectra import __version__
from painn_spectra.errors import InputError

Arguments = argparse.Namespace
SPECTRA_OPTIONS = {  # of `analyze`, as in SpectraSettings: name -> help
    "fwhm_cm": "resolution in cm-1, default: 10",
    "laser_nm": "laser line in nm, default: 532",
    "min_wavenumber_cm": "start of the range in cm-1, default: 100",
    "max_wavenumber_cm": "end of the range in cm-1, default: 4000",
    "window": "gaussian (default, never negative) or hann",
    "rotation": "kept (default) or removed: Eckart frame, needs positions and masses",
}

METHOD_OPTIONS = {  # of `new`, as in Method: name -> help
    "program": "pyscf (default), gpu4pyscf or gfn2-xtb",
    "functional": "default: PBE0",
    "basis": "default: def2-TZVP",
    "polarizability_basis": "for the polarizability alone, e.g. def2-TZVPD",
    "dispersion": "D3(BJ) or D4",
}


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are InputErrors: one line each, like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number, give 1 or more")
    return number


def whole(text: str) -> int:
    """A whole number from 0 on."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, give 0 or more")
    return int(text)


def new(a: Arguments) -> None:
    from painn_spectra.new_molecule import new_molecule

    method = {key: getattr(a, key) for key in METHOD_OPTIONS if getattr(a, key) is not None}
    new_molecule(a.structure, a.out, a.name, a.charge, a.multiplicity, method, a.n_frames)


def conformers(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.plan import ConformersStage
    from painn_spectra.sampling.conformers import find_conformers

    s = parse_settings(ConformersStage, a.settings)
    find_conformers(a.output, s.structure, s.charge, s.multiplicity, s.sampling)


def sample(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.plan import SampleStage
    from painn_spectra.sampling.first_set import sample_geometries

    s = parse_settings(SampleStage, a.settings)
    sample_geometries(a.conformers, a.geometries, s.sampling, a.threads)


def sample_model(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.plan import SampleModelStage
    from painn_spectra.sampling.model_batch import sample_model as run

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


def positive_real(text: str) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def gather(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.dataset import gather_labels
    from painn_spectra.plan import GatherStage

    settings = parse_settings(GatherStage, a.settings)
    gather_labels(a.labels, a.dataset, a.split, settings, a.previous, a.failures, settings.properties)


def gather_published(a: Arguments) -> None:
    from painn_spectra.config import Published, parse_settings
    from painn_spectra.published.md17 import gather_published as run

    run(a.dataset, a.split, parse_settings(Published, a.settings))


def accuracy(a: Arguments) -> None:
    from painn_spectra.published.table import accuracy_table

    accuracy_table(a.results, a.table)


def qm9(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.plan import Qm9Stage
    from painn_spectra.published.qm9_training import train_qm9

    s = parse_settings(Qm9Stage, a.settings)
    train_qm9(a.target, a.model, a.metrics, a.errors, s.qm9, s.train, s.model)


def label(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.labelling import label_chunk
    from painn_spectra.plan import LabelStage

    label_chunk(
        a.geometries, a.labels, a.failures, parse_settings(LabelStage, a.settings), a.store, a.threads
    )


def label_pretraining(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.plan import PretrainLabelsStage
    from painn_spectra.sampling.pretraining import label_pretraining as run

    s = parse_settings(PretrainLabelsStage, a.settings)
    run(a.dataset, a.split, a.output, s.pretrain, s.charge, s.multiplicity, a.threads)


def pretrain(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.plan import TrainStage
    from painn_spectra.train import pretrain_model

    s = parse_settings(TrainStage, a.settings)
    pretrain_model(a.labels, a.model, a.metrics, s.train, s.model, s.member, s.charge)


def train(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.plan import TrainStage
    from painn_spectra.train import take_over, train_model

    s = parse_settings(TrainStage, a.settings)
    if a.same_as and take_over(a.dataset, a.model, a.metrics, *a.same_as):
        return
    train_model(a.dataset, a.split, a.model, a.metrics, s.train, s.model, s.member, a.start_from, s.charge)


def evaluate(a: Arguments) -> None:
    from painn_spectra.evaluate import evaluate_files
    from painn_spectra.summary import error_table

    rows = evaluate_files(a.models, a.dataset)
    print(json.dumps(rows, indent=2) if a.json else error_table(rows))


def predict(a: Arguments) -> None:
    from painn_spectra.predictions import predict_files

    predict_files(a.models, a.frames, a.output, a.calibration)


def calibrate(a: Arguments) -> None:
    from painn_spectra.calibration import calibrate as run

    run(a.models, a.dataset, a.split, a.output, a.more)


def snapshot(a: Arguments) -> None:
    from painn_spectra.snapshot import snapshot as run

    run(a.state, a.model)


def ipi(a: Arguments) -> None:
    from painn_spectra.ipi import run_driver

    run_driver(a.model, a.structure, a.host, a.port, a.unix)


def export(a: Arguments) -> None:
    from painn_spectra.exporting import export_model

    export_model(a.model, a.output)


def evaluate_split(a: Arguments) -> None:
    from painn_spectra.evaluate import evaluate_stage

    evaluate_stage(a.models, a.dataset, a.split, a.errors, a.members, a.figures, a.metrics)


def md(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.md.run import run_dynamics
    from painn_spectra.plan import DynamicsStage

    s = parse_settings(DynamicsStage, a.settings)
    run_dynamics(
        a.model, a.dataset, a.trajectory, a.report, s.md, s.molecule, s.dynamics, s.temperature_K, s.isotopes,
        a.threads, first_member=a.first_member, correction=a.correction, group=a.group, split=a.split,
    )  # fmt: skip


def sample_centroids(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.plan import CentroidsStage
    from painn_spectra.tepigs.centroids import sample_centroids as run

    s = parse_settings(CentroidsStage, a.settings)
    run(a.model, a.dataset, a.centroids, a.split, s.tepigs, s.isotopes, a.threads)


def harmonic_reference(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.harmonic_reference import harmonic_reference as run
    from painn_spectra.plan import HarmonicStage

    s = parse_settings(HarmonicStage, a.settings)
    state = (s.method, s.charge, s.multiplicity, s.isotopes, s.temperature_K)
    run(a.conformers, a.table, *state, a.threads, a.polarizability_anew)


def harmonic_model(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.harmonic_model import harmonic_model as run
    from painn_spectra.plan import HarmonicStage

    s = parse_settings(HarmonicStage, a.settings)
    run(a.model, a.dataset, a.table, a.conformers, s.isotopes, s.temperature_K)


def vpt2(a: Arguments) -> None:
    from painn_spectra.vpt2.stage import run_vpt2

    run_vpt2(a.model, a.harmonic, a.table)


def harmonic_compare(a: Arguments) -> None:
    from painn_spectra.harmonic_comparison import compare_harmonic

    compare_harmonic(a.reference, a.model, a.comparison)


def torsions(a: Arguments) -> None:
    from painn_spectra.config import parse_settings
    from painn_spectra.plan import HarmonicStage
    from painn_spectra.torsions import torsions as run

    s = parse_settings(HarmonicStage, a.settings)
    level = (s.method, s.charge, s.multiplicity)
    run(a.model, a.conformers, a.profiles, a.barriers, a.figures, level, a.bond, a.threads)


def spectra(a: Arguments) -> None:
    from painn_spectra.config import SpectraSettings, parse_settings
    from painn_spectra.spectra.spectrum import compute_spectra

    settings = parse_settings(SpectraSettings, a.settings)
    compute_spectra(a.trajectory, a.ir, a.raman, a.bands, a.replicas, settings, a.members)


def analyze(a: Arguments) -> None:
    from painn_spectra.analyze import analyze_files
    from painn_spectra.config import SpectraSettings, validate
    from painn_spectra.spectra.series import Sampling

    given = {name: getattr(a, name) for name in SPECTRA_OPTIONS if getattr(a, name) is not None}
    sampling = Sampling(a.timestep_fs, a.temperature_K, a.integrator_timestep_fs)
    analyze_files(a.inputs, a.out, sampling, validate(SpectraSettings, given), a.model)


def compare(a: Arguments) -> None:
    from painn_spectra.config import Experiment, parse_settings
    from painn_spectra.spectra.compare import compare_stage

    experiment = parse_settings(Experiment, a.settings)
    compare_stage(a.spectra, a.figures, a.comparison, a.similarity, experiment, a.harmonic)


def ladder(a: Arguments) -> None:
    from painn_spectra.config import Experiment, parse_settings
    from painn_spectra.spectra.ladder import ladder_stage

    experiment = parse_settings(Experiment, a.settings)
    ladder_stage(a.results, a.table, a.figures, experiment, a.dynamics)


def report(a: Arguments) -> None:
    from painn_spectra.config import parse_object
    from painn_spectra.report.page import write_report

    write_report(a.results, a.report, parse_object(a.settings))


def index(a: Arguments) -> None:
    from painn_spectra.report.page import write_index

    write_index(a.reports, a.index)


def summary(a: Arguments) -> None:
    from painn_spectra.summary import summarise

    print(summarise(a.results))


def status(a: Arguments) -> None:
    from painn_spectra.status import status as told

    print(told(a.results, not a.no_plot))


def verify(a: Arguments) -> None:
    from painn_spectra.provenance import verify as checked

    print(checked(a.results))


def schema(a: Arguments) -> None:
    from painn_spectra.config import json_schema
    from painn_spectra.files import write_json

    write_json(a.output, json_schema())


RECORDED = (
    evaluate_split,
    harmonic_compare,
    rounds,
    index,
)  # stages of the workflow that are told no settings


def parser() -> Parser:
    """The whole command line; every stage lists its inputs, then its outputs."""
    top = Parser(prog="painn-spectra", description=sys.modules["painn_spectra"].__doc__)
    top.add_argument("--version", action="version", version=f"painn-spectra {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(run: Callable[[Arguments], None], text: str, *paths: str, settings: bool = True) -> Parser:
        command = commands.add_parser(run.__name__.replace("_", "-"), help=text, description=text)
        command.set_defaults(run=run, stage=command.prog.split()[-1], recorded=settings or run in RECORDED)
        if settings:
            command.add_argument("--settings", metavar="JSON", default="{}", help="default: %(default)s")
        for path in paths:
            command.add_argument(path, type=Path, metavar=path.upper())
        return command

    gathering = add(gather, "check, join and split labelled frames", "dataset", "split")
    gathering.add_argument("labels", nargs="+", type=Path, metavar="LABELS")
    gathering.add_argument("--previous", nargs=2, type=Path, metavar=("DATASET", "SPLIT"))
    gathering.add_argument(
        "--failures", nargs="*", type=Path, default=[], metavar="JSON", help="of labelling"
    )
    add(gather_published, "a published set with its split: MD17, rMD17", "dataset", "split")
    measuring = add(accuracy, "measured errors beside published ones", settings=False)
    measuring.add_argument("table", type=Path, metavar="TABLE", help="Markdown")
    help_text = "results/<entry>, results/qm9/<target>"
    measuring.add_argument("results", nargs="+", type=Path, metavar="FOLDER", help=help_text)
    scalar = add(qm9, "train and test a model of one property of QM9")
    scalar.add_argument("target", metavar="TARGET", help="mu, alpha, homo, ...")
    for path in ("model", "metrics", "errors"):
        scalar.add_argument(path, type=Path, metavar=path.upper())
    labelling = add(label, "labels of one chunk of geometries", "geometries", "labels", "failures")
    labelling.add_argument("--store", type=Path, required=True, metavar="DIR", help="labels computed so far")
    help_text = "energy profiles about rotatable bonds, model and reference"
    turning = add(torsions, help_text, "model", "conformers", "profiles", "barriers", "figures")
    turning.add_argument(
        "--bond", nargs=4, type=int, action="append", metavar="ATOM",
        help="dihedral by atom indices from 0, repeatable; default: one about every rotatable bond",
    )  # fmt: skip
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
    help_text = "minima and harmonic spectra of the labels' method"
    reference = add(harmonic_reference, help_text, "conformers", "table")
    reference.add_argument(
        "--polarizability-anew", action="store_true", help="of the conformers in an .npz file, nothing else"
    )
    batch = add(sample_model, "geometries from a model's own dynamics", "model", "dataset", "geometries")
    batch.add_argument("--others", nargs="*", type=Path, default=[], metavar="MODEL", help="ensemble members")
    batch.add_argument(
        "--spectra", nargs="*", type=Path, default=[], metavar="CSV", help="harmonic, of the models so far"
    )
    batch.add_argument("--split", type=Path, help="for errors on the held-out frames")
    batch.add_argument("--record", type=Path, metavar="JSON", help="what is known of the model")
    help_text = "errors and changes of the spectrum, round by round"
    rows = add(rounds, help_text, "dataset", "errors", "table", "figures", settings=False)
    rows.add_argument("--records", nargs="+", type=Path, required=True, metavar="JSON")
    rows.add_argument("--spectra", nargs="+", type=Path, required=True, metavar="CSV")
    moving = add(md, "molecular dynamics of all replicas", "model", "dataset", "trajectory", "report")
    moving.add_argument(
        "--first-member", type=Path, metavar="MODEL", help="of the ensemble, to start its replicas alike"
    )
    moving.add_argument("--split", type=Path, help="to tell both members' spread beside that on test frames")
    moving.add_argument(
        "--group", type=whole, metavar="N", help="only the Nth md.replicas_per_job replicas, from 0"
    )
    moving.add_argument(
        "--correction",
        nargs=2,
        type=Path,
        metavar=("MODEL", "CENTROIDS"),
        help="of tepigs, added to the model",
    )
    help_text = "what quantum nuclei add to the forces on their centroids"
    adding = add(sample_centroids, help_text, "model", "dataset", "centroids", "split")
    threaded = [
        reference,
        turning,
        labelling,
        add(sample, "geometries to label: GFN2-xTB dynamics, normal modes", "conformers", "geometries"),
        batch,
        add(label_pretraining, "GFN2-xTB labels to learn first", "dataset", "split", "output"),
        moving,
        adding,
    ]
    for command in threaded:
        help_text = "worker processes, default: %(default)s"
        command.add_argument("--threads", type=positive, default=1, metavar="N", help=help_text)
    help_text = "minima and harmonic spectra of a trained model"
    add(harmonic_model, help_text, "model", "dataset", "table", "conformers")
    help_text = "anharmonic sticks of the model's conformers (VPT2)"
    add(vpt2, help_text, "model", "harmonic", "table", settings=False)
    help_text = "bands from harmonic sticks to experiment, step by step"
    climbing = add(ladder, help_text, "results", "table", "figures")
    climbing.add_argument("--dynamics", nargs="+", required=True, metavar="KIND", help="such as trpmd")
    help_text = "modes of the model beside the reference's"
    add(harmonic_compare, help_text, "reference", "model", "comparison", settings=False)
    add(pretrain, "train one model on the xTB labels", "labels", "model", "metrics")
    training = add(train, "train one model on the labels", "dataset", "split", "model", "metrics")
    training.add_argument("--start-from", type=Path, metavar="MODEL", help="pretrained model")
    training.add_argument(
        "--same-as",
        nargs=2,
        type=Path,
        metavar=("DATASET", "MODEL"),
        help="taken over if the data are the same",
    )
    public = add(evaluate, "errors of a model, or of several averaged, on any extxyz file", settings=False)
    public.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    public.add_argument("dataset", type=Path, metavar="DATASET")
    public.add_argument("--json", action="store_true", help="print JSON instead of a table")
    predicting = add(predict, "predictions for the structures of an extxyz file", settings=False)
    predicting.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="several are averaged")
    predicting.add_argument("frames", type=Path, metavar="FRAMES", help="any molecules")
    predicting.add_argument("output", type=Path, metavar="OUTPUT", help="extxyz with model_energy, ...")
    help_text = "of these models: their spread is multiplied by its factors"
    predicting.add_argument("--calibration", type=Path, metavar="JSON", help=help_text)
    help_text = "what an ensemble's spread says of its error"
    calibrating = add(calibrate, help_text, "dataset", "split", "output", settings=False)
    calibrating.add_argument("--models", required=True, nargs="+", type=Path, metavar="MODEL")
    calibrating.add_argument(
        "--more", nargs="*", type=Path, default=[], metavar="FRAMES", help="to measure on"
    )
    add(snapshot, "weights of an unfinished training, as a model file", "state", "model", settings=False)
    driver = add(ipi, "serve i-PI with a model, dipole and polarizability in the extras", settings=False)
    driver.add_argument("model", type=Path, metavar="MODEL")
    driver.add_argument("structure", type=Path, metavar="STRUCTURE", help="extxyz: the atoms in i-PI's order")
    driver.add_argument("--host", default="localhost", help="where i-PI listens, default: %(default)s")
    driver.add_argument("--port", type=positive, default=31415, metavar="N", help="default: %(default)s")
    driver.add_argument("--unix", metavar="NAME", help="name of a UNIX socket, instead of host and port")
    add(export, "write a model as a torch.export file", "model", "output", settings=False)
    paths = ("dataset", "split", "errors", "figures")
    split = add(evaluate_split, "errors on the held-out frames", *paths, settings=False)
    split.add_argument("--models", required=True, nargs="+", type=Path, metavar="MODEL")
    split.add_argument("--members", required=True, nargs="+", type=Path, metavar="CSV", help="one per model")
    split.add_argument("--metrics", nargs="*", type=Path, default=[], metavar="JSONL", help="curves to draw")
    files = ("trajectory", "ir", "raman", "bands", "replicas")
    add(spectra, "IR and Raman spectra with errors", *files).add_argument(
        "--members", nargs="*", type=Path, default=[], metavar="TRAJECTORY", help="of the ensemble's others"
    )
    paths = ("spectra", "figures", "comparison", "similarity")
    comparing = add(compare, "figures, and comparison with experiment", *paths)
    comparing.add_argument(
        "--harmonic", nargs="*", type=Path, default=[], metavar="CSV", help="harmonic sticks to draw"
    )
    series = add(analyze, "spectra of any trajectory: .npz, .h5, columns of text, extxyz", settings=False)
    series.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="independent replicas")
    series.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results")
    series.add_argument("--timestep-fs", type=positive_real, metavar="FS", help="between samples")
    series.add_argument("--temperature-K", type=positive_real, metavar="K", dest="temperature_K")
    help_text = "of velocity Verlet: its frequency shift is undone; without it the shift stays"
    series.add_argument("--integrator-timestep-fs", type=positive_real, metavar="FS", help=help_text)
    series.add_argument("--model", type=Path, help="trained model, evaluated on extxyz frames")
    for name, help_text in SPECTRA_OPTIONS.items():
        number = name.endswith(("_cm", "_nm"))
        series.add_argument(
            f"--{name.replace('_', '-')}", dest=name, type=float if number else str, help=help_text,
            metavar=name.rpartition("_")[2].upper() if number else None,
            choices=None if number else ("gaussian", "hann") if name == "window" else ("kept", "removed"),
        )  # fmt: skip
    add(report, "one molecule's results as a web page", "results", "report")
    pages = add(index, "page that links the molecules' reports", "index", settings=False)
    pages.add_argument("reports", nargs="+", type=Path, metavar="REPORT")
    add(summary, "what a results folder holds: figures, errors, bands, seconds", "results", settings=False)
    watching = add(status, "jobs of a long run, and the spectrum so far", "results", settings=False)
    watching.add_argument("--no-plot", action="store_true", help="text only")
    add(verify, "are the results what was written, from what is there?", "results", settings=False)
    add(schema, "write the JSON schema of config.yaml", "output", settings=False)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 2 (130 after Ctrl-C) with one line on standard error."""
    try:
        arguments = parser().parse_args(argv)
        if not getattr(arguments, "recorded", False):
            arguments.run(arguments)
            return 0
        from painn_spectra.provenance import recorded

        with recorded(arguments.stage, getattr(arguments, "settings", "{}"), _paths(arguments)):
            arguments.run(arguments)
    except InputError as error:
        return _complain(f"error: {error}")
    except FileNotFoundError as error:
        return _complain(f"error: {error.filename}: no such file; check the path")
    except BrokenPipeError:  # `painn-spectra summary results | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # no permission, no space
        reason = error.strerror or (str(error) or type(error).__name__).splitlines()[0]
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"error: {where}{reason}; check path, permissions and free space, then run it again")
    except KeyboardInterrupt:
        return _complain("stopped by Ctrl-C; the same command goes on or begins anew", 130)
    return 0


def _paths(arguments: Arguments) -> list[Path]:
    """Every file that a command line names."""
    values = [value for value in vars(arguments).values() if isinstance(value, Path | list)]
    flat = (item for value in values for item in (value if isinstance(value, list) else [value]))
    return [path for path in flat if isinstance(path, Path)]


def _complain(line: str, code: int = 2) -> int:
    print(f"painn-spectra: {line}", file=sys.stderr)
    return code


def entry() -> None:
    """Console script."""
    sys.exit(main())
