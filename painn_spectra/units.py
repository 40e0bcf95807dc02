"""The only file with a physical constant (CODATA 2022 through `scipy.constants`).

Stored units: eV, Å, fs, K, amu, e; dipole e·Å; polarizability volume Å³.
Shown units: wavenumbers cm⁻¹, IR km/mol, Raman activity Å⁴/amu, dipole also in D.
A name reads `VALUE_UNIT` or `UNIT_IN_OTHER`: multiply a number in UNIT by it to get OTHER.
"""

import math

from scipy import constants as si

# mechanics in eV, Å, fs, amu
BOLTZMANN_EV_K = si.k / si.e  # eV/K
AMU_A2_FS2_IN_EV = si.atomic_mass * 1e10 / si.e  # amu Å²/fs² -> eV
ACCELERATION_A_FS2 = 1.0 / AMU_A2_FS2_IN_EV  # (eV/Å)/amu -> Å/fs²
LIGHT_CM_FS = si.c * 1e2 * 1e-15  # cm/fs
HBAR_EV_FS = si.hbar / si.e * 1e15  # eV·fs
EV_CM = si.e / (si.h * si.c * 1e2)  # eV -> cm⁻¹

# energies and lengths of other programs
HARTREE_EV = si.physical_constants["Hartree energy in eV"][0]
BOHR_A = si.physical_constants["Bohr radius"][0] * 1e10
KCAL_MOL_EV = si.calorie * 1e3 / si.N_A / si.e
KJ_MOL_EV = 1e3 / si.N_A / si.e
MDYN_A_EV = 1e-18 / si.e  # mdyn·Å -> eV

# electric properties
DEBYE_EA = 1e-21 / si.c / si.e * 1e10  # D -> e·Å, 0.2081943
BOHR3_A3 = BOHR_A**3

# single bonds, Cordero et al. 2008, doi:10.1039/b801115j; elements that bands are assigned in
ELEMENTS = {
    1: "H", 5: "B", 6: "C", 7: "N", 8: "O", 9: "F", 14: "Si", 15: "P", 16: "S", 17: "Cl", 35: "Br", 53: "I",
}  # fmt: skip
COVALENT_RADII_A = (
    0.0,  # by atomic number, from H to Cm
    0.31, 0.28, 1.28, 0.96, 0.84, 0.76, 0.71, 0.66, 0.57, 0.58, 1.66, 1.41, 1.21, 1.11, 1.07, 1.05, 1.02,
    1.06, 2.03, 1.76, 1.70, 1.60, 1.53, 1.39, 1.39, 1.32, 1.26, 1.24, 1.32, 1.22, 1.22, 1.20, 1.19, 1.20,
    1.20, 1.16, 2.20, 1.95, 1.90, 1.75, 1.64, 1.54, 1.47, 1.46, 1.42, 1.39, 1.45, 1.44, 1.42, 1.39, 1.39,
    1.38, 1.39, 1.40, 2.44, 2.15, 2.07, 2.04, 2.03, 2.01, 1.99, 1.98, 1.98, 1.96, 1.94, 1.92, 1.92, 1.89,
    1.90, 1.87, 1.87, 1.75, 1.70, 1.62, 1.51, 1.44, 1.41, 1.36, 1.36, 1.32, 1.45, 1.46, 1.48, 1.40, 1.50,
    1.50, 2.60, 2.21, 2.15, 2.06, 2.00, 1.96, 1.90, 1.87, 1.80, 1.69,
)  # fmt: skip
BOND_FACTOR = 1.3  # atoms closer than this many sums of covalent radii are bonded

# gases
AVOGADRO = si.N_A  # 1/mol
GAS_J_MOL_K = si.R  # J/(mol K)

# spectra
SECOND_RADIATION_CM_K = si.h * si.c * 1e2 / si.k  # hc/k_B, 1.438777 cm·K
AMU_E2_KM_MOL = si.N_A / (12 * si.epsilon_0 * si.c**2) * si.e**2 / si.atomic_mass / 1e3
# (∂μ/∂Q)² in e²/amu -> km/mol; 42.2561 km/mol for 1 (D/Å)²/amu
IR_PREFACTOR_K = 2 * si.N_A * si.e**2 / (12 * si.epsilon_0 * si.c * si.k) * 1e10 * 1e-15 * 1e-1
# 2N_A/(12 ε0 c k_B) for μ̇ in e·Å/fs and t in fs -> K · (km/mol)/cm⁻¹; 3047.23 for μ̇ in D/fs
RAMAN_CROSS_SECTION = 2 * math.pi**2 * si.h / si.c * 1e-40 / si.atomic_mass / 45 * 1e6
# 5.8385e-50: (ν̃0−ν̃)⁴/ν̃ in cm⁻³ times activity in Å⁴/amu -> m²/sr
