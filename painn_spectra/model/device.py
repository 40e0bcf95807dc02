"""Where tensors live."""

import torch

from painn_spectra.errors import InputError


def pick_device(name: str) -> str:
    """'auto' takes CUDA when there is one. Raises InputError for a device that is not here."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device = 'cuda': no CUDA device here; use device: auto or cpu")
    return name
