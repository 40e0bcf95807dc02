"""Constants against published numbers."""

import pytest
from ase.data import chemical_symbols, covalent_radii

from painn_spectra import units


@pytest.mark.parametrize(
    ("value", "published"),
    [
        (units.DEBYE_EA, 0.2081943),
        (units.BOHR3_A3, 0.1481847),
        (units.HARTREE_EV, 27.211386),
        (1 / units.KCAL_MOL_EV, 23.060548),
        (1 / units.KJ_MOL_EV, 96.485332),
        (units.MDYN_A_EV, 6.2415091),
        (units.SECOND_RADIATION_CM_K, 1.438777),
        (units.AMU_E2_KM_MOL * units.DEBYE_EA**2, 42.2561),
        (units.IR_PREFACTOR_K * units.DEBYE_EA**2, 3047.23),
        (units.RAMAN_CROSS_SECTION, 5.8385e-50),
        (units.BOLTZMANN_EV_K, 8.617333e-5),
        (units.LIGHT_CM_FS, 2.99792458e-5),
        (units.AMU_A2_FS2_IN_EV, 103.6427),  # 1.66054e-27 kg · 1e10 m²/s²
    ],
)
def test_constant(value, published):
    assert value == pytest.approx(published, rel=2e-6)


def test_covalent_radii_are_those_of_ase():
    assert units.COVALENT_RADII_A[1:] == pytest.approx(covalent_radii[1:97])
    for number, symbol in units.ELEMENTS.items():
        assert chemical_symbols[number] == symbol
