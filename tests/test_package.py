"""The wheel: what a user of `pip install` gets."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_all_that_the_package_reads(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--quiet",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip("hatchling cannot be fetched here")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        entry = next(name for name in held if name.endswith("entry_points.txt"))
        assert "painn-spectra = painn_spectra.cli:entry" in archive.read(entry).decode()
    files = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "painn_spectra").rglob("*") if path.is_file()
    }
    assert {name for name in files if "__pycache__" not in name} <= held
    for name in (
        "py.typed",
        "__init__.pyi",
        "report/assets/report.html",
        "report/assets/plotly-basic.min.js",
    ):
        assert f"painn_spectra/{name}" in held
    assert not [name for name in held if name.startswith(("tests/", "benchmarks/"))]


def test_conda_and_catalog_files_are_what_their_readers_expect():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["dependencies"][-1]["pip"] == ["-c constraints.txt", "-e ."]
    catalog = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    assert {"mandatory-flags", "software-stack-deployment", "report"} <= set(catalog["usage"])
