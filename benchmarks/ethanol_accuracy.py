"""Ethanol's errors against the number of labels, with and without pre-training, over several splits.

    python -m benchmarks.ethanol_accuracy run --sizes 2000 &              `standard`, all labels, three splits
    python -m benchmarks.ethanol_accuracy run --quality quick --without --plain &     the learning curve
    python -m benchmarks.ethanol_accuracy table     prints the tables of docs/accuracy.md, draws the figure

`run` trains what is missing, one model after another, in results/ethanol-accuracy/ by quality; killed, it
goes on with the same command. After pre-training every size gets the quality's epochs, for more unlearn it;
from random weights as many steps as all labels do. A size beyond what a split leaves takes all of that.
--plain leaves out labels of derivatives; --without adds models without pre-training.
A split holds out whole trajectories, as the workflow does; labels are drawn at random from the others.
GFN2-xTB geometries start at all training geometries of the split, whose labels they do not see.
"""

import argparse
import json
import re
from collections.abc import Iterator
from itertools import product, starmap
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator

from painn_spectra import keys
from painn_spectra.config import QUALITY, load_config
from painn_spectra.dataset import Frames, read_frames
from painn_spectra.evaluate import error_rows, predict
from painn_spectra.files import write_json
from painn_spectra.gathering import gather_labels
from painn_spectra.model.checkpoint import load_model
from painn_spectra.model.potential import Potential
from painn_spectra.plotting import PARITY_COLOURS, save, style
from painn_spectra.sampling.pretraining import label_pretraining
from painn_spectra.settings.training import ModelSettings, TrainSettings
from painn_spectra.split import read_split
from painn_spectra.tables import markdown
from painn_spectra.train import pretrain_model, train_model
from painn_spectra.units import BOHR3_A3, DEBYE_EA, KCAL_MOL_EV

ROOT = Path(__file__).parents[1]
LABELS = ROOT / "config/molecules/ethanol/labels.extxyz"
FOLDER = ROOT / "results/ethanol-accuracy"
STORED = ROOT / "benchmarks/ethanol_accuracy.json"
FIGURES = ROOT / "docs/figures"
SIZES, SPLITS = (50, 100, 200, 400, 800), (0, 1, 2)
PAPER = {
    keys.ENERGY: 0.027,
    keys.FORCES: 0.150,
    keys.DIPOLE: 0.003,
    keys.POLARIZABILITY: 0.009,
}  # 8000 labels
PAPER_UNITS = {  # from eV, eV/Å, e·Å, Å³
    keys.ENERGY: ("kcal/mol", 1 / KCAL_MOL_EV),
    keys.FORCES: ("kcal/mol/Å", 1 / KCAL_MOL_EV),
    keys.DIPOLE: ("D", 1 / DEBYE_EA),
    keys.POLARIZABILITY: ("a0³", 1 / BOHR3_A3),
}
THERMAL = ("GFN2-xTB dynamics", "xtb", "model1-300", "model1-600")  # the others are strained on purpose
CURVES = (  # (pre-training, derivatives), line, words
    ((True, True), "-", "with pre-training and derivatives"),
    ((True, False), "--", "with pre-training"),
    ((False, False), ":", "without"),
)
Run = dict[str, Any]


def settings(
    quality: str, epochs: int | None, pretraining_frames: int | None
) -> tuple[TrainSettings, ModelSettings]:
    """Those of a quality, shortened where asked."""
    config = load_config({"quality": quality, "molecules": [{"name": "ethanol"}]})
    train = config.train
    if epochs:
        cheap = {"epochs": max(1, epochs // 10), "n_frames": pretraining_frames or train.pretrain.n_frames}
        pretrain = train.pretrain.model_copy(update=cheap)
        train = train.model_copy(update={"epochs": epochs, "pretrain": pretrain})
    return train, config.model


def prepared(quality: str, split_seed: int) -> tuple[Path, Path]:
    """Data set and split of `split_seed`, made once."""
    folder = FOLDER / quality / f"split{split_seed}"
    data, split = folder / "dataset.extxyz", folder / "split.json"
    if data.is_file() and data.read_bytes().strip() != LABELS.read_bytes().strip():
        raise SystemExit(f"{folder} holds models of other labels than {LABELS.name} now has; move it away")
    if not split.is_file():
        config = load_config({"molecules": [{"name": "ethanol"}], "dataset": {"split_seed": split_seed}})
        gather_labels([LABELS], data, split, config.dataset)
    return data, split


def pretrained(data: Path, split: Path, train: TrainSettings, model: ModelSettings) -> Path:
    """The model that has learnt GFN2-xTB around the split's training geometries, made once."""
    folder = data.with_name("pretraining")
    labels, made = folder / "labels.extxyz", folder / "model.pt"
    if not made.is_file():
        if not labels.is_file():
            label_pretraining(data, split, labels, train.pretrain)
        if len(read_frames(labels)) < 0.9 * train.pretrain.n_frames:
            raise SystemExit(f"{labels} holds other cheap labels than these settings make; move it away")
        pretrain_model(labels, made, folder / "metrics.jsonl", train, model)
    had = load_model(made).metadata["settings"]
    if (had["optimizer"], had["pretrain"]) != (train.optimizer, train.pretrain.model_dump()):
        raise SystemExit(f"{folder} holds a model of other settings than these; move it away")
    return made


def train_one(
    quality: str,
    size: int,
    split_seed: int,
    cheap: bool,
    plain: bool,
    train: TrainSettings,
    model: ModelSettings,
) -> None:
    """One point of the curve, unless it is there."""
    data, split = prepared(quality, split_seed)
    content = json.loads(split.read_text(encoding="utf-8"))
    everything = content["train"]
    name = f"{size}-{'pretrained' if cheap else 'scratch'}{'-plain' if plain else ''}"
    folder = data.with_name(name)
    if (folder / "errors.json").is_file():
        return
    chosen = np.random.default_rng(split_seed).permutation(everything)[:size]
    part = folder / "split.json"
    write_json(part, content | {"train": sorted(int(k) for k in chosen)})
    if cheap:
        start = pretrained(data, split, train, model)
    else:
        start = None
        train = train.model_copy(update={"epochs": round(train.epochs * len(everything) / len(chosen))})
    if plain:
        zero = train.loss.model_copy(update=dict.fromkeys(keys.DERIVATIVES.values(), 0.0))
        train = train.model_copy(update={"loss": zero})
    train_model(data, part, folder / "model.pt", folder / "metrics.jsonl", train, model, start_from=start)
    frames, parts = read_frames(data), read_split(part, data)
    test, known = frames.take(parts["test"]), frames.take(parts["train"])
    potential = load_model(folder / "model.pt")
    kinds = np.array([kind(group) for group in test.groups])
    of_kind = {name: np.flatnonzero(kinds == name) for name in sorted(set(kinds))}
    told = {
        "quality": quality,
        "size": size,
        "labels": len(chosen),
        "split": split_seed,
        "pretrained": cheap,
        "derivatives": 0 if plain else int(known.having(keys.POLARIZABILITY_DERIVATIVE).sum()),
        "optimizer": train.optimizer,
        "epochs": train.epochs,
        "n_test": len(test),
        "seconds": potential.metadata["seconds"],
        "n_features": model.n_features,
        "mae": mean_errors(potential, test, known),
        "kinds": {
            name: {"n": len(index), "mae": mean_errors(potential, test.take(index), known)}
            for name, index in of_kind.items()
        },
    }
    write_json(folder / "errors.json", told)


def kind(group: str) -> str:
    """What a trajectory was: its name without its number; the first ones have a number only."""
    return re.sub(r"-?\d+$", "", group) or "GFN2-xTB dynamics"


def mean_errors(potential: Potential, test: Frames, known: Frames) -> dict[str, float]:
    """Mean absolute error by property; eV, eV/Å, e·Å, Å³."""
    rows = error_rows(predict(potential, test), test, known)
    return {row["property"]: row["mae"] / keys.SHOWN_UNITS[row["property"]][1] for row in rows}


def finished() -> list[Run]:
    """Points kept in the repository, and those made here in place of theirs."""
    known = json.loads(STORED.read_text(encoding="utf-8")) if STORED.is_file() else []
    paths = [path for quality in QUALITY for path in sorted(FOLDER.glob(f"{quality}/split*/*/errors.json"))]
    made = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    points = {(run["size"], run["split"], way_of(run)): run for run in known + made}
    if made:
        write_json(STORED, list(points.values()))
    return list(points.values())


class Way(NamedTuple):
    """How a model was trained."""

    quality: str
    optimizer: str
    pretrained: bool
    derivatives: bool


def way_of(run: Run) -> Way:
    return Way(run["quality"], run["optimizer"], run["pretrained"], run["derivatives"] > 0)


def series(runs: list[Run]) -> Iterator[tuple[Way, int, list[Run]]]:
    """Splits of equal way and size together, best ways first."""
    best_first = product(reversed(QUALITY), ("muon", "adamw"), (True, False), (True, False))
    for way in starmap(Way, best_first):
        alike = [run for run in runs if way_of(run) == way]
        for size in sorted({run["size"] for run in alike}):
            yield way, size, [run for run in alike if run["size"] == size]


def curve_table(runs: list[Run]) -> str:
    """Errors on thermal frames, mean over splits, in the paper's units; the paper's own row last."""
    units = [f"{name}, {PAPER_UNITS[name][0]}" for name in keys.PROPERTIES]
    heads = [
        "quality",
        "optimizer",
        "labels",
        "of them with derivatives",
        "pre-training",
        *units,
        "splits",
        "minutes each",
    ]
    lines = []
    for way, _, of_size in series([thermal(run) for run in runs]):
        cells = [f"{np.mean(in_paper_units(of_size, name)):.3g}" for name in keys.PROPERTIES]
        minutes = np.mean([run["seconds"] for run in of_size]) / 60
        cells += [str(len(of_size)), f"{minutes:.0f}"]
        counts = [f"{np.mean([run[key] for run in of_size]):.0f}" for key in ("labels", "derivatives")]
        start = "GFN2-xTB" if way.pretrained else "none"
        lines.append([way.quality, way.optimizer, *counts, start, *cells])
    paper = [f"{PAPER[name]:.3g}" for name in keys.PROPERTIES]
    lines.append(["–", "adam", "8000", "0", "none (paper, other test frames)", *paper, "1", "–"])
    return markdown(heads, lines)


def thermal(run: Run) -> Run:
    """The run with errors over frames of dynamics at 300 to 600 K, as the paper's are."""
    parts = [part for name, part in run["kinds"].items() if name in THERMAL]
    n = [part["n"] for part in parts]
    mae = {name: np.average([part["mae"][name] for part in parts], weights=n) for name in run["mae"]}
    return run | {"mae": mae}


def in_paper_units(runs: list[Run], name: str) -> list[float]:
    return [run["mae"][name] * PAPER_UNITS[name][1] for run in runs]


def by_kind(runs: list[Run]) -> str:
    """Errors of the best quality's largest training sets by kind of test frames, means over splits."""
    best, *_ = next(series(runs))
    runs = [run for run in runs if way_of(run) == best]
    most = max(run["size"] for run in runs)
    largest = [run["kinds"] for run in runs if run["size"] == most]
    units = [f"{name}, {PAPER_UNITS[name][0]}" for name in keys.PROPERTIES]
    lines = []
    for name in sorted({name for kinds in largest for name in kinds}):
        found = [kinds[name] for kinds in largest if name in kinds]
        cells = [f"{np.mean(in_paper_units(found, key)):.3g}" for key in keys.PROPERTIES]
        lines.append([name, str(sum(of["n"] for of in found)), *cells])
    return markdown(["test frames", "n", *units], lines)


def draw(runs: list[Run]) -> None:
    """`quick`'s errors on thermal frames against labels, logarithmic axes, a point per split; four panels."""
    runs = [thermal(run) for run in runs if run["quality"] == "quick"]
    with style():
        figure, axes = plt.subplots(1, 4, figsize=(7.2, 2.1), layout="constrained")
        for axis, name in zip(axes, keys.PROPERTIES, strict=True):
            for helped, look, label in CURVES:
                points = [
                    (size, in_paper_units(of, name)) for way, size, of in series(runs) if way[2:] == helped
                ]
                if not points:
                    continue
                sizes, means = [size for size, _ in points], [np.mean(values) for _, values in points]
                axis.plot(sizes, means, look, color=PARITY_COLOURS[name], label=label)
                for size, values in points:
                    axis.plot([size] * len(values), values, ".", color=PARITY_COLOURS[name], markersize=3)
            axis.axhline(PAPER[name], color="0.6", linewidth=0.8, zorder=1, label="paper, 8000 labels")
            unit = PAPER_UNITS[name][0]
            axis.set(xscale="log", yscale="log", xlabel="labels", ylabel=f"{name} MAE,\n{unit}")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ticks = sorted({run["size"] for run in runs})
            axis.set_xticks(ticks, [str(size) if k % 2 == 0 else "" for k, size in enumerate(ticks)])
            axis.minorticks_off()
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
        save(figure, FIGURES / "learning_curve.svg", FIGURES / "learning_curve.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--splits", type=int, nargs="+", default=SPLITS)
    parser.add_argument("--without", action="store_true", help="without pre-training too")
    parser.add_argument("--plain", action="store_true", help="without labels of derivatives")
    parser.add_argument("--quality", choices=sorted(QUALITY), default="standard")
    parser.add_argument("--epochs", type=int, help="of all labels; fewer for a smoke test")
    parser.add_argument("--pretraining-frames", type=int, help="with --epochs")
    arguments = parser.parse_args()
    if arguments.what == "run":
        given = settings(arguments.quality, arguments.epochs, arguments.pretraining_frames)
        quality = f"{arguments.quality}-smoke" if arguments.epochs else arguments.quality
        for split_seed in arguments.splits:
            for size in sorted(arguments.sizes, reverse=True):
                for cheap in (True, False) if arguments.without else (True,):
                    train_one(quality, size, split_seed, cheap, arguments.plain, *given)
    runs = finished()
    if not runs:
        raise SystemExit("nothing is trained yet: python -m benchmarks.ethanol_accuracy run")
    draw(runs)
    print(curve_table(runs), by_kind(runs), sep="\n\n")


if __name__ == "__main__":
    main()
