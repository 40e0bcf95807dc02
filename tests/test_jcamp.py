"""Written JCAMP-DX comes back digit by digit, also through the jcamp library."""

import jcamp
import numpy as np
import pytest

from painn_spectra.spectra.jcamp import write_jcamp
from painn_spectra.spectra.measured import read_measured

METADATA = {"molecule": "toy", "dynamics": "classical", "program": "painn-spectra 0", "temperature_K": "300",
            "fwhm_cm": "10", "laser_nm": "532", "method": "molecular dynamics", "corrections": "all",
            "state": "gas, isolated molecule, computed"}  # fmt: skip


def test_written_spectrum_reads_back(tmp_path):
    nu = np.linspace(100.0, 400.0, 301)
    density = np.random.default_rng(0).random(301) * 1e-36
    write_jcamp(tmp_path / "a.jdx", "RAMAN SPECTRUM", "m^2/sr per cm-1", nu, density, METADATA)
    curve = read_measured(tmp_path / "a.jdx")
    np.testing.assert_allclose(curve.wavenumber_cm, nu)
    np.testing.assert_allclose(curve.intensity, density, rtol=0, atol=density.max() * 3e-10)
    assert curve.title == "toy raman spectrum, classical dynamics"


@pytest.mark.parametrize("spacing", [1.0, 0.7, 1 / 3])
def test_every_digit_written_is_read_by_the_jcamp_library(tmp_path, spacing):
    nu = 100.0 + spacing * np.arange(977)
    density = np.random.default_rng(1).lognormal(sigma=4, size=977) * 1e-38
    write_jcamp(tmp_path / "a.jdx", "RAMAN SPECTRUM", "m^2/sr per cm-1", nu, density, METADATA)
    text = (tmp_path / "a.jdx").read_text()
    header, _, body = text.partition("##XYDATA=(X++(Y..Y))\n")
    rows = [line.split() for line in body.splitlines()[:-1]]
    read = jcamp.readfile(str(tmp_path / "a.jdx"))
    factor = float(header.partition("##YFACTOR=")[2].partition("\n")[0])
    written = np.array([int(word) for row in rows for word in row[1:]])
    np.testing.assert_array_equal(read["y"], written * factor)
    np.testing.assert_allclose(read["y"], density, rtol=0, atol=density.max() * 3e-10)
    np.testing.assert_allclose(read["x"], nu, atol=1e-6)
    assert max(map(len, text.splitlines())) <= 80 and read["npoints"] == 977
    for key, value in (("firsty", read["y"][0]), ("maxy", read["y"].max()), ("miny", read["y"].min())):
        assert read[key] == pytest.approx(value, rel=1e-12)
    assert (read["resolution"], read["yunits"]) == (10, "M^2/SR PER CM-1")
    assert read["temperature"] == pytest.approx(26.85)
    assert read["instrument parameters"] == "laser 532 nm"
    assert (read["data processing"], read["state"]) == ("all", "gas, isolated molecule, computed")
