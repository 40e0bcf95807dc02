"""Settings: the dial, the physics across fields, one-line errors, the generated schema."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from painn_spectra.config import Config, check_keys, json_schema, load_config
from painn_spectra.errors import InputError
from painn_spectra.settings.base import parse_settings
from painn_spectra.settings.dynamics import SpectraSettings, window_length_fs
from painn_spectra.settings.training import LossWeights
from painn_spectra.units import LIGHT_CM_FS

ROOT = Path(__file__).parents[1]
ONE = [{"name": "water"}]


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/**/*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_are_valid(path):
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(json.dumps(raw)), json_schema())
    config = load_config(raw)
    assert config.molecules or config.qm9


def test_schema_file_is_the_generated_one():
    kept = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text(encoding="utf-8"))
    assert kept == json_schema(), "run: painn-spectra schema workflow/schemas/config.schema.json"


@pytest.mark.parametrize("quality", ["quick", "standard", "paper"])
def test_quality_sets_the_scale_and_hand_set_values_win(quality):
    assert load_config({"quality": quality, "molecules": ONE}).quality == quality
    config = load_config({"quality": quality, "molecules": ONE, "md": {"n_replicas": 3}})
    assert config.md.n_replicas == 3
    assert config.train == load_config({"quality": quality, "molecules": ONE}).train


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({}, ["molecules"]),
        ({"molecules": []}, ["molecules"]),
        ({"molecules": ONE, "speed": 3}, ["speed", "unknown setting", "quality"]),
        ({"molecules": ONE, "md": {"timestep": 1}}, ["md.timestep", "unknown setting", "timestep_fs"]),
        ({"molecules": [{"name": "a/b"}]}, ["molecules.0.name", "a/b"]),
        ({"molecules": [{"name": "a"}, {"name": "A"}]}, ["repeat"]),
        ({"molecules": [{"name": "a" * 101}]}, ["100 at most"]),
        ({"molecules": ONE, "spectra": {"fwhm": 1}}, ["did you mean fwhm_cm?"]),
        ({"molecules": [{"name": "a", "labels_from": "b"}]}, ["molecules.a.labels_from", "'b'"]),
        ({"molecules": [{"name": "a", "model_from": "a"}]}, ["molecules.a.model_from"]),
        ({"molecules": ONE, "md": {"timestep_fs": 2.0}}, ["md.timestep_fs", "8 steps", "use at most 0.96"]),
        (
            {"molecules": ONE, "md": {"timestep_fs": 1.2}, "spectra": {"max_wavenumber_cm": 1200}},
            ["md.timestep_fs", "4300 cm-1", "use at most 0.96"],
        ),
        (
            {"molecules": ONE, "md": {"record_interval_steps": 16}, "spectra": {"max_wavenumber_cm": 1200}},
            ["record_interval_steps", "every 8 fs", "4300 cm-1", "4 steps"],
        ),
        (
            {"molecules": ONE, "md": {"record_interval_steps": 5}, "spectra": {"max_wavenumber_cm": 4500}},
            ["record_interval_steps", "4500 cm-1", "4 steps"],
        ),
        ({"molecules": ONE, "spectra": {"laser_nm": 3000}}, ["laser_nm = 3000", "3333", "less than 2500 nm"]),
        (
            {"molecules": ONE, "spectra": {"min_wavenumber_cm": 950, "max_wavenumber_cm": 1000}},
            ["fwhm_cm = 10", "950 and 1000", "at most 5"],
        ),
        (
            {"molecules": ONE, "spectra": {"max_wavenumber_cm": 150}},
            ["max_wavenumber_cm = 150", "at least 200"],
        ),
        ({"molecules": ONE, "quality": ["quick"]}, ["quality = ['quick']", "'standard'"]),
        ({"molecules": ONE, "quality": "best"}, ["quality = 'best'", "'standard'"]),
        (
            {"molecules": ONE, "train": {"loss": dict.fromkeys(LossWeights.model_fields, 0)}},
            ["train.loss", "all weights are 0"],
        ),
        (
            {"molecules": ONE, "train": {"pretrain": {"n_frames": 1}}},
            ["train.pretrain.n_frames = 1", "0 for no", "20"],
        ),
        (
            {"molecules": ONE, "md": {"record_interval_steps": 9}},
            ["record_interval_steps", "Nyquist", "4 steps"],
        ),
        ({"molecules": ONE, "md": {"production_ps": 1.0}}, ["fwhm_cm = 10", "lengthen the run"]),
        ({"molecules": ONE, "md": {"n_replicas": 0}}, ["md.n_replicas = 0"]),
        (
            {"molecules": ONE, "train": {"seed": 2**70}},
            ["train.seed = 118", "less than 922337203685477580"],
        ),
        ({"molecules": ONE, "spectra": {"min_wavenumber_cm": 5000}}, ["min_wavenumber_cm", "not below"]),
        ({"molecules": ONE, "train": {"learning_rate": "fast"}}, ["train.learning_rate = 'fast'"]),
    ],
)
def test_a_mistake_is_one_line_that_names_it(raw, words):
    with pytest.raises(InputError) as error:
        load_config(raw)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_settings_of_a_stage_come_from_json():
    assert parse_settings(SpectraSettings, '{"fwhm_cm": 4}').fwhm_cm == 4
    for text in ("{", "[]", '{"fwhm_cm": -1}', '{"fwhm_cm": Infinity}', '{"width": 1}'):
        with pytest.raises(InputError):
            parse_settings(SpectraSettings, text)


def test_isotope_keys_survive_json():
    config = load_config({"molecules": [{"name": "a", "isotopes": {3: 2.014}}]})
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_window_has_the_width_asked_for():
    """The transform of exp(-t²/2σ_t²) is a Gaussian of FWHM sqrt(8 ln 2)/(2π c σ_t)."""
    sigma_fs = window_length_fs(10.0) / 3
    assert (8 * 0.6931471805599453) ** 0.5 / (
        2 * 3.141592653589793 * LIGHT_CM_FS * sigma_fs
    ) == pytest.approx(10.0)


def test_a_key_stands_once(tmp_path):
    (tmp_path / "good.yaml").write_text("base: &b {a: 1}\nmd: {<<: *b, a: 2}\n", encoding="utf-8")
    check_keys([tmp_path / "good.yaml", tmp_path / "absent.yaml"])
    (tmp_path / "bad.yaml").write_text("qm9: 1\nmd:\n  seed: 1\n  seed: 2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad.yaml: seed stands twice in the section from line 3 on"):
        check_keys([tmp_path / "bad.yaml"])
