"""The workflow: which jobs run again after what, counted with a stub of `painn-spectra`."""

import os
import re
import shutil
from collections.abc import Iterator

import pytest
from ase.build import molecule
from ase.io import write
from clones import ROOT, Clone
from small_model import SIZE, write_model

pytestmark = pytest.mark.workflow

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
        (
            {"molecules": MOLECULES, "md": {"production_ps": "30"}},
            "md.production_ps = '30': '30' is not of type 'number'; see config/README.md",
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
    structure = "O'; touch executed; $(touch executed) \".xyz"
    write(tmp_path / structure, molecule("H2O"), format="xyz")
    clone = Clone(tmp_path, {"molecules": [{"name": "a", "labels": hostile, "structure": structure}]})
    clone.stub()
    done = clone.snakemake("--quiet", "all", "--force", "results/a/dataset.extxyz")
    assert done.returncode == 0, done.stdout + done.stderr
    clone.configure({"molecules": [{"name": "a", "structure": structure}]})
    done = clone.snakemake("--quiet", "all", "--force", "results/a/conformers.extxyz")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "executed").exists()


def test_a_model_of_another_run_is_a_start(tmp_path):
    """In results/ and with any name: nobody makes it here, it is told to the job whole, it stays."""
    start = tmp_path / "results/a/model/0/my model;touch executed.pt"
    start.parent.mkdir(parents=True)
    weights = write_model(start).read_bytes()
    (tmp_path / "mine.extxyz").write_text("labels", encoding="utf-8")
    config = {"molecules": [{"name": "b", "labels": "mine.extxyz"}], "model": SIZE}
    clone = Clone(tmp_path, config | {"train": {"start_from": str(start.relative_to(tmp_path))}})
    clone.stub()
    done = clone.snakemake("--quiet", "all", "--", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results/b/model/0/model.pt").is_file() and start.read_bytes() == weights
    assert not (tmp_path / "executed").exists()
    assert clone.jobs("train") == set()
    write_model(start, seed=1)
    assert "train_member b" in clone.jobs("train")


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
