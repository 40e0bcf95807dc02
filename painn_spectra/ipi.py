"""`painn-spectra ipi`: the trained model as a force client of i-PI, μ and α in the extras.

i-PI's socket protocol: Kapil et al. 2019, doi:10.1016/j.cpc.2018.09.020; the messages are ASE's, as is their
conversion to atomic units. Every bead is a message of its own; more clients share the beads.
"""

import json
import socket
from pathlib import Path

import numpy as np
from ase.calculators.socketio import IPIProtocol, SocketClosed, actualunixsocketname
from numpy.typing import NDArray
from torch import nn

from painn_spectra import keys
from painn_spectra.ase import check_elements
from painn_spectra.dataset import read_atoms
from painn_spectra.errors import InputError
from painn_spectra.md.minima import predict
from painn_spectra.model.checkpoint import check_learnt, load_model
from painn_spectra.model.fastest import fastest
from painn_spectra.units import BOHR_A

NO_VIRIAL = np.zeros((3, 3))  # a molecule in free space: the cell is not used


def run_driver(
    model: Path, structure: Path, host: str = "localhost", port: int = 31415, unix: str | None = None
) -> None:
    """Serve i-PI until it sends EXIT or closes the socket.

    structure: extxyz file, whose first frame names the atoms in i-PI's order.
    unix: name of a UNIX socket (`address` in i-PI's input), used instead of host and port.
    Raises InputError when nobody listens, or for an element that the model does not know.
    """
    numbers = read_atoms(structure)[0].numbers.astype(np.int64)
    potential = fastest(load_model(model).double())
    check_elements(potential, numbers)
    check_learnt(potential, keys.PROPERTIES, model)
    with connect(host, port, unix) as connection:
        serve(IPIProtocol(connection), potential, numbers)


def connect(host: str, port: int, unix: str | None) -> socket.socket:
    """Open the socket on which i-PI listens."""
    kind = socket.AF_INET if unix is None else socket.AF_UNIX
    address = (host, port) if unix is None else actualunixsocketname(unix)
    connection = socket.socket(kind)
    try:
        connection.connect(address)
    except OSError as error:
        connection.close()
        where = f"{host}:{port}" if unix is None else address
        raise InputError(
            f"{where}: nobody listens ({error.strerror or error}); start i-pi first, with this address"
        ) from None
    return connection


def serve(protocol: IPIProtocol, potential: nn.Module, numbers: NDArray[np.int64]) -> None:
    """Answer messages until the end."""
    answer: dict[str, NDArray[np.float64]] = {}
    while True:
        try:
            message = protocol.recvmsg()
        except (SocketClosed, ConnectionResetError):
            return
        match message:
            case "STATUS":
                protocol.sendmsg("HAVEDATA" if answer else "READY")
            case "INIT":
                protocol.recvinit()  # number of the bead, and text that says nothing of the atoms
            case "POSDATA":
                _, _, positions = protocol.recvposdata()
                if len(positions) != len(numbers):
                    raise InputError(
                        f"i-PI sends {len(positions)} atoms, the structure file has {len(numbers)}; give "
                        f"both the same molecule"
                    )
                answer = predict(potential, numbers, positions[None], keys.PROPERTIES)
            case "GETFORCE":
                more = np.frombuffer(extras(answer).encode(), dtype=np.byte)
                protocol.sendforce(answer[keys.ENERGY][0], answer[keys.FORCES][0], NO_VIRIAL, more)
                answer = {}
            case "EXIT":
                return
            case _:
                raise InputError(f"i-PI sends {message!r}, unknown to this client; update one of them")


def extras(answer: dict[str, NDArray[np.float64]]) -> str:
    """JSON with `dipole` | e·a0 and `polarizability`, nine numbers | a0³: atomic units like the rest."""
    dipole = answer[keys.DIPOLE][0] / BOHR_A
    polarizability = answer[keys.POLARIZABILITY][0].ravel() / BOHR_A**3
    return json.dumps({keys.DIPOLE: dipole.tolist(), keys.POLARIZABILITY: polarizability.tolist()})
