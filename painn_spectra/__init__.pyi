from painn_spectra.ase import PaiNNCalculator as PaiNNCalculator
from painn_spectra.errors import InputError as InputError
from painn_spectra.evaluate import evaluate_files as evaluate_files
from painn_spectra.md.run import run_dynamics as run_dynamics
from painn_spectra.model.checkpoint import load_model as load_model
from painn_spectra.predictions import predict_files as predict_files
from painn_spectra.settings.dynamics import DynamicsSettings as DynamicsSettings
from painn_spectra.settings.dynamics import SpectraSettings as SpectraSettings
from painn_spectra.spectra.columns import infrared_columns as infrared_columns
from painn_spectra.spectra.columns import raman_columns as raman_columns
from painn_spectra.spectra.from_arrays import spectra_from_arrays as spectra_from_arrays
from painn_spectra.spectra.spectrum import write_spectra as write_spectra

__version__: str
