"""Energy and forces of ethanol beside MACE and TorchANI, other kinds of model: what a step costs elsewhere.

    make orientation        builds their environment in .peers/, then prints rows for docs/performance.md

Milliseconds of CPU time of one core per replica, float32, random weights; medians over interleaved rounds.
"""

import statistics
import sys

import torch

from benchmarks.peer_speed import N_FEATURES, SECONDS_PER_VISIT, Peer
from benchmarks.steps import ETHANOL, ROOT, Dynamics, fresh, seconds_per_step
from painn_spectra.dataset import read_frames

PEER_PYTHON = ROOT / ".peers/orientation/bin/python"
PROGRAMS = ("MACE", "TorchANI")
REPLICAS, ROUNDS = (1, 16, 64), 5
NEVER = 10**9  # steps between two recorded ones: energy and forces alone


def main() -> None:
    torch.set_num_threads(1)
    frames = read_frames(ETHANOL)
    potential = fresh(N_FEATURES, frames)
    ours = {n: Dynamics(potential, frames, n, NEVER) for n in REPLICAS}
    peer = Peer(PEER_PYTHON, "orientation_peer.py")
    seconds: dict[tuple[str, int], list[float]] = {}
    for k in range(ROUNDS + 1):  # the first one warms up
        print(f"round {k} of {ROUNDS}", file=sys.stderr, flush=True)
        for n in REPLICAS:
            once = {"this": seconds_per_step(ours[n], 2), **{p: peer.ask(p, 2, n) for p in PROGRAMS}}
            for program, estimate in once.items():
                steps = max(2, round(SECONDS_PER_VISIT / estimate))
                mine = program == "this"
                cost = seconds_per_step(ours[n], steps) if mine else peer.ask(program, steps, n)
                seconds.setdefault((program, n), []).append(1e3 * cost / n)
    print("| replicas of ethanol | this |", " | ".join(PROGRAMS), "|\n|---|---|" + "---|" * len(PROGRAMS))
    for n in REPLICAS:
        cells = [f"{statistics.median(seconds[program, n][1:]):.3g}" for program in ("this", *PROGRAMS)]
        print(f"| {n} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
