"""Names of columns and quantities for readers: `drift_meV_atom_ps` → `drift, meV per atom and ps`."""

UNITS = {  # endings of names, longest first
    "_A4_amu-1": "Å⁴/amu",
    "_meV_atom_ps": "meV per atom and ps",
    "_km_mol-1": "km/mol",
    "_meV": "meV",
    "_deg": "°",
    "_cm-1": "cm⁻¹",
    "_percent": "%",
    "_cm": "cm⁻¹",
    "_eV": "eV",
    "_fs": "fs",
    "_ps": "ps",
    "_nm": "nm",
    "_K": "K",
}
WORDS = {
    "mae": "mean error",  # of absolute values
    "rmse": "root mean square",
    "baseline_mae": "mean error of predicting the mean",
    "baseline_rmse": "root mean square of predicting the mean",
    "n": "numbers compared",
    "n_replicas": "replicas",
    "n_samples": "samples per replica",
    "interconversions": "changes of conformer",
    "seconds_per_step": "seconds per step, all replicas",
    "total_seconds": "seconds",
    "dynamics_so_far": "dynamics so far",
    "wavenumber_MAE_cm-1": "mean error of wavenumbers, cm⁻¹",
    "ir": "IR",
    "raman": "Raman",
}


def heading(name: str) -> str:
    """Words and unit of a column's or a quantity's name; a name without either stays."""
    if name in WORDS:
        return WORDS[name]
    for ending, unit in UNITS.items():
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')}, {unit}"
    return name.replace("_", " ")
