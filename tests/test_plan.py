"""Where an entry's data and model come from, and which settings belong to which stage."""

import json

import pytest

from painn_spectra import plan
from painn_spectra.config import DatasetSettings, Experiment, SpectraSettings, load_config, parse_settings
from painn_spectra.errors import InputError


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
    assert [plan.data_source(config, name) for name in "abcde"] == ["a", "a", "a", "a", "e"]
    assert [plan.model_source(config, name) for name in "abcde"] == ["a", "b", "b", "b", "b"]


@pytest.mark.parametrize(
    "keys", [("labels_from", "labels_from"), ("model_from",) * 2, ("labels_from", "model_from")]
)
def test_a_circle_is_one_line(keys):
    config = config_of({"name": "a", keys[0]: "b"}, {"name": "b", keys[1]: "a"})
    with pytest.raises(InputError, match="circle, a → b → a"):
        plan.check_plan(config)


def test_absent_files_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"molecules.a: no labels at config/molecules/a/labels.extxyz"):
        plan.check_plan(config_of({"name": "a"}))
    (tmp_path / "mine.extxyz").touch()
    plan.check_plan(config_of({"name": "a", "labels": "mine.extxyz"}))
    with pytest.raises(InputError, match=r"molecules.a.experiment.ir = nist.jdx: no such file"):
        plan.check_plan(config_of({"name": "a", "labels": "mine.extxyz", "experiment": {"ir": "nist.jdx"}}))


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
        {"name": "a", "charge": 1, "multiplicity": 2, "isotopes": {2: 2.014}, "temperature_K": 250},
        dataset={"split_seed": 7},
        spectra={"fwhm_cm": 20},
        md={"n_replicas": 2},
        train={"epochs": 3, "pretrain": {"epochs": 5, "n_frames": 6}},
    )
    told = {stage: plan.stage_settings(config, stage, "a", 4, "classical") for stage in plan.STAGE_VERSION
            if stage != "evaluate"}  # fmt: skip
    assert parse_settings(DatasetSettings, told["gather"]) == config.dataset
    assert parse_settings(SpectraSettings, told["spectra"]) == config.spectra
    dynamics = parse_settings(plan.DynamicsStage, told["md"])
    assert dynamics.md == config.md
    assert (dynamics.molecule, dynamics.dynamics, dynamics.temperature_K) == ("a", "classical", 250)
    assert dynamics.isotopes == {2: 2.014}
    labels = parse_settings(plan.PretrainLabelsStage, told["label-pretraining"])
    assert (labels.pretrain.n_frames, labels.charge, labels.multiplicity) == (6, 1, 2)
    first, second = (parse_settings(plan.TrainStage, told[stage]) for stage in ("pretrain", "train"))
    assert (first.member, first.charge, first.train.pretrain.epochs) == (4, 1, 5)
    assert (second.member, second.charge, second.train.epochs, second.model) == (4, 1, 3, config.model)
    assert json.loads(told["report"])["molecule"]["name"] == "a"


@pytest.mark.parametrize(
    ("section", "value", "stages"),
    [
        ("dataset", {"split_seed": 1}, {"gather"}),
        ("model", {"n_features": 32}, {"pretrain", "train"}),
        ("train", {"epochs": 7}, {"train"}),
        ("train", {"batch_size": 4}, {"pretrain", "train"}),
        ("train", {"members": 2}, set()),
        ("train", {"pretrain": {"epochs": 7}}, {"pretrain"}),
        ("train", {"pretrain": {"n_frames": 7}}, {"label-pretraining"}),
        ("md", {"production_ps": 12.0}, {"md"}),
        ("spectra", {"fwhm_cm": 12.0}, {"spectra"}),
    ],
)
def test_an_edit_reaches_its_own_stages_only(section, value, stages):
    before, after = config_of({"name": "a"}), config_of({"name": "a"}, **{section: value})
    changed = {
        stage
        for stage in plan.STAGE_VERSION
        if stage not in ("evaluate", "report")
        and plan.stage_settings(before, stage, "a") != plan.stage_settings(after, stage, "a")
    }
    assert changed == stages
