"""The wheel: what a user of `pip install` gets."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from painn_spectra import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--quiet",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip("hatchling cannot be fetched here")
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_all_that_the_package_reads(wheel):
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


def test_the_installed_wheel_works_away_from_the_repository(wheel, tmp_path):
    """Beside what is installed here: the wheel alone in a folder of its own, that comes before all others."""
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--quiet",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True)
    (tmp_path / "water").mkdir()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "HOME": str(tmp_path)}

    def told(*command):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    program = str(site / "bin/painn-spectra")
    assert told(program, "--version") == f"painn-spectra {__version__}\n"
    assert "analyze" in told(program, "--help")
    told(program, "report", "water", "report.html")  # templates, scripts and styles come along
    assert "plotly" in (tmp_path / "report.html").read_text(encoding="utf-8")
    code = "from painn_spectra import plotting; plotting.style().__enter__(); print(plotting.__file__)"
    assert told(sys.executable, "-c", code).startswith(str(site))


def test_extras_are_those_that_are_documented():
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert {"gpu", "dev", "report", "test"} <= set(extras)


def test_conda_and_catalog_files_are_what_their_readers_expect():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["dependencies"][-1]["pip"] == ["-c constraints.txt", "-e .[report]"]
    catalog = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    assert {"mandatory-flags", "software-stack-deployment", "report"} <= set(catalog["usage"])
