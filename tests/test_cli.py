"""The command line: one line per mistake, exit codes, tables, the summary."""

import errno
import json

import pytest

from painn_spectra import __version__
from painn_spectra.cli import main
from painn_spectra.summary import error_table
from painn_spectra.tables import shown, text_table

ERRORS = """property,unit,mae,rmse,baseline_mae,baseline_rmse,n
energy,meV,3.2,4.1,180.0,220.0,48
forces,meV/Å,21.5,30.0,900.0,1200.0,1296
"""
QUALITY = {
    "kinetic_temperature_K": {"mean": 299.0, "standard_error": 2.5},
    "drift_meV_atom_ps": {"mean": 0.001, "standard_error": None, "worst": 0.02},
    "starts": [{"energy_eV": -1.5, "weight": 1.0}],
}


@pytest.fixture
def results(tmp_path):
    """A finished molecule's folder, small and made up."""
    folder = tmp_path / "results/water"
    files = {
        "dataset.extxyz": "",
        "evaluation/errors.csv": ERRORS,
        "classical/dynamics.json": json.dumps(QUALITY),
        "classical/bands.csv": "# unit: km/mol\nspectrum,peak_cm-1,area,assignment\nir,1051.5,16.0,C–O\n",
        "classical/ir.csv": "# temperature_K: 310\nwavenumber_cm-1\n100\n",
        "classical/raman.csv": "# temperature_K: 310\n# laser_nm: 633\nwavenumber_cm-1\n100\n",
        "classical/comparison.csv": "# ir_measured: water (gas)\nspectrum,published_cm-1\nir,1059\n",
        "classical/similarity.csv": "# protocol: as written\nspectrum,computed,cosine\nir,dynamics,0.92\n",
        "figures/classical/ir.svg": "<svg/>",
        "figures/classical/raman.svg": "<svg/>",
        "benchmarks/train_member-0.tsv": "s\th:m:s\tmax_rss\n61.5\t0:01:01\t300\n",
        "benchmarks/run_dynamics-classical.tsv": "s\th:m:s\tmax_rss\n38.5\t0:00:38\t300\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["required", "COMMAND"]),
        (["fly"], ["'fly'", "choose from", "train"]),
        (["evaluate", "model.pt"], ["DATASET", "painn-spectra evaluate --help"]),
        (["spectra", "--settings", "{", *"abcde"], ["'{'", "not JSON"]),
        (["spectra", "--settings", '{"width": 1}', *"abcde"], ["width", "unknown setting", "fwhm_cm"]),
        (["report", "--settings", "[]", "nowhere", "out.html"], ["not an object"]),
        (["report", "nowhere", "out.html"], ["nowhere", "no such folder"]),
        (["summary", "nowhere"], ["nowhere", "no such folder", "snakemake"]),
        (["summary", "."], ["holds no results"]),
        (["md", "--threads", "-1", *"abcd"], ["--threads", "'-1'", "positive"]),
        (["md", "--threads", "two", *"abcd"], ["--threads", "'two'", "positive"]),
        (["ipi", "--port", "99999", *"ab"], ["--port", "'99999'", "1 to 65535"]),
        (["schema", "/dev/null/folder/schema.json"], ["/dev/null/folder", "Not a directory", "check path"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("painn-spectra: error: ")
    assert captured.err.count("\n") == 1
    for word in words:
        assert word in captured.err


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"painn-spectra {__version__}\n"


def test_summary_tells_the_whole(results, capsys):
    assert main(["summary", str(results)]) == 0
    text = capsys.readouterr().out
    words = (
        "ir.svg",
        "baseline_mae",
        "21.5",
        "299.0 ± 2.5",
        "0.001, worst 0.02",
        "1052",
        "water (gas)",
        "cosine",
        "1059",
    )
    for word in (*words, "total", "100"):
        assert word in text
    assert f"Not there yet: {results / 'water/report.html'}" in text


def test_summary_of_a_started_run_names_what_is_absent(tmp_path, capsys):
    (tmp_path / "water/logs").mkdir(parents=True)
    assert main(["summary", str(tmp_path)]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("Not there yet: ")
    for name in ("figures", "errors.csv", "dynamics.json", "benchmarks", "report.html"):
        assert name in line


@pytest.mark.parametrize(
    ("trouble", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2, "error: No space left on device; check"),
        (
            PermissionError(errno.EACCES, "Permission denied", "a.csv"),
            2,
            "error: a.csv: Permission denied; check",
        ),
        (OSError("Unable to open file\n(bad signature)"), 2, "error: Unable to open file; check"),
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C"),
    ],
)
def test_trouble_from_outside_is_one_line_too(trouble, code, words, capsys, monkeypatch):
    def fail(_):
        raise trouble

    monkeypatch.setattr("painn_spectra.summary.summarise", fail)
    assert main(["summary", "results"]) == code
    told = capsys.readouterr().err
    assert told.startswith(f"painn-spectra: {words}")
    assert told.count("\n") == 1


def test_schema_command_writes_json(tmp_path):
    assert main(["schema", str(tmp_path / "schema.json")]) == 0
    assert "molecules" in json.loads((tmp_path / "schema.json").read_text())["properties"]


def test_tables():
    rows = [{"name": "a<b", "value": 1234.5678}, {"name": "c", "value": None}]
    assert text_table(rows).splitlines() == ["name  value", "a<b    1235", "c"]
    assert text_table([]) == ""
    assert [shown(value) for value in ("C-H", 3, 2.0, True, "nan", 1e-9, [1])] == [
        "C-H", "3", "2", "true", "–", "1e-09", "[1]",
    ]  # fmt: skip
    assert error_table([]) == ""
