"""Anharmonic IR and Raman spectra from PaiNN molecular dynamics."""

import importlib

__version__ = "0.1.0"

# what scripts are made of, loaded on first use; `__init__.pyi` tells type checkers the same
_HOME = {
    "DynamicsSettings": "config",
    "InputError": "errors",
    "PaiNNCalculator": "ase",
    "SpectraSettings": "config",
    "evaluate_files": "evaluate",
    "infrared_columns": "spectra.columns",
    "load_model": "model.checkpoint",
    "predict_files": "predictions",
    "raman_columns": "spectra.columns",
    "run_dynamics": "md.run",
    "spectra_from_arrays": "spectra.from_arrays",
    "write_spectra": "spectra.spectrum",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
