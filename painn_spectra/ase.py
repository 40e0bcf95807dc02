"""The trained model as an ASE calculator: energy, forces, dipole, and the polarizability in `results`."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import chemical_symbols
from numpy.typing import NDArray
from torch import nn

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.model.checkpoint import learnt, load_model
from painn_spectra.model.fastest import fastest


class PaiNNCalculator(Calculator):
    """Energy eV, forces eV/Å, dipole e·Å (origin: centre of the standard masses), polarizability Å³.

    `atoms.get_dipole_moment()` works as usual; `calculator.get_property("polarizability", atoms)` is (3, 3).
    """

    implemented_properties = list(keys.PROPERTIES)  # noqa: RUF012  ASE declares it so

    def __init__(
        self,
        model: Path | str | nn.Module,
        device: str = "cpu",
        dtype: torch.dtype = torch.float64,
        **kwargs: Any,
    ) -> None:
        """model: a model file or a loaded potential. float64 by default: optimisers and Hessians need it."""
        super().__init__(**kwargs)
        self.device = device
        potential = model if isinstance(model, nn.Module) else load_model(model)
        self.potential = fastest(potential.to(device=device, dtype=dtype).eval())
        self.implemented_properties = list(learnt(potential))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fill `results`; dipole and polarizability only when one of them is asked for."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        if self.atoms.pbc.any():
            raise InputError(
                "the atoms are periodic; only molecules in free space are computed, set pbc=False"
            )
        numbers = self.atoms.numbers
        check_elements(self.potential, numbers)
        electric = {keys.DIPOLE, keys.POLARIZABILITY} & set(properties or ())
        wanted = keys.PROPERTIES if electric else (keys.ENERGY, keys.FORCES)
        out = self.potential(
            torch.as_tensor(numbers, device=self.device)[None],
            torch.as_tensor(self.atoms.positions, device=self.device)[None],
            tuple(name for name in wanted if name in self.implemented_properties),
        )
        self.results |= {name: value[0].double().cpu().numpy() for name, value in out.items()}
        if keys.ENERGY in self.results:
            self.results[keys.ENERGY] = float(self.results[keys.ENERGY])


def check_elements(potential: nn.Module, numbers: NDArray[np.int64]) -> None:
    """Raise InputError when the model never saw one of the atoms; metadata["elements"] are atomic numbers."""
    known = getattr(potential, "metadata", {}).get("elements")
    unknown = set(numbers.tolist()) - set(known or numbers.tolist())
    if known and unknown:
        names, trained = (", ".join(chemical_symbols[z] for z in sorted(group)) for group in (unknown, known))
        raise InputError(
            f"element {names}: the model knows {trained} only; train it on molecules with {names}"
        )
