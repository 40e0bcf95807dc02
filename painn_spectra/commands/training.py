"""Models: training, errors, predictions, published sets."""

import json
from pathlib import Path

from painn_spectra.commands.parsing import Add, Arguments


def gather_published(a: Arguments) -> None:
    from painn_spectra.published.md17 import gather_published as run
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.settings.molecule import Published

    run(a.dataset, a.split, parse_settings(Published, a.settings))


def pretrain(a: Arguments) -> None:
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import TrainStage
    from painn_spectra.train import pretrain_model

    s = parse_settings(TrainStage, a.settings)
    pretrain_model(a.labels, a.model, a.metrics, s.train, s.model, s.member, s.charge)


def train(a: Arguments) -> None:
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import TrainStage
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


def evaluate_split(a: Arguments) -> None:
    from painn_spectra.evaluate import evaluate_stage

    evaluate_stage(a.models, a.dataset, a.split, a.errors, a.members, a.figures, a.metrics)


def predict(a: Arguments) -> None:
    from painn_spectra.predictions import predict_files

    predict_files(a.models, a.frames, a.output, a.calibration)


def calibrate(a: Arguments) -> None:
    from painn_spectra.calibration import calibrate as run

    run(a.models, a.dataset, a.split, a.output, a.more)


def snapshot(a: Arguments) -> None:
    from painn_spectra.snapshot import snapshot as run

    run(a.state, a.model)


def export(a: Arguments) -> None:
    from painn_spectra.exporting import export_model

    export_model(a.model, a.output)


def qm9(a: Arguments) -> None:
    from painn_spectra.published.qm9_training import train_qm9
    from painn_spectra.settings.base import parse_settings
    from painn_spectra.stages import Qm9Stage

    s = parse_settings(Qm9Stage, a.settings)
    train_qm9(a.target, a.model, a.metrics, a.errors, s.qm9, s.train, s.model)


def accuracy(a: Arguments) -> None:
    from painn_spectra.published.table import accuracy_table

    accuracy_table(a.results, a.table)


def declare(add: Add) -> None:
    """These commands and what they take."""
    add(gather_published, "a published set with its split: MD17, rMD17", "dataset", "split")
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
    paths = ("dataset", "split", "errors", "figures")
    split = add(evaluate_split, "errors on the held-out frames", *paths, settings=False, recorded=True)
    split.add_argument("--models", required=True, nargs="+", type=Path, metavar="MODEL")
    split.add_argument("--members", required=True, nargs="+", type=Path, metavar="CSV", help="one per model")
    split.add_argument("--metrics", nargs="*", type=Path, default=[], metavar="JSONL", help="curves to draw")
    add(snapshot, "weights of an unfinished training, as a model file", "state", "model", settings=False)
    add(export, "write a model as a torch.export file", "model", "output", settings=False)
    scalar = add(qm9, "train and test a model of one property of QM9")
    scalar.add_argument("target", metavar="TARGET", help="mu, alpha, homo, ...")
    for path in ("model", "metrics", "errors"):
        scalar.add_argument(path, type=Path, metavar=path.upper())
    measuring = add(accuracy, "measured errors beside published ones", settings=False)
    measuring.add_argument("table", type=Path, metavar="TABLE", help="Markdown")
    help_text = "results/<entry>, results/qm9/<target>"
    measuring.add_argument("results", nargs="+", type=Path, metavar="FOLDER", help=help_text)
