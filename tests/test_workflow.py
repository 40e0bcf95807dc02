"""The workflow: which jobs run again after what, and the whole chain on water with small settings.

The counting tests run Snakemake with a stub of `painn-spectra` that only makes the files.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from painn_spectra.dataset import read_frames, read_split
from painn_spectra.tables import read_csv

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
STAGES = ("dataset", "sampling", "train", "evaluate", "md.run", "spectra.spectrum", "spectra.compare")
pytestmark = pytest.mark.workflow

STUB = r"""#!/bin/sh
# Makes what a stage would make: every path it is given, and the files beside them.
figures() { for stem; do for width in "" -column; do for ending in svg pdf png; do
    touch "$stem$width.$ending"; done; done; done; }
stage=$1; shift
case "$*" in *--settings*) shift 2;; esac
[ "$1" = --store ] && shift 2
case $stage in
    spectra) for name in ir.jdx raman.jdx ir.json raman.json bands.json power.csv; do
        touch "$(dirname "$1")/$name"; done ;;
    compare) figures "$2/ir" "$2/raman" ;;
    harmonic-model) touch "$(dirname "$3")/model.npz" ;;
    evaluate-split) touch "$(dirname "$3")/outliers.csv"; figures "$4/parity" "$4/training" ;;
esac
for path; do
    case $path in *.*) [ -e "$path" ] || echo "$stage" > "$path" ;; esac
done
"""

# One entry with labels of its own, one that inherits its model.
MOLECULES = [{"name": "a"}, {"name": "b", "model_from": "a", "isotopes": {0: 2.0}}]
MINIMA = {"harmonic_model a", "harmonic_model b"}
LEARNT = {"train_member a", "evaluate_model a", "evaluate_model b"}
FIGURES = {f"{rule} {name}" for rule in ("draw_figures", "write_report") for name in "ab"} | {"write_index"}
SPECTRA = {f"compute_spectra {name}" for name in "ab"} | FIGURES
DYNAMICS = {f"run_dynamics {name}" for name in "ab"} | SPECTRA
FROM_TRAINING = LEARNT | MINIMA | DYNAMICS
FROM_PRETRAINING = {"pretrain_member a"} | FROM_TRAINING
FROM_PRETRAINING_LABELS = {"label_pretraining a"} | FROM_PRETRAINING
ALL = {"gather_labels a"} | FROM_PRETRAINING_LABELS
MEMBER = {"run_member a", "run_member b"}  # what the first has run stays


class Clone:
    """A fresh copy of what the repository ships, with a configuration of its own."""

    def __init__(self, folder: Path, config: dict) -> None:
        self.folder = folder
        for name in ("workflow", "profiles"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "Snakefile", folder)
        (folder / "benchmarks").mkdir()
        for name in ("steps", "reference_step"):
            told = "import sys; print(*sys.argv)"
            (folder / f"benchmarks/{name}.py").write_text(told, encoding="utf-8")
        (folder / "config").mkdir()
        self.configure(config)

    def configure(self, config: dict) -> None:
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def stub(self) -> None:
        path = self.folder / "bin/painn-spectra"
        path.parent.mkdir()
        path.write_text(STUB, encoding="utf-8")
        path.chmod(0o755)

    def labels(self, name: str) -> Path:
        path = self.folder / f"config/molecules/{name}/labels.extxyz"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        path = os.pathsep.join([str(self.folder / "bin"), str(BIN), os.environ["PATH"]])
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def jobs(self, *arguments: str) -> set[str]:
        """What a run would do now: `rule molecule`."""
        done = self.snakemake("--dry-run", *arguments)
        text = done.stdout + done.stderr
        assert done.returncode == 0, text
        blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)", text, flags=re.MULTILINE)
        assert blocks or "Nothing to be done" in text, text
        molecule = (re.search(r"wildcards: .*molecule=(\w+)", block) for _, block in blocks)
        found = zip((rule for rule, _ in blocks), molecule, strict=True)
        return {f"{rule} {match[1]}" if match else rule for rule, match in found} - {"all"}

    def run(self) -> None:
        done = self.snakemake("--quiet", "all")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Clone:
    """A clone whose workflow has run once with the stub."""
    clone = Clone(tmp_path_factory.mktemp("clone"), {"molecules": MOLECULES})
    clone.labels("a").write_text("labels", encoding="utf-8")
    clone.stub()
    assert clone.jobs() == ALL  # nothing exists in a fresh clone
    clone.run()
    return clone


@pytest.fixture
def edited(finished) -> Iterator[Clone]:
    """The finished clone; configuration and labels are put back afterwards."""
    yield finished
    finished.configure({"molecules": MOLECULES})
    finished.labels("a").write_text("labels", encoding="utf-8")


def test_a_finished_run_is_idle_also_after_a_touch_of_the_labels(finished):
    assert finished.jobs() == set()
    os.utime(finished.labels("a"))
    assert finished.jobs() == set()


def test_other_labels_redo_everything(edited):
    edited.labels("a").write_text("other labels", encoding="utf-8")
    assert edited.jobs() == ALL


@pytest.mark.parametrize(
    ("edit", "expected"),  # which stage each single setting reaches stands in test_plan.py
    [
        ({"dataset": {"split_seed": 1}}, ALL),
        ({"train": {"pretrain": {"n_frames": 30}}}, FROM_PRETRAINING_LABELS),
        ({"train": {"pretrain": {"epochs": 10}}}, FROM_PRETRAINING),
        ({"train": {"pretrain": {"n_frames": 0}}}, FROM_TRAINING),
        ({"train": {"epochs": 10}}, FROM_TRAINING),
        ({"train": {"members": 2}}, {"pretrain_member a", *LEARNT, *MEMBER, *SPECTRA}),
        ({"md": {"production_ps": 12.0}}, DYNAMICS),
        ({"spectra": {"fwhm_cm": 12.0}}, SPECTRA),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_an_edited_setting_redoes_its_stage_and_what_follows(edited, edit, expected):
    edited.configure({"molecules": MOLECULES, **edit})
    assert edited.jobs() == expected


def test_every_member_runs_its_own_dynamics_once(edited):
    """Three models, two entries: two more trainings and four more trajectories, in files of their own."""
    edited.configure({"molecules": MOLECULES, "train": {"members": 3}})
    done = edited.snakemake("--dry-run", "--quiet", "rules")
    table = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE))
    assert (table["train_member"], table["run_member"], table["compute_spectra"]) == ("2", "4", "2")
    assert "run_dynamics" not in table
    done = edited.snakemake("--dry-run", "--printshellcmds", "results/b/classical/ir.csv")
    told = re.sub(r"results/b/classical/|results/a/", "", done.stdout + done.stderr)
    assert "--first-member model/0/model.pt model/2/model.pt dataset.extxyz 2/trajectory.h5 2/dyn" in told
    assert "bands.csv replicas.npz --members 1/trajectory.h5 2/trajectory.h5 > " in told
    assert edited.jobs("md") == {"pretrain_member a", "train_member a", *MEMBER, "md"}


def test_quantum_kinds_bring_their_own_stages_only(edited):
    """Te PIGS learns from the trained model; perturbation theory and the ladder come when asked for."""
    edited.configure({"molecules": MOLECULES, "dynamics": ["classical", "trpmd8", "tepigs"]})
    added = {
        f"{rule} {name}" for rule in ("sample_centroids", "train_correction", "run_dynamics") for name in "ab"
    }
    assert edited.jobs() == added | SPECTRA
    ladder = edited.jobs("ladder")
    spectra = {f"compute_spectra {name}" for name in "ab"}
    assert ladder - {"ladder"} == added | spectra | {
        f"{r} {n}" for r in ("run_vpt2", "draw_ladder") for n in "ab"
    }
    edited.configure(
        {"molecules": MOLECULES, "dynamics": ["classical"], "md": {"n_beads": 8}, "tepigs": {"seed": 1}}
    )
    assert edited.jobs() <= {"write_report a", "write_report b", "write_index"}  # which shows all settings


def test_an_experiment_redraws_only(edited):
    (edited.folder / "nist.jdx").touch()
    edited.configure({"molecules": [MOLECULES[0], {**MOLECULES[1], "experiment": {"ir": "nist.jdx"}}]})
    assert edited.jobs() == {"draw_figures b", "write_report b", "write_index"}


def test_a_new_isotopologue_needs_no_training(edited):
    edited.configure({"molecules": [*MOLECULES, {"name": "c", "model_from": "b", "temperature_K": 200}]})
    rules = (
        "evaluate_model",
        "harmonic_model",
        "run_dynamics",
        "compute_spectra",
        "draw_figures",
        "write_report",
    )
    assert edited.jobs() == {f"{rule} c" for rule in rules} | {"write_index"}


def test_harmonic_reference_is_computed_when_asked_and_taken_when_shipped(edited):
    on_demand = {"harmonic_reference", "harmonic_compare", "scan_torsions"}
    expected = {f"{rule} {name}" for rule in on_demand for name in "ab"} | {"harmonic"}
    assert edited.jobs("harmonic") == expected
    shipped = edited.labels("a").with_name("harmonic.npz")
    shipped.write_text("derivatives", encoding="utf-8")
    try:
        tables = {f"{rule} {name}" for rule in ("harmonic_reference", "harmonic_compare") for name in "ab"}
        assert edited.jobs() == tables | FIGURES
    finally:
        shipped.unlink()


def test_a_stage_can_be_forced(finished):
    assert finished.jobs("--forcerun", "compute_spectra") == SPECTRA


def test_a_target_is_a_noun_and_stops_at_its_stage(edited):
    assert edited.jobs("label", "train", "evaluate", "md", "spectra", "compare", "report") == set()
    edited.configure({"molecules": MOLECULES, "spectra": {"fwhm_cm": 12.0}})
    assert edited.jobs("evaluate", "md", "spectra") == {"compute_spectra a", "compute_spectra b", "spectra"}


FROM_NOTHING = {f"{rule} a" for rule in ("find_conformers", "sample_geometries", "label_chunk")}
ROUND = {f"{rule} a" for rule in ("gather_round", "train_round", "sample_model", "label_chunk")}
BEFORE_ROUND = {"label_pretraining a", "pretrain_member a"}
TARGETS = {"label", "gather_labels a"}
SMALL_SET = {"sampling": {"n_frames": 60, "frames_per_round": 30}}  # three chunks, then two


def test_without_shipped_labels_a_structure_is_sampled_and_labelled(edited):
    edited.labels("a").unlink()
    edited.configure({"molecules": [{"name": "a", "structure": "CCO"}], **SMALL_SET})
    assert edited.jobs("label") == FROM_NOTHING | ROUND | BEFORE_ROUND | TARGETS
    edited.configure({"molecules": [{"name": "a", "structure": "CCO"}], "sampling": {"rounds": 0}})
    assert edited.jobs("label") == FROM_NOTHING | TARGETS


def test_shipped_labels_grow_by_rounds_only_when_asked(edited):
    edited.configure({"molecules": [{"name": "a", "structure": "CCO"}], **SMALL_SET})
    assert edited.jobs("label") == set()
    edited.configure({"molecules": [{"name": "a", "grow": True}], **SMALL_SET})
    assert edited.jobs("label") == ROUND | BEFORE_ROUND | TARGETS


def test_every_round_adds_its_own_jobs_only(tmp_path):
    """A second round after a finished first one: sampled, labelled, trained; the first stays as it is."""
    clone = Clone(tmp_path, {"molecules": [{"name": "a", "structure": "CCO"}], **SMALL_SET})
    clone.stub()
    clone.run()
    assert len(list((tmp_path / "results/a/rounds/0/labels").glob("*.extxyz"))) == 3
    assert len(list((tmp_path / "results/a/rounds/1/labels").glob("*.extxyz"))) == 2
    assert clone.jobs() == set()
    sampling = SMALL_SET["sampling"] | {"rounds": 2}
    clone.configure({"molecules": [{"name": "a", "structure": "CCO"}], "sampling": sampling})
    assert clone.jobs("label") == ROUND | TARGETS
    more = SMALL_SET["sampling"] | {"model_temperatures_K": [400.0]}
    clone.configure({"molecules": [{"name": "a", "structure": "CCO"}], "sampling": more})
    assert clone.jobs("label") == {"sample_model a", "label_chunk a", *TARGETS}


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            {"molecules": [{"name": "x"}]},
            "molecules.x: no labels at config/molecules/x/labels.extxyz; put an",
        ),
        ({"molecules": MOLECULES, "speed": 1}, "speed: unknown setting; known here are quality"),
        (
            {"molecules": [{"name": "x", "model_from": "y"}, {"name": "y", "model_from": "x"}]},
            "molecules.x: model_from lead in a circle, x → y → x",
        ),
    ],
)
def test_a_wrong_configuration_is_one_clear_line(edited, config, line):
    edited.configure(config)
    done = edited.snakemake("--dry-run")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert line in text
    assert "Traceback" not in text


def test_names_and_paths_of_the_config_reach_no_shell(tmp_path):
    """Blanks, quotes, dollars and semicolons in a path and in a structure are words, not commands."""
    hostile = "la bels;touch executed;$(touch executed)`touch executed`'\".extxyz"
    (tmp_path / hostile).write_text("labels", encoding="utf-8")
    structure = "O'; touch executed; $(touch executed) \""
    clone = Clone(tmp_path, {"molecules": [{"name": "a", "labels": hostile, "structure": structure}]})
    clone.stub()
    done = clone.snakemake("--quiet", "all", "--force", "results/a/dataset.extxyz")
    assert done.returncode == 0, done.stdout + done.stderr
    clone.configure({"molecules": [{"name": "a", "structure": structure}]})
    done = clone.snakemake("--quiet", "all", "--force", "results/a/conformers.extxyz")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "executed").exists()


def test_replicas_are_shared_out_among_jobs(edited):
    """20 replicas in jobs of eight: three jobs for each entry and further member, then one that joins."""
    md = {"n_replicas": 20, "replicas_per_job": 8}
    edited.configure({"molecules": MOLECULES, "md": md, "train": {"members": 2}})
    done = edited.snakemake("--dry-run", "--quiet", "rules", "--forcerun", "run_replicas", "--", "md")
    table = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE))
    shared = ("run_replicas", "run_member_replicas", "run_dynamics", "run_member")
    assert [table[rule] for rule in shared] == ["6", "6", "2", "2"]
    edited.configure({"molecules": MOLECULES, "md": md | {"replicas_per_job": 32}})
    assert not any("replicas" in job for job in edited.jobs("md"))


def test_a_retry_asks_for_more(edited):
    """The second attempt has twice the memory and time, in every rule; GPUs where settings say so."""
    edited.configure({"molecules": MOLECULES, "md": {"device": "cuda"}, "train": {"device": "cuda"}})
    asked = {}
    for attempt in ("1", "2"):
        done = edited.snakemake("--dry-run", "--forceall", "--attempt", attempt)
        text = done.stdout + done.stderr
        assert done.returncode == 0, text
        asked[attempt] = dict(
            re.findall(r"^rule (\w+):\n(?: {4}.*\n)*? {4}resources: (.*)", text, flags=re.MULTILINE)
        )
    assert set(asked["1"]) >= {"train_member", "run_dynamics", "compute_spectra", "write_report"}
    for local in ("all", "write_index"):  # run where snakemake does
        asked["1"].pop(local, None)
    for rule, words in asked["1"].items():
        for name in ("mem_mb", "runtime"):
            found = [re.findall(rf"\b{name}=(\d+)", told[rule]) for told in asked.values()]
            assert all(found), (rule, name, words)
            first, second = (int(values[0]) for values in found)
            assert second == 2 * first, (rule, name, words)
        assert ("gpu=1" in words) == (rule in ("pretrain_member", "train_member", "run_dynamics")), words


def test_pairs_at_the_edge_of_the_cutoff_are_a_warning(edited, ethanol_labels):
    shutil.copy(ethanol_labels, edited.labels("a"))
    edited.configure({"molecules": MOLECULES, "model": {"cutoff_A": 4.0}})
    done = edited.snakemake("--dry-run", "label")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert text.count("model.cutoff_A = 4: config/molecules/a/labels.extxyz has pairs at") == 1


def test_more_cores_help(edited):
    edited.configure({"molecules": MOLECULES[:1], "md": {"n_replicas": 41}})
    done = edited.snakemake("--dry-run", "--cores", "8", "--forceall", "md")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    threads = dict(re.findall(r"^rule (\w+):\n(?: {4}.*\n)*? {4}threads: (\d+)", text, flags=re.MULTILINE))
    expected = {"label_pretraining": 8, "run_dynamics": 6}  # training: one, which is not printed
    assert threads == {rule: str(n) for rule, n in expected.items()}


def test_a_published_set_is_trained_and_measured_only(edited):
    """No dynamics follows; QM9 adds a job per target."""
    for name in ("train.npz", "test.npz"):
        (edited.folder / name).write_text(name, encoding="utf-8")
    published = {"system": "water", "labels": "md17", "train": "train.npz", "test": "test.npz"}
    loss = {"dipole": 0, "polarizability": 0}
    config = {"train": {"loss": loss, "pretrain": {"n_frames": 0}}}
    config |= {"molecules": [{"name": "p", "published": published}]}
    edited.configure(config)
    told = {"gather_published p", "train_member p", "evaluate_model p", "compare_with_published"}
    assert edited.jobs() == told
    edited.configure(config | {"molecules": [], "qm9": {"data": "train.npz", "targets": ["mu", "U0"]}})
    assert edited.jobs() == {"train_qm9", "compare_with_published"}


def test_the_benchmark_measures_each_trained_model_once_and_only_when_asked(finished):
    assert finished.jobs("benchmark") == {"measure_steps a", "measure_reference_step", "benchmark"}
    done = finished.snakemake("--quiet", "all", "--", "benchmark")
    assert done.returncode == 0, done.stdout + done.stderr
    told = (finished.folder / "results/a/benchmarks-steps.txt").read_text(encoding="utf-8")
    assert told == "benchmarks/steps.py --model results/a/model/0/model.pt\n"


def test_the_results_readme_names_every_file(finished):
    text = (ROOT / "results/README.md").read_text(encoding="utf-8")
    for path in (path for path in (finished.folder / "results").rglob("*") if path.is_file()):
        family = path.stem.removesuffix("-column") + ".*"  # a figure in several forms
        known = path.name in text or family in text
        assert known or path.parent.name in ("logs", "benchmarks", "evaluation"), path


def test_the_report_of_snakemake_works(finished):
    done = finished.snakemake("--report", "report.html")
    assert done.returncode == 0, done.stdout + done.stderr
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    text = " ".join(page.replace("\\n", " ").split())  # captions stand in it as JSON
    assert "the held-out frames of a" in text
    for name, words in (("Infrared", ["at 300 K"]), ("Raman", ["at 300 K", "laser at 532 nm"])):
        captions = [part[:400] for part in text.split(f"{name} ")[1:] if " of a from classical" in part[:40]]
        assert captions
        for word in words:
            assert all(word in caption for caption in captions), captions


def absent_stages() -> list[str]:
    return [name for name in STAGES if importlib.util.find_spec(f"painn_spectra.{name}") is None]


def write_water_labels(path: Path) -> None:
    """Forty displaced waters in four groups, labelled with GFN2-xTB."""
    pytest.importorskip("tblite")
    from ase import Atoms
    from ase.io import write

    from painn_spectra.reference.xtb import label

    rng = np.random.default_rng(0)
    equilibrium = np.array([[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]])  # (3, 3) | Å
    frames = []
    for i in range(40):
        water = Atoms("OH2", equilibrium + rng.normal(scale=0.04, size=(3, 3)))
        labels = label(water.numbers, water.positions)
        water.arrays["REF_forces"] = labels.pop("forces")
        water.info |= {f"REF_{name}": value for name, value in labels.items()} | {"seed": i // 10}
        frames.append(water)
    write(path, frames, format="extxyz")


TINY = {
    "molecules": [{"name": "water", "temperature_K": 100}],  # a poor model holds together when cold
    "dataset": {"test_fraction": 0.25, "validation_fraction": 0.1},
    "model": {"n_features": 16, "n_layers": 2, "n_radial": 8},
    "train": {
        "members": 2,
        "epochs": 60,
        "learning_rate": 5e-3,
        "ema_decay": 0.9,
        "pretrain": {"n_frames": 40, "epochs": 10, "learning_rate": 5e-3},
    },
    "md": {"n_replicas": 2, "equilibration_ps": 0.1, "production_ps": 0.7, "checkpoint_interval_ps": 0.5},
    "spectra": {"fwhm_cm": 60},
}


# nothing is brought along: a first set and one batch from the model's own dynamics, labelled by PySCF
FROM_STRUCTURE = {
    **TINY,
    "train": TINY["train"] | {"members": 1},
    "molecules": [
        {
            "name": "water",
            "structure": "O",
            "temperature_K": 100,
            "method": {"functional": "PBE", "basis": "def2-SVP", "grid_level": 1},
        }
    ],
    "sampling": {
        "n_embeddings": 3, "n_frames": 28, "n_trajectories": 2, "interval_fs": 25, "modes_fraction": 0.3,
        "rounds": 1, "frames_per_round": 8, "model_temperatures_K": [100.0],
    },
}  # fmt: skip


@pytest.mark.skipif(bool(absent_stages()), reason=f"stages not there yet: {absent_stages()}")
@pytest.mark.parametrize("config", [TINY, FROM_STRUCTURE], ids=["labels brought along", "from a structure"])
def test_water_to_spectra(tmp_path, config):
    clone = Clone(tmp_path, config)
    if config is TINY:
        write_water_labels(clone.labels("water"))
    clone.run()
    results = tmp_path / "results/water"
    if config is FROM_STRUCTURE:
        frames = read_frames(results / "dataset.extxyz")
        assert {name.partition("-")[0] for name in frames.groups} == {"xtb", "modes", "model1"}
        first = read_split(results / "rounds/0/split.json", results / "rounds/0/dataset.extxyz")
        last = read_split(results / "split.json", results / "dataset.extxyz")
        assert all(set(first[part]) <= set(last[part]) for part in first)
    for spectrum in ("ir", "raman"):
        rows = read_csv(results / f"classical/{spectrum}.csv")
        values = np.array([[float(cell) for cell in row.values()] for row in rows])
        assert len(values) > 100
        assert np.isfinite(values).all()
        assert (values[:, 1] >= 0).all()
        assert values[:, 1].max() > 0
        for kind in ("svg", "png"):
            assert (results / f"figures/classical/{spectrum}.{kind}").stat().st_size > 1000
    members = config["train"]["members"]
    assert ("model_standard_deviation" in read_csv(results / "classical/ir.csv")[0]) == (members > 1)
    assert (results / "classical/1/trajectory.h5").is_file() == (members > 1)
    page = (results / "report.html").read_text(encoding="utf-8")
    assert ("± of models" in page) == (members > 1)
    errors = {row["property"]: row for row in read_csv(results / "evaluation/errors.csv")}
    assert set(errors) == {"energy", "forces", "dipole", "polarizability"}
    assert 'id="raman"' in (tmp_path / "results/report.html").read_text(encoding="utf-8")
    assert clone.jobs() == set()
    summary = subprocess.run(
        [BIN / "painn-spectra", "summary", tmp_path / "results"], capture_output=True, text=True
    )
    assert summary.returncode == 0, summary.stderr
    assert "Not there yet" not in summary.stdout
