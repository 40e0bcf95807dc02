"""Where an entry's data and model come from, and which settings belong to which stage."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from small_model import SIZE, write_model

from painn_spectra import plan, sources, stages
from painn_spectra.config import Config, load_config
from painn_spectra.errors import InputError
from painn_spectra.plan_checks import check_plan
from painn_spectra.settings.base import parse_settings
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.settings.molecule import Experiment, Molecule
from painn_spectra.settings.training import DatasetSettings


def config_of(*molecules, **sections):
    return load_config({"molecules": list(molecules), **sections})


def test_sources_follow_chains():
    config = config_of(
        {"name": "a"},
        {"name": "b", "labels_from": "a"},
        {"name": "c", "model_from": "b"},
        {"name": "d", "model_from": "c"},
        {"name": "e", "model_from": "b", "labels": "mine.extxyz"},
    )
    assert [sources.data_source(config, name) for name in "abcde"] == ["a", "a", "a", "a", "e"]
    assert [sources.model_source(config, name) for name in "abcde"] == ["a", "b", "b", "b", "b"]


@pytest.mark.parametrize(
    "keys", [("labels_from", "labels_from"), ("model_from",) * 2, ("labels_from", "model_from")]
)
def test_a_circle_is_one_line(keys):
    config = config_of({"name": "a", keys[0]: "b"}, {"name": "b", keys[1]: "a"})
    with pytest.raises(InputError, match="circle, a → b → a"):
        check_plan(config)


def test_absent_files_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"molecules.a: no labels at config/molecules/a/labels.extxyz"):
        check_plan(config_of({"name": "a"}))
    (tmp_path / "mine.extxyz").touch()
    check_plan(config_of({"name": "a", "labels": "mine.extxyz"}))
    with pytest.raises(InputError, match=r"molecules.a.experiment.ir = nist.jdx: no such file"):
        check_plan(config_of({"name": "a", "labels": "mine.extxyz", "experiment": {"ir": "nist.jdx"}}))
    check_plan(config_of({"name": "a", "labels": "mine.extxyz", "experiment": {"ir": "https://a.b/c.jdx"}}))
    for key, source in (("ir", "file:///a.jdx"), ("bands", "https://a.b/c.csv")):
        with pytest.raises(InputError, match=r"only http:// and https://|no such file"):
            check_plan(config_of({"name": "a", "labels": "mine.extxyz", "experiment": {key: source}}))


def test_the_band_table_beside_the_labels_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_of({"name": "a"})
    assert plan.stage_settings(config, "compare", "a") == "{}"
    bands = tmp_path / "config/molecules/a/bands.csv"
    bands.parent.mkdir(parents=True)
    bands.touch()
    expected = Experiment(bands="config/molecules/a/bands.csv")
    assert parse_settings(Experiment, plan.stage_settings(config, "compare", "a")) == expected


def test_stages_read_back_what_they_are_told():
    config = config_of(
        {
            "name": "a",
            "structure": "CCO",
            "charge": 1,
            "multiplicity": 2,
            "isotopes": {2: 2.014},
            "temperature_K": 250,
        },
        sampling={"n_embeddings": 9, "n_frames": 30, "frames_per_round": 8},
        dataset={"split_seed": 7},
        spectra={"fwhm_cm": 20},
        md={"n_replicas": 2},
        train={"epochs": 3, "pretrain": {"epochs": 5, "n_frames": 26}},
    )
    told = {stage: plan.stage_settings(config, stage, "a", 4, "classical") for stage in plan.STAGE_VERSION
            if stage not in TOLD_NOTHING}  # fmt: skip
    gather = parse_settings(stages.GatherStage, told["gather"])
    assert DatasetSettings(**gather.model_dump(exclude={"properties"})) == config.dataset
    assert gather.properties == ("energy", "forces", "dipole", "polarizability")
    assert parse_settings(SpectraSettings, told["spectra"]) == config.spectra
    conformers = parse_settings(stages.ConformersStage, told["conformers"])
    assert (conformers.structure, conformers.charge, conformers.multiplicity) == ("CCO", 1, 2)
    assert conformers.sampling.n_embeddings == 9
    assert parse_settings(stages.SampleStage, told["sample"]).sampling.n_frames == 30
    batch = parse_settings(stages.SampleModelStage, told["sample-model"])
    assert (batch.round_number, batch.sampling.frames_per_round) == (1, 8)
    assert json.loads(plan.stage_settings(config, "sample-model", "a", round_number=2))["round_number"] == 2
    dynamics = parse_settings(stages.DynamicsStage, told["md"])
    assert dynamics.md == config.md
    assert (dynamics.molecule, dynamics.dynamics, dynamics.temperature_K) == ("a", "classical", 250)
    assert dynamics.isotopes == {2: 2.014}
    labels = parse_settings(stages.PretrainLabelsStage, told["label-pretraining"])
    assert (labels.pretrain.n_frames, labels.charge, labels.multiplicity) == (26, 1, 2)
    first, second = (parse_settings(stages.TrainStage, told[stage]) for stage in ("pretrain", "train"))
    assert (first.member, first.charge, first.train.pretrain.epochs) == (4, 1, 5)
    assert (second.member, second.charge, second.train.epochs, second.model) == (4, 1, 3, config.model)
    correction = parse_settings(stages.TrainStage, told["train-correction"])
    assert correction.train.linear_beyond is None  # the mean of skewed labels, not their most likely value
    assert json.loads(told["report"])["molecule"]["name"] == "a"


TRAINING = {"pretrain", "train"}
CENTROIDS, CORRECTION = {"sample-centroids"}, {"train-correction"}
PUBLISHED = {"system": "water", "labels": "md17", "train": "a.npz", "test": "b.npz"}
HARMONIC = {"harmonic-reference", "harmonic-model"}
LEVEL = {"label", "harmonic-reference", "torsions"}

# Setting -> (another value, what of the entry's plan it changes). `data` and `model` are where the entry
# takes them from, `members` the ensemble. What follows a stage is Snakemake's to find: test_workflow.py.
EDITS: dict[str, tuple[Any, set[str]]] = {
    "quality": ("paper", {"label-pretraining", "pretrain", "start", "train", "md"}),
    "sampling.n_embeddings": (20, {"conformers"}),
    "sampling.n_frames": (300, {"sample", "chunks"}),
    "sampling.temperature_K": (400.0, {"sample"}),
    "sampling.n_trajectories": (4, {"sample"}),
    "sampling.interval_fs": (50.0, {"sample", "sample-model"}),
    "sampling.modes_fraction": (0.0, {"sample"}),
    "sampling.derivatives_fraction": (0.5, {"label"}),
    "sampling.rounds": (2, {"number of rounds"}),
    "sampling.frames_per_round": (100, {"sample-model", "chunks"}),
    "sampling.model_temperatures_K": ([300.0], {"sample-model"}),
    "sampling.members": (2, {"members of a round"}),
    "sampling.until_spectrum_change": (0.01, {"sample-model"}),
    "sampling.max_labels": (300, {"sample-model"}),
    "sampling.seed": (1, {"conformers", "sample", "sample-model"}),
    "dataset.test_fraction": (0.3, {"gather"}),
    "dataset.validation_fraction": (0.1, {"gather"}),
    "dataset.split_seed": (1, {"gather"}),
    "model.n_features": (32, TRAINING),
    "model.n_layers": (2, TRAINING),
    "model.n_radial": (10, TRAINING),
    "model.cutoff_A": (6.0, TRAINING | CORRECTION),
    "model.norm_epsilon": (0.5, TRAINING | CORRECTION),
    "train.members": (2, {"members"}),
    "train.epochs": (7, {"train"}),
    "train.batch_size": (4, TRAINING),
    "train.learning_rate": (2e-3, {"train"}),
    "train.optimizer": ("adamw", TRAINING),
    "train.schedule": ("plateau", {"train"}),
    "train.weight_decay": (0.0, TRAINING),
    "train.plateau_patience_epochs": (3, {"train"}),
    "train.early_stopping_epochs": (5, {"train"}),
    "train.ema_decay": (0.99, TRAINING),
    "train.gradient_clip": (1.0, TRAINING),
    "train.checkpoint_interval_s": (10.0, TRAINING),
    "train.seed": (1, TRAINING),
    "train.device": ("cpu", TRAINING | CORRECTION),
    "train.start_from": ("models/{molecule}-{member}.pt", {"start"}),
    "train.linear_beyond": (None, TRAINING),
    "train.loss.energy": (0.5, TRAINING),
    "train.loss.forces": (0.5, TRAINING),
    "train.loss.dipole": (0.5, TRAINING),
    "train.loss.polarizability": (0.5, TRAINING),
    "train.loss.dipole_derivative": (0.5, TRAINING),
    "train.loss.polarizability_derivative": (0.5, TRAINING),
    "train.pretrain.n_frames": (30, {"label-pretraining"}),
    "train.pretrain.temperature_K": (400.0, {"label-pretraining"}),
    "train.pretrain.epochs": (7, {"pretrain"}),
    "train.pretrain.learning_rate": (2e-3, {"pretrain"}),
    "md.n_replicas": (8, {"md"}),
    "md.timestep_fs": (0.25, {"md"}),
    "md.equilibration_ps": (1.0, {"md"}),
    "md.friction_per_ps": (2.0, {"md"}),
    "md.production_ps": (12.0, {"md"}),
    "md.record_interval_steps": (3, {"md"}),
    "md.until_relative_error": (0.1, {"md"}),
    "md.max_replicas": (128, {"md"}),
    "md.replicas_per_job": (8, {"md"}),
    "md.record_motion": (False, {"md"}),
    "md.checkpoint_interval_ps": (1.0, {"md"}),
    "md.rotation": ("removed", {"md"}),
    "md.seed": (1, {"md"}),
    "md.device": ("cpu", {"md"}),
    "tepigs.temperature_K": (600.0, CENTROIDS),
    "tepigs.n_beads": (16, CENTROIDS),
    "tepigs.n_replicas": (8, CENTROIDS),
    "tepigs.n_frames": (1000, CENTROIDS),
    "tepigs.interval_fs": (10.0, CENTROIDS),
    "tepigs.equilibration_ps": (1.0, CENTROIDS),
    "tepigs.n_features": (64, CORRECTION),
    "tepigs.n_layers": (3, CORRECTION),
    "tepigs.n_radial": (6, CORRECTION),
    "tepigs.epochs": (50, CORRECTION),
    "tepigs.batch_size": (8, CORRECTION),
    "tepigs.learning_rate": (1e-3, CORRECTION),
    "tepigs.seed": (1, CENTROIDS | CORRECTION),
    "spectra.fwhm_cm": (12.0, {"spectra"}),
    "spectra.window": ("hann", {"spectra"}),
    "spectra.rotation": ("removed", {"spectra"}),
    "spectra.control_variates": (False, {"spectra"}),
    "spectra.laser_nm": (785.0, {"spectra"}),
    "spectra.min_wavenumber_cm": (200.0, {"spectra"}),
    "spectra.max_wavenumber_cm": (3900.0, {"spectra"}),
    "qm9": ({"data": "qm9.npz"}, {"qm9"}),
    "molecules.name": ("c", {"data", "model", "md"}),
    "molecules.structure": ("CCO", {"conformers"}),
    "molecules.charge": (1, {"conformers", *LEVEL, "label-pretraining", *TRAINING}),
    "molecules.multiplicity": (3, {"conformers", *LEVEL, "label-pretraining"}),
    "molecules.isotopes": ({0: 2.0}, {"md", *HARMONIC, *CENTROIDS}),
    "molecules.temperature_K": (200.0, {"md", *HARMONIC}),
    "molecules.method.program": ("gfn2-xtb", LEVEL),
    "molecules.method.functional": ("B3LYP", LEVEL),
    "molecules.method.basis": ("def2-SVP", LEVEL),
    "molecules.method.polarizability_basis": ("def2-SVPD", LEVEL),
    "molecules.method.dispersion": ("D4", LEVEL),
    "molecules.method.density_fitting": (False, LEVEL),
    "molecules.method.grid_level": (4, LEVEL),
    "molecules.method.response_grid_level": (2, LEVEL),
    "molecules.grow": (True, set()),  # this entry's labels are computed: it grows anyhow
    "molecules.labels": ("mine.extxyz", {"data", "number of rounds"}),
    "molecules.labels_from": ("other", {"data"}),
    "molecules.model_from": ("other", {"data", "model"}),
    "molecules.published": (PUBLISHED, {"gather-published", "number of rounds"}),
    "molecules.experiment.bands": ("mine.csv", {"compare", "ladder"}),
    "molecules.experiment.ir": ("mine.jdx", {"compare", "ladder"}),
    "molecules.experiment.raman": ("mine.jdx", {"compare", "ladder"}),
    "molecules.experiment.zero_line": ("lowest", {"compare", "ladder"}),
    "molecules.experiment.fit_scale": (True, {"compare", "ladder"}),
}
TOLD_NOTHING = {"evaluate", "rounds", "calibrate", "accuracy", "vpt2"}
ONE_VALUE = {"dynamics", "md.n_beads", "md.trpmd_lambda"}  # nothing that other kinds of dynamics see


def leaves(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Dotted names of all settings below `model`."""
    for name, field in model.model_fields.items():
        inner = field.annotation if name != "molecules" else Molecule
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{path}{name}.")
        else:
            yield path + name


def planned(path: str, value: Any) -> dict[str, Any]:
    """What the entry `a` reads and is told once the setting `path` is `value`."""
    section, *rest = path.split(".")
    nested = value
    for part in reversed(rest):
        nested = {part: nested}
    molecule = {"name": "a", **(nested if section == "molecules" else {})}
    sections = {section: nested} if section not in ("molecules", "") else {}
    config = config_of({"name": "other"}, molecule, **sections)
    name = config.molecules[1].name
    told: dict[str, Any] = {
        stage: plan.stage_settings(config, stage, name, 0, "classical")
        for stage in plan.STAGE_VERSION
        if stage not in TOLD_NOTHING
    }
    told["data"] = sources.labels_file(sources.entry(config, sources.data_source(config, name)))
    told["model"] = sources.model_source(config, name)
    told["start"] = sources.start_from(config, "a", 0)
    told["members"] = config.train.members
    told["number of rounds"] = sources.rounds(config, name)
    told["members of a round"] = config.sampling.members
    told["chunks"] = [sources.chunks(config, number) for number in (0, 1)]
    return told


def test_every_setting_has_a_row():
    assert set(leaves(Config)) == {*EDITS, *ONE_VALUE}, "say what an edit of the setting changes"


@pytest.mark.parametrize("path", EDITS)
def test_an_edit_reaches_its_own_stages_only(path):
    value, expected = EDITS[path]
    before, after = planned("", None), planned(path, value)
    assert {name for name in before if before[name] != after[name]} == expected | {"report"}  # shows them all


def test_a_model_to_go_on_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.extxyz").touch()
    one = {"name": "a", "labels": "mine.extxyz"}
    pretrained = config_of(one)
    assert sources.start_from(pretrained, "a", 1) == "results/a/pretraining/1/model.pt"
    assert sources.start_from(config_of(one, train={"pretrain": {"n_frames": 0}}), "a", 1) is None
    given = config_of(one, train={"start_from": "{molecule}-{member}.pt"}, model=SIZE)
    assert sources.start_from(given, "a", 1) == "a-1.pt"
    with pytest.raises(InputError, match=r"train.start_from = .*: no such file a-0.pt"):
        check_plan(given)
    write_model(Path("a-0.pt"))
    assert check_plan(given) == []


@pytest.mark.parametrize(("start", "words"), [
    ("{name}.pt", r"only \{molecule\} and \{member\}"),
    ("{member.foo}.pt", r"only \{molecule\} and \{member\}"),
    ("{member[0]}.pt", r"only \{molecule\} and \{member\}"),
    ("{molecule:>99999999999}.pt", r"only \{molecule\} and \{member\}"),
    ("{molecule", r"only \{molecule\} and \{member\}"),
    ("./results/{molecule}/model/{member}/model.pt", "is an output of this config's own entry a; copy it"),
    ("-a.pt", "would be taken for an option"),
    ("mine.extxyz", "mine.extxyz: not a painn-spectra model"),
    ("large.pt", r"model.n_layers = 2: large.pt has 3; use the same"),
    ("start.pt", r"atomic numbers \[7\] are unknown to start.pt"),
])  # fmt: skip
def test_what_cannot_be_gone_on_from_is_told_before_any_label(start, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.extxyz").touch()
    Path("results/a/model/0").mkdir(parents=True)
    for path in ("results/a/model/0/model.pt", "start.pt", "-a.pt"):
        write_model(Path(path))
    write_model(Path("large.pt"), n_layers=3)
    one = {"name": "a", "structure": "N" if start == "start.pt" else "O"}
    with pytest.raises(InputError, match=words):
        check_plan(config_of(one, train={"start_from": start}, model=SIZE))


def test_braces_in_a_path_are_refused(tmp_path, monkeypatch):
    """Snakemake would take them for wildcards."""
    monkeypatch.chdir(tmp_path)
    Path("{x}.extxyz").touch()
    with pytest.raises(InputError, match="braces or characters that do not print; rename the file"):
        check_plan(config_of({"name": "a", "labels": "{x}.extxyz"}))


def test_a_model_of_an_entry_that_the_config_has_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.extxyz").touch()
    own = Path("results/a/model/0/model.pt")
    own.parent.mkdir(parents=True)
    write_model(own)
    one = {"name": "b", "labels": "mine.extxyz"}
    assert check_plan(config_of(one, train={"start_from": str(own)}, model=SIZE)) == []


def test_labels_that_are_not_learnt_need_not_be_there():
    told = plan.stage_settings(config_of({"name": "a"}, train={"loss": {"dipole": 0}}), "gather", "a")
    assert parse_settings(stages.GatherStage, told).properties == ("energy", "forces", "polarizability")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"labels": "a.extxyz"}, "molecules.a.labels = a.extxyz: published brings the labels"),
        ({"labels_from": "b"}, "molecules.a.labels_from = b: published brings"),
        ({"model_from": "b"}, "molecules.a.model_from = b: published brings"),
        ({"grow": True}, "molecules.a.grow = True: published brings"),
        ({"published": PUBLISHED | {"test": PUBLISHED["train"]}}, "is the training file; give"),
        ({"published": PUBLISHED | {"train": "http://a/I.CSV?b=1"}}, "holds indices; name the .npz"),
    ],
)
def test_a_published_entry_has_one_source_of_two_parts(given, words):
    with pytest.raises(InputError, match=words):
        config_of({"name": "b"}, {"name": "a", "published": PUBLISHED} | given)


def test_models_of_qm9_start_at_random():
    with pytest.raises(InputError, match=r"train.start_from = a.pt: models of QM9 start at random"):
        config_of(qm9={"data": "qm9.npz"}, train={"start_from": "a.pt"})


def test_files_of_qm9_are_named_when_absent():
    with pytest.raises(InputError, match=r"qm9.data = absent: no such file"):
        check_plan(load_config({"molecules": [], "qm9": {"data": "absent"}}))


def test_labels_that_ship_elsewhere_are_named(tmp_path, monkeypatch):
    """In another folder than the program's own the labels would be computed again, in hours."""
    monkeypatch.chdir(tmp_path)
    (line,) = check_plan(config_of({"name": "ethanol", "structure": "CCO"}))
    assert "labels are to be computed" in line and "name it with labels:" in line
    assert check_plan(config_of({"name": "new", "structure": "CCO"})) == []
