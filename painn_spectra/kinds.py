"""Kinds of dynamics: how many beads, which settings, how many replicas a core takes together."""

from typing import Any

from painn_spectra.settings.dynamics import DynamicsSettings

# replicas (or beads) that a core propagates together, however many cores: one and eight give the same numbers
BLOCK_REPLICAS = 8


def kind_of(dynamics: str) -> str:
    """`trpmd` of trpmd16."""
    return dynamics.rstrip("0123456789")


def beads_of(dynamics: str, settings: DynamicsSettings) -> int:
    """Beads of a ring polymer in a kind of dynamics such as trpmd16; 1 of the others."""
    if "rpmd" not in dynamics:
        return 1
    return int(dynamics.rpartition("rpmd")[2] or settings.n_beads)


def dynamics_settings(dynamics: str, settings: DynamicsSettings) -> dict[str, Any]:
    """The settings that a kind of dynamics uses."""
    unused = set() if dynamics.startswith("trpmd") else {"trpmd_lambda"}
    if "rpmd" not in dynamics or dynamics[-1].isdigit():
        unused = unused | {"n_beads"}
    return settings.model_dump(exclude=unused)


def block_replicas(dynamics: str, settings: DynamicsSettings) -> int:
    """Replicas of one block on a CPU: a few per core, a ring polymer of many beads alone."""
    return max(1, BLOCK_REPLICAS // beads_of(dynamics, settings))
