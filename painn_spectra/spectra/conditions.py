"""The conditions of a measurement, from the words of its file."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from painn_spectra.errors import InputError

PRESSURE_PA = {"mmhg": 133.322387, "torr": 133.322368, "kpa": 1e3, "hpa": 1e2, "mbar": 1e2, "bar": 1e5,
               "atm": 101325.0, "psi": 6894.757, "pa": 1.0}  # fmt: skip
LENGTH_M = {"cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "micrometers": 1e-6, "m": 1.0}
LENGTH_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3}
LASERS_NM = (150.0, 10_000.0)
ZERO_C_K = 273.15
NUMBER = r"[<>~+-]*(?:\d[\d.,]*|\.\d+)(?:[eE][+-]?\d+)?"
QUANTITY = re.compile(rf"({NUMBER})\s*([A-Za-zµ]+)")
GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")  # 1,013: thousands, or a decimal comma


@dataclass(frozen=True)
class Conditions:
    """What a file tells of its measurement; None where it does not."""

    phase: str | None = None
    temperature_K: float | None = None
    pressure_Pa: float | None = None  # of the absorbing gas, or of the whole mixture for mole fractions
    path_m: float | None = None
    resolution_cm: float | None = None
    laser_nm: float | None = None
    temperature_assumed: bool = False

    @property
    def words(self) -> str:
        """For captions: only what is known."""
        assumed = " assumed" * self.temperature_assumed
        parts = [
            self.phase,
            f"{self.temperature_K:.0f} K{assumed}" if self.temperature_K else None,
            f"{self.pressure_Pa / 1e3:.3g} kPa" if self.pressure_Pa else None,
            f"path {self.path_m * 100:.3g} cm" if self.path_m else None,
            f"resolution {self.resolution_cm:.3g} cm-1" if self.resolution_cm else None,
            f"laser {self.laser_nm:.4g} nm" if self.laser_nm else None,
        ]
        return ", ".join(part for part in parts if part)


def conditions(headers: Mapping[str, str], where: str) -> Conditions:
    """Conditions from JCAMP-DX headers, labels without blanks and dashes, in capitals.

    Raises InputError, which begins with `where`, for a quantity that can be none.
    """
    state = headers.get("STATE", "") or headers.get("PHASE", "")
    words = (
        ("gas", ("GAS", "VAPO")), ("solution", ("SOLUTION", "SOLVED")),
        ("liquid", ("LIQUID", "NEAT")), ("solid", ("SOLID", "PELLET", "KBR", "CRYST")),
    )  # fmt: skip
    phase = next((name for name, hints in words if any(hint in state.upper() for hint in hints)), None)
    pressure = headers.get("PARTIALPRESSURE") or headers.get("PRESSURE") or state
    try:
        return Conditions(
            phase,
            _temperature(headers.get("TEMPERATURE", "")),
            _quantity(pressure, PRESSURE_PA),
            _quantity(headers.get("PATHLENGTH", ""), LENGTH_M),
            _first_number(headers.get("RESOLUTION", "")),
            _laser(headers.get("LASERWAVELENGTH", "")),
        )
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def _temperature(text: str) -> float | None:
    """K from a JCAMP-DX temperature, which is in °C unless it says otherwise."""
    value = _first_number(text)
    if value is None:
        return None
    unit = re.search(r"\d\s*(?:°|DEG\w*)?\s*(K|C|F)\b", text.upper().replace("KELVIN", "K"))
    if unit is None and 250 < value < 350:
        raise ValueError(f"temperature {text!r} would be °C, as no unit is there; write {value:g} K or C")
    kelvin = {"K": value, "F": (value - 32) / 1.8 + ZERO_C_K}.get(unit[1] if unit else "C", value + ZERO_C_K)
    if kelvin <= 0:
        raise ValueError(f"temperature {text!r} lies below absolute zero; correct it")
    return kelvin


def _laser(text: str) -> float | None:
    """nm, also of a number alone."""
    value = _quantity(text, LENGTH_NM)
    value = _first_number(text) if value is None else value
    if value is not None and not LASERS_NM[0] <= value <= LASERS_NM[1]:
        raise ValueError(
            f"laser wavelength {text!r} is not from {LASERS_NM[0]:g} to {LASERS_NM[1]:g} nm; give it in nm"
        )
    return value


def _quantity(text: str, units: Mapping[str, float]) -> float | None:
    """The first positive number followed by one of the units."""
    for number, unit in QUANTITY.findall(text):
        if unit.lower() in units:
            value = _plain(number, text)
            if not 0 < value < math.inf:
                raise ValueError(f"{number} {unit} in {text!r:.80} is no positive quantity; correct it")
            return value * units[unit.lower()]
    return None


def _first_number(text: str) -> float | None:
    found = re.search(NUMBER, text)
    return _plain(found[0], text) if found else None


def _plain(number: str, text: str) -> float:
    """Decimal commas are read, but for 1,013, which may be thousands."""
    if GROUPED.fullmatch(number.strip("<>~+-")):
        raise ValueError(f"{number} in {text!r:.80} may be {number.replace(',', '.')} or "
                         f"{number.replace(',', '')}; write it without a comma")  # fmt: skip
    try:
        return float(number.rstrip(".,").replace(",", "."))
    except ValueError:
        raise ValueError(f"{number} in {text!r:.80} is no number; correct it") from None
