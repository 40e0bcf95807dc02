"""Measured ordinates as absorption: each unit by its name, absolute where path and pressure are known."""

import re
from dataclasses import replace

import numpy as np

from painn_spectra.errors import InputError
from painn_spectra.spectra.conditions import Conditions
from painn_spectra.spectra.correlation import Array
from painn_spectra.units import AVOGADRO, GAS_J_MOL_K

SATURATED_TRANSMITTANCE = 0.02  # below, a spectrometer of that time shows its stray light
USUAL_K = 296.0  # of gas cells whose files give no temperature
ABSOLUTE = "km/mol per cm-1"
M2_MOL_KM_MOL = 0.1  # m²/mol · cm⁻¹ -> km/mol
KINDS = {  # kind -> what names it, of a unit without blanks and punctuation, in capitals
    "transmittance": r"(PERCENT)?(TRANSMITTANCE|TRANSMISSION|T)(PERCENT)?",
    "absorbance": r"ABSORBANCE(UNITS)?|OPTICALDENSITY|LOG101T",
    "mole fraction": r"(MICROMOLMOL|UMOLMOL|PPM)1?M1BASE(10|E)",
    "molar": r"(MOLAR)?(ABSORPTIVITY|EPSILON)?(LMOL1CM1|LMOLCM|M1CM1)|MOLARABSORPTIVITY",
    "cross-section": r"(CROSSSECTION)?CM2(MOLECULE1?|MOLEC1?|)",
    "absolute": r"KMMOL1?(PERCM1|CM1|CM)",
}
KNOWN = (
    "TRANSMITTANCE, ABSORBANCE, (micromol/mol)-1m-1 (base 10), L mol-1 cm-1, cm2/molecule, km/mol per cm-1"
)


def kind_of(unit: str) -> tuple[str | None, str]:
    """Which of KINDS a unit is, and its name as they are written."""
    name = re.sub(r"[^A-Z0-9%]", "", unit.upper()).replace("%", "PERCENT")
    return next((kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, name)), None), name


def to_absorption(y: Array, unit: str, state: Conditions, where: str) -> tuple[Array, str, int, Conditions]:
    """Infrared ordinates as km/mol per cm⁻¹ where they are absolute, else as decadic absorbance.

    κ = ln 10 · A/(c l), c = p/(R T). Returns values, unit, number of saturated points (NaN), and the
    conditions with the temperature that was assumed. Raises InputError for an arbitrary or unknown unit.

    | symbol | variable | unit |
    | A    | decadic absorbance, −log10 of the transmittance | 1 |
    | l, p, T | path_m, pressure_Pa, temperature_K | m, Pa, K |
    """
    kind, name = kind_of(unit)
    if kind is None:
        raise InputError(
            f"{where}: the ordinate {unit.strip() or 'without a unit'!r} says neither absorption nor "
            f"transmission; write what it is: {KNOWN}"
        )
    if kind == "absolute":
        return y, ABSOLUTE, 0, state
    if kind == "molar":
        return M2_MOL_KM_MOL * np.log(10) * 0.1 * y, ABSOLUTE, 0, state  # L/(mol cm) = 0.1 m²/mol
    if kind == "cross-section":
        return M2_MOL_KM_MOL * AVOGADRO * 1e-4 * y, ABSOLUTE, 0, state
    if kind == "mole fraction":
        if state.pressure_Pa is None:
            raise InputError(f"{where}: {unit} needs the pressure; add ##PRESSURE=101.3 kPa as measured")
        state = _with_temperature(state)
        base = np.log(10) if name.endswith("10") else 1.0
        factor = M2_MOL_KM_MOL * base * 1e6 / _concentration(state)
        return factor * y, ABSOLUTE, 0, state
    absorbance, n_saturated = _absorbance(y, kind, name)
    if state.phase != "gas" or state.pressure_Pa is None or state.path_m is None:
        return absorbance, "absorbance", n_saturated, state
    state = _with_temperature(state)
    assert state.path_m is not None
    factor = M2_MOL_KM_MOL * np.log(10) / (_concentration(state) * state.path_m)
    return factor * absorbance, ABSOLUTE, n_saturated, state


def _absorbance(y: Array, kind: str, name: str) -> tuple[Array, int]:
    """Decadic absorbance, NaN where less than SATURATED_TRANSMITTANCE passes."""
    if kind == "absorbance":
        saturated = y > -np.log10(SATURATED_TRANSMITTANCE)
        return np.where(saturated, np.nan, y), int(saturated.sum())
    percent = "PERCENT" in name or np.nanmax(y) > 2
    fraction = y / 100 if percent else y
    saturated = fraction < SATURATED_TRANSMITTANCE
    absorbance = np.full(len(y), np.nan)
    absorbance[~saturated] = -np.log10(fraction[~saturated])
    return absorbance, int(saturated.sum())


def _with_temperature(state: Conditions) -> Conditions:
    if state.temperature_K is not None:
        return state
    return replace(state, temperature_K=USUAL_K, temperature_assumed=True)


def _concentration(state: Conditions) -> float:
    """p/(R T) | mol/m³."""
    assert state.pressure_Pa is not None and state.temperature_K is not None
    return state.pressure_Pa / (GAS_J_MOL_K * state.temperature_K)
