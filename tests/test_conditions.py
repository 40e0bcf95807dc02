"""Conditions of a measurement from words as files have them; what can be no quantity is refused."""

import pytest

from painn_spectra.errors import InputError
from painn_spectra.spectra.conditions import conditions


@pytest.mark.parametrize(
    ("label", "text", "name", "expected"),
    [
        ("PATHLENGTH", "1.5 CM", "path_m", 0.015),
        ("PATHLENGTH", "1,5 CM", "path_m", 0.015),
        ("PATHLENGTH", "25 µm", "path_m", 25e-6),
        ("PRESSURE", "0,5 kPa", "pressure_Pa", 500),
        ("STATE", "gas (51 mmHg, N2 added, total pressure 600 mmHg)", "pressure_Pa", 51 * 133.322387),
        ("TEMPERATURE", "25", "temperature_K", 298.15),
        ("TEMPERATURE", "298 K", "temperature_K", 298),
        ("TEMPERATURE", "298.15 KELVIN", "temperature_K", 298.15),
        ("TEMPERATURE", "77 F", "temperature_K", 298.15),
        ("TEMPERATURE", "-20 °C", "temperature_K", 253.15),
        ("LASERWAVELENGTH", "785", "laser_nm", 785),
        ("LASERWAVELENGTH", "785 nm", "laser_nm", 785),
        ("LASERWAVELENGTH", "0.785 um", "laser_nm", 785),
        ("RESOLUTION", "0,125", "resolution_cm", 0.125),
        ("RESOLUTION", "4, apodized", "resolution_cm", 4),
        ("PATHLENGTH", "unknown", "path_m", None),
    ],
)
def test_quantities(label, text, name, expected):
    found = getattr(conditions({label: text}, "a.jdx"), name)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("label", "text", "words"),
    [
        ("PATHLENGTH", "-10 CM", "no positive quantity"),
        ("PATHLENGTH", "0 cm", "no positive quantity"),
        ("PRESSURE", "<1 Torr", "is no number"),
        ("PRESSURE", "1e400 Pa", "no positive quantity"),
        ("PRESSURE", "1,013 mbar", "may be 1.013 or 1013"),
        ("PRESSURE", "1.013.2 hPa", "is no number"),
        ("TEMPERATURE", "-273.15", "absolute zero"),
        ("TEMPERATURE", "-300", "absolute zero"),
        ("TEMPERATURE", "298.15", "write 298.15 K or C"),
        ("LASERWAVELENGTH", "12738", "150 to 10000 nm"),
        ("LASERWAVELENGTH", "-785", "150 to 10000 nm"),
    ],
)
def test_what_can_be_no_quantity(label, text, words):
    with pytest.raises(InputError, match=r"^a\.jdx: ") as caught:
        conditions({label: text}, "a.jdx")
    assert words in str(caught.value)
