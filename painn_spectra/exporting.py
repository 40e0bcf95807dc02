"""`painn-spectra export`: a model as one torch.export file, for programs that do not have this package."""

import io
import json
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim
from torch.fx.experimental.proxy_tensor import make_fx

from painn_spectra import keys
from painn_spectra.errors import InputError
from painn_spectra.files import write_bytes
from painn_spectra.model.checkpoint import check_learnt, load_model

METADATA = "metadata.json"


def export_model(model: Path, output: Path) -> None:
    """Write `output` (.pt2): from numbers (b, n) and positions (b, n, 3) | Å, float64, the four properties.

    Any number of frames and atoms, 0 pads smaller molecules. torch.export alone refuses to differentiate
    inside a graph, so that the forces' backward pass is first traced into plain operations. The result
    cannot be trained further.
    """
    if output.suffix != ".pt2":
        raise InputError(
            f"{output}: torch.export files end in .pt2; name it {output.with_suffix('.pt2').name}"
        )
    if output.resolve() == model.resolve():
        raise InputError(f"{output}: is the model itself; give the export another name")
    potential = load_model(model).double()
    check_learnt(potential, keys.PROPERTIES, model)
    elements = potential.metadata.get("elements") or [1, 8]
    z = torch.tensor([elements[:1] * 3] * 3)  # any geometry serves: nothing depends on its values
    r = torch.arange(27.0, dtype=torch.float64).reshape(3, 3, 3).sqrt()

    def properties(numbers: Tensor, positions: Tensor) -> dict[str, Tensor]:
        out: dict[str, Tensor] = potential(numbers, positions)
        return out

    graph = make_fx(properties, tracing_mode="symbolic", _allow_non_fake_inputs=True)(z, r)
    sizes = {0: Dim.AUTO, 1: Dim.AUTO}
    program = torch.export.export(graph, (z, r), dynamic_shapes=(sizes, sizes))
    told = {
        "inputs": "numbers (b, n) int64, 0 pads; positions (b, n, 3) float64, Å",
        "outputs": "energy eV, forces eV/Å, dipole e·Å, polarizability Å³",
        "elements": potential.metadata.get("elements"),
        "architecture": potential.architecture,
    }
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA: json.dumps(told, ensure_ascii=False)})
    write_bytes(output, buffer.getbuffer())
    print(f"{output}: {', '.join(keys.PROPERTIES)}, any number of frames and atoms")
