"""Records of results and `painn-spectra verify`."""

import json
from pathlib import Path

import pytest
from toy_trajectory import OUTPUTS, write_trajectory

from painn_spectra import __version__
from painn_spectra.cli import main
from painn_spectra.files import content_hash

SETTINGS = {"fwhm_cm": 30.0}


@pytest.fixture
def results(tmp_path) -> Path:
    """Spectra of a toy trajectory, made by the command line."""
    trajectory = write_trajectory(tmp_path / "trajectory.h5")
    outputs = [str(tmp_path / name) for name in OUTPUTS]
    assert main(["spectra", "--settings", json.dumps(SETTINGS), str(trajectory), *outputs]) == 0
    return tmp_path


def test_the_record_says_what_a_result_was_made_from(results):
    (path,) = results.rglob(".provenance/*.json")
    record = json.loads(path.read_text())
    assert (record["stage"], record["settings"], record["program"]) == ("spectra", SETTINGS, __version__)
    assert record["inputs"] == {str(results / "trajectory.h5"): content_hash(results / "trajectory.h5")}
    assert {Path(name).name for name in record["outputs"]} >= {*OUTPUTS, "ir.jdx", "bands.json"}
    for name, digest in record["outputs"].items():
        assert content_hash(name) == digest
    assert record["versions"]["numpy"] and record["python"] and record["written"].endswith("Z")
    commit = record["commit"]
    assert commit is None or len(commit.rstrip("+")) == 40


def test_untouched_results_pass(results, capsys):
    assert main(["verify", str(results)]) == 0
    assert "are as they were written" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "ir.csv").open("a").write("1,2\n"), "ir.csv: touched"),
        (lambda folder: (folder / "raman.csv").unlink(), "raman.csv: gone"),
        (lambda folder: (folder / "trajectory.h5").write_bytes(b"other"), "bands.csv: stale, made from"),
        (
            lambda folder: next(folder.rglob(".provenance/*.json")).write_text("{"),
            "is no record of this program, or damaged",
        ),
    ],
    ids=["touched", "gone", "stale", "damaged record"],
)  # fmt: skip
def test_what_is_not_as_it_was_written_is_named(results, capsys, change, told):
    change(results)
    assert main(["verify", str(results)]) == 2
    err = capsys.readouterr().err
    assert (told in err and "faults among" in err.splitlines()[-1]) or "damaged" in told


def test_a_failed_stage_leaves_no_record(tmp_path):
    (tmp_path / "trajectory.h5").write_bytes(b"none")
    assert (
        main(["spectra", str(tmp_path / "trajectory.h5"), *(str(tmp_path / name) for name in OUTPUTS)]) == 2
    )
    assert not list(tmp_path.rglob(".provenance"))


def test_results_without_records_are_told(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert "holds no records of results" in capsys.readouterr().err


def test_the_same_trajectory_and_settings_give_the_same_files(results, tmp_path_factory):
    other = tmp_path_factory.mktemp("again")
    trajectory = write_trajectory(other / "trajectory.h5")
    outputs = [str(other / name) for name in OUTPUTS]
    assert main(["spectra", "--settings", json.dumps(SETTINGS), str(trajectory), *outputs]) == 0
    for name in ("ir.csv", "raman.csv", "bands.csv", "ir.jdx", "ir.json"):
        assert (other / name).read_bytes() == (results / name).read_bytes(), name


def test_names_count_from_the_folder_of_the_run(tmp_path, monkeypatch, capsys):
    run = tmp_path / "run/results/water"
    run.mkdir(parents=True)
    write_trajectory(run / "trajectory.h5")
    monkeypatch.chdir(tmp_path / "run")
    names = [f"results/water/{name}" for name in ("trajectory.h5", *OUTPUTS)]
    assert main(["spectra", "--settings", json.dumps(SETTINGS), *names]) == 0
    monkeypatch.chdir("/")
    assert main(["verify", str(tmp_path / "run/results")]) == 0
    (run / "ir.csv").unlink()
    assert main(["verify", str(tmp_path / "run/results")]) == 2
    assert "results/water/ir.csv: gone" in capsys.readouterr().err
