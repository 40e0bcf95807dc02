"""The report: whole without a network, nothing in the data can break it, and what a browser makes of it."""

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase.data import atomic_masses
from toy_potentials import GEOMETRIES, Toy
from toy_trajectory import OUTPUTS, write_trajectory

from painn_spectra.cli import main
from painn_spectra.harmonic_model import model_conformers
from painn_spectra.report.bands import band_table, published_table, start_table
from painn_spectra.report.content import as_script, compact
from painn_spectra.report.headings import heading
from painn_spectra.report.words import cautions
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra.compare import HEADING
from painn_spectra.spectra.csv_files import read_spectrum, write_table
from painn_spectra.spectra.harmonic import write_harmonic
from painn_spectra.spectra.raman import stokes_cross_section
from painn_spectra.spectra.spectrum import compute_spectra

ASSETS = Path(__file__).parents[1] / "painn_spectra/report/assets"
NASTY = "</script><script>window.broken = 1</script> <b>&amp;"
NUMBERS = np.array([8, 1, 1])
QUALITY = {
    "n_replicas": 3,
    "temperature_K": 300.0,
    "kinetic_temperature_K": {"mean": 290.0, "standard_error": 2.5},
    "drift_meV_atom_ps": {"mean": 0.001, "standard_error": 0.02},
    "starts": [{"energy_eV": -1.5, "weight": 1.0}],
}
ERRORS = [{"property": "forces", "unit": "meV/Å", "mae": "300", "rmse": "1", "baseline_mae": "900",
           "baseline_rmse": "1", "n": "9"}]  # fmt: skip
SETTINGS = {"molecule": {"structure": "O", "note": NASTY, "method": {"functional": "PBE0"}}}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Water with spectra and modes that are known, and words in its tables that would end a script."""
    folder = tmp_path_factory.mktemp("results") / "water"
    dynamics = folder / "classical"
    dynamics.mkdir(parents=True)
    trajectory = write_trajectory(dynamics / "trajectory.h5")
    other = write_trajectory(dynamics / "1.h5")
    with h5py.File(other, "a") as file:  # the second of two models
        for name in ("dipole", "polarizability"):
            file[name][:] = 1.2 * file[name][:]
    files = [dynamics / name for name in OUTPUTS]
    compute_spectra(trajectory, *files, SpectraSettings(fwhm_cm=20), [other])
    (dynamics / "dynamics.json").write_text(json.dumps(QUALITY), encoding="utf-8")
    row = {"spectrum": "ir", "phase": "gas", "assignment": NASTY, "published_cm-1": 1490.0}
    write_table(dynamics / "comparison.csv", {}, HEADING, [[row.get(head, "") for head in HEADING]])
    toy, geometry = Toy("water").double(), np.array([GEOMETRIES["water"][1]])
    found = model_conformers(toy, NUMBERS, geometry, 300.0)
    write_harmonic(folder / "harmonic/model.csv", found, atomic_masses[NUMBERS], 300.0,
                   {"level_of_theory": "PaiNN, a toy"})  # fmt: skip
    write_table(folder / "evaluation/errors.csv", {}, list(ERRORS[0]), [list(ERRORS[0].values())])
    (folder / "model/0").mkdir(parents=True)
    lines = [json.dumps({"epoch": k, "forces_mae_meV_A": 500 / k}) for k in range(1, 9)]
    (folder / "model/0/metrics.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def page(results):
    path = results / "report.html"
    assert main(["report", "--settings", json.dumps(SETTINGS), str(results), str(path)]) == 0
    return path


def test_the_page_is_whole_and_small(page):
    text = page.read_text(encoding="utf-8")
    assert len(text) < 8e6
    own = text.replace(
        Path("painn_spectra/report/assets/plotly-basic.min.js").read_text(encoding="utf-8"), ""
    )
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", own)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", own)
    for word in ("What classical dynamics does not describe", "@inproceedings{painn", "290.0 ± 2.5", "PBE0"):
        assert word in text


def test_nothing_in_the_data_ends_a_script_or_becomes_markup(page):
    text = page.read_text(encoding="utf-8")
    assert "window.broken" in text  # it is told
    assert "<script>window.broken" not in text
    assert "<b>&" not in text
    told = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)[1]
    assert json.loads(told)["published"][0]["text"] == f"{' '.join(NASTY.split())} (gas)"


def test_script_data_survives():
    value = {NASTY: [None, 1.5, "\u2029<!--"]}
    assert json.loads(as_script(value)) == value
    assert not set("<>&\u2028\u2029") & set(as_script(value))
    assert compact([1.0, np.nan, -np.inf, 123456.7]) == [1.0, None, None, 123460.0]


def test_one_molecule_is_the_first_page_several_are_linked(page, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(page.parent, tmp_path / name)
    reports = [str(tmp_path / name / "report.html") for name in ("a", "b")]
    index = tmp_path / "report.html"
    assert main(["index", str(index), reports[0]]) == 0
    assert index.read_bytes() == page.read_bytes()
    assert main(["index", str(index), *reports]) == 0
    text = index.read_text(encoding="utf-8")
    assert re.findall('href="(.*?)"', text) == ["a/report.html", "b/report.html"]
    assert text.count("<svg") == text.count("classical dynamics at 300 K") == 2


def test_what_the_run_no_longer_asks_for_is_left_out(results, tmp_path):
    folder = tmp_path / "water"
    shutil.copytree(results, folder)
    shutil.copytree(folder / "classical", folder / "rpmd")
    for dynamics, shown in ((["classical"], False), (["classical", "rpmd"], True)):
        settings = SETTINGS | {"dynamics": dynamics}
        told = ["--settings", json.dumps(settings), str(folder), str(folder / "report.html")]
        assert main(["report", *told]) == 0
        assert ("Bands, rpmd dynamics" in (folder / "report.html").read_text(encoding="utf-8")) == shown


def test_the_labels_say_their_method(results, tmp_path):
    folder = tmp_path / "water"
    shutil.copytree(results, folder)
    shutil.rmtree(folder / "harmonic")
    comment = 'Properties=species:S:1:pos:R:3 REF_method="RKS B3LYP/def2-TZVP, polarizability def2-TZVPD, X"'
    (folder / "dataset.extxyz").write_text(f"2\n{comment}\nO 0 0 0\nH 0 0 1\n", encoding="utf-8")
    told = ["--settings", json.dumps(SETTINGS), str(folder), str(folder / "report.html")]
    assert main(["report", *told]) == 0
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "RKS B3LYP/def2-TZVP, polarizability def2-TZVPD" in text
    assert "without diffuse functions" not in text


def test_a_started_run_has_a_page_too(tmp_path):
    (tmp_path / "water").mkdir()
    assert main(["report", str(tmp_path / "water"), str(tmp_path / "report.html")]) == 0


def test_cautions_name_the_number():
    bands = [{"area_relative_error": "0.3"}, {"area_relative_error": "0.1"}]
    told = " ".join(cautions(QUALITY, ERRORS, bands, {"fwhm_cm": "30"}, 2, "def2-TZVP"))
    for words in ("Only 3 replicas", "290 ± 2 K instead of 300 K", "33 % of that", "1 of 2 band areas",
                  "30 cm⁻¹", "2 harmonic wavenumbers", "those of def2-TZVP"):  # fmt: skip
        assert words in told
    assert "drifts" not in told
    good = {
        "n_replicas": 16,
        "temperature_K": 300,
        "kinetic_temperature_K": {"mean": 299, "standard_error": 1},
    }
    fine = [ERRORS[0] | {"mae": "20"}]
    assert cautions(good, fine, bands[1:], {"fwhm_cm": "10"}, 0, "def2-TZVPD") == []
    assert "drifts by -2" in cautions(good | {"drift_meV_atom_ps": {"mean": -2.0}}, fine, [], {})[0]


def test_the_band_table_keeps_numbers_with_their_errors():
    band = {
        "spectrum": "ir", "lower_cm-1": "900", "upper_cm-1": "1200", "centroid_cm-1": "1052.34",
        "centroid_standard_error_cm-1": "1.23", "area": "16.2", "area_standard_error": "nan",
        "area_unit": "km/mol", "depolarisation_ratio": "nan", "assignment": "C–O stretch",
        "normal_modes": "conformer 1: 7",
        "normal_mode_shares": "0.62 conformer 1 mode 7 (1063 cm-1, C–O stretch)",
    }  # fmt: skip
    heads, rows = band_table([band])
    cells = dict(zip(heads, rows[0]["cells"], strict=True))
    assert cells["position, cm⁻¹"] == ("1052.3 ± 1.2", 1052.34)
    assert cells["area"] == ("16.2 km/mol", 16.2)
    assert cells["depolarisation"] == ("–", None)
    assert cells["assignment"] == ("C–O stretch", None)
    assert cells["normal_modes"] == ("conformer 2: 7", None)  # the page counts from 1
    assert (rows[0]["conformer"], rows[0]["wavenumber"]) == ("1", "1063")
    assert "modes: 0.62 conformer 2 mode 7" in rows[0]["told"]
    assert band_table([]) == ([], [])


def test_other_tables_keep_numbers_with_their_errors():
    row = {"spectrum": "raman", "phase": "gas", "assignment": "a", "published_cm-1": "882",
           "computed_cm-1": "898", "difference_cm-1": "16", "published_area": "nan",
           "computed_area": "4.79", "area_unit": "A^4/amu",
           "computed_area_standard_error": "0.9", "note": "", "source": "b"}  # fmt: skip
    (told,) = published_table([row])
    assert told["spectrum"] == "Raman" and told["published area"] == "–"
    assert told["computed area"] == "4.79 ± 0.90 Å⁴/amu"
    starts = [{"energy_eV": -4215.616, "weight": 0.3, "population": 0.36, "population_standard_error": 0.07},
              {"energy_eV": -4215.615, "weight": 0.7}]  # fmt: skip
    first, second = start_table(starts)
    assert (first["energy, meV"], second["energy, meV"]) == (
        "0.0",
        "1.0",
    )  # seven digits of −4215 eV say nothing
    assert (first["share of time"], second["share of time"]) == ("0.360 ± 0.070", "–")


def test_headings_are_words_with_units():
    assert heading("drift_meV_atom_ps") == "drift, meV per atom and ps"
    assert heading("relative_energy_meV") == "relative energy, meV"
    assert heading("position, cm⁻¹") == "position, cm⁻¹"
    assert heading("mae") == "mean error"


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ERRORS_SEEN = """<script>window.seen = []; addEventListener("error", (e) => seen.push(String(e.message)));
console.error = (...words) => seen.push(words.join(" "));</script>"""
VISITOR = Path(__file__).with_name("report_visitor.html")


@pytest.fixture(scope="module")
def verdict(page, tmp_path_factory):
    """What the visitor saw in headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    folder = tmp_path_factory.mktemp("visit")
    text = page.read_text(encoding="utf-8").replace("<head>", f"<head>{ERRORS_SEEN}", 1)
    (folder / "page.html").write_text(text, encoding="utf-8")
    shutil.copy(VISITOR, folder / "visitor.html")
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        "--window-size=500,3200", "--virtual-time-budget=20000", f"--user-data-dir={folder / 'profile'}",
        "--dump-dom", (folder / "visitor.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    told = re.search(r'<pre id="verdict">(.+?)</pre>', done.stdout)
    assert told, done.stderr[-2000:]
    found = json.loads(base64.b64decode(html.unescape(told[1])))
    assert "failure" not in found, found["failure"]
    return found


def test_browser_draws_without_an_error_on_a_phone(verdict):
    assert verdict["seen"] == []
    assert verdict["broken"] is None
    assert verdict["width"] <= 390
    infrared, raman, learning = verdict["paths"]
    assert infrared >= 2  # computed and sticks
    assert raman >= 3  # with the depolarisation ratio
    assert learning == 1


def test_browser_turns_the_axis_and_hides_a_curve(verdict):
    low, high = verdict["straight"]
    assert low < high
    assert verdict["reversed"] == [high, low]
    assert verdict["hidden"] == 3 * ["computed"]  # the curve and both edges of its band


def test_spread_of_the_models_is_shown_as_a_band_of_its_own(verdict, results):
    columns = read_spectrum(results / "classical/ir.csv")[1]
    spread = columns["model_standard_deviation"]
    assert np.nanmax(spread) > 0
    density = np.array(verdict["absorption"])
    found = np.array(verdict["models"][1][1])
    assert [seen for seen, _ in verdict["models"]] == [True, True]
    napierian = 1e5 * 0.2 * 1e-4  # the visitor left it at the transmittance of 0.2 mol/m²
    step = 100 * np.abs(np.exp(-napierian * (density + spread)) - np.exp(-napierian * (density - spread))) / 2
    assert found == pytest.approx(100 * np.exp(-napierian * density) + step, rel=1e-3)


def test_transmittance_is_beers_law(verdict):
    density = np.array(verdict["absorption"])  # km/mol per cm⁻¹
    napierian = density * 1e5 * 0.2 * 1e-4  # cm²/mol times 0.2 mol/m² in mol/cm²
    assert verdict["transmittance"] == pytest.approx(100 * np.exp(-napierian), rel=1e-9)


def test_stokes_signal_at_another_laser_and_temperature_is_pythons(verdict, results):
    columns = read_spectrum(results / "classical/raman.csv")[1]
    nu, parts = (
        columns["wavenumber_cm-1"],
        [columns[f"{p}_A4_amu-1_per_cm-1"] for p in ("isotropic", "anisotropic")],
    )
    expected = stokes_cross_section(nu, *parts, temperature_K=150.0, laser_nm=785.0)
    assert verdict["stokes"] == pytest.approx(expected, rel=1e-4)
    middle = int(np.abs(nu - 1500).argmin())  # the toy's line: α' = diag(1, 2, −1)
    beta, gamma = 2 / 3, np.sqrt(((1 - 2) ** 2 + (2 + 1) ** 2 + (-1 - 1) ** 2) / 2)
    assert verdict["ratio"][middle] == pytest.approx(3 * gamma**2 / (45 * beta**2 + 4 * gamma**2), rel=1e-3)


def test_browser_sorts_and_moves(verdict):
    assert verdict["rising"] == sorted(verdict["rising"])
    assert verdict["falling"] == verdict["rising"][::-1]
    assert re.match(r"\d+ cm⁻¹: IR", verdict["mode"])
    assert verdict["pointed"] == ["chosen", 0, 0]  # in its spectrum: marked there and in the table
    assert verdict["still"]
    assert verdict["moves"]
    assert verdict["themes"][0] != verdict["themes"][1]
