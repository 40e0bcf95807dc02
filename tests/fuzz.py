"""Coverage-guided fuzzing of one reader (atheris, libFuzzer): `python tests/fuzz.py READER --seconds 600`.

Ends at once with the traceback and the input's path on anything but InputError, after 20 s on one input, or
beyond 1 GB of memory. What is learnt stays in .fuzz/READER; findings are fixed and kept in fuzz_findings/.
"""

import argparse
import sys
from pathlib import Path

import atheris

SPECTRA = ("compare", "conditions", "csv_files", "harmonic", "hdf5_apart", "jcamp_blocks", "measured",
           "npz_file", "ordinates", "series", "text_file", "trajectory_file")  # fmt: skip
OTHERS = ("config", "dataset", "label_checks", "model.checkpoint")
GUIDING = [
    *(f"painn_spectra.spectra.{name}" for name in SPECTRA),
    *(f"painn_spectra.{name}" for name in OTHERS),
    "ase.io.extxyz",
]
with atheris.instrument_imports(include=GUIDING):
    from fuzz_readers import READERS, run, seeds

HANG_S, MEMORY_MB = 20, 1000
LONGEST_INPUT = 30_000  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--seconds", type=int, default=600)
    arguments = parser.parse_args()
    reader, folder = READERS[arguments.reader], Path(".fuzz") / arguments.reader
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(reader)):
        (corpus / f"seed-{number}").write_bytes(data)
    for found in (Path(__file__).parent / "fuzz_findings").glob(f"{arguments.reader}-*"):
        (corpus / found.name).write_bytes(found.read_bytes())
    path = folder / f"input{reader.ending}"
    options = {
        "max_total_time": arguments.seconds, "timeout": HANG_S, "rss_limit_mb": MEMORY_MB,
        "max_len": LONGEST_INPUT, "artifact_prefix": f"{folder}/", "print_final_stats": 1,
    }  # fmt: skip
    for data in seeds(reader):
        run(reader, data, path)  # imports of torch's that a first input would wait for
    atheris.Setup(
        [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)],
        lambda data: run(reader, data, path),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
