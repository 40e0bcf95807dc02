"""The documents: every command parses and names what exists, settings are valid, links lead somewhere."""

import re
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.io import write
from small_model import two_molecules, write_model
from snakemake.cli import get_argument_parser
from toy_trajectory import OUTPUTS, write_trajectory

from painn_spectra.cli import main, parser
from painn_spectra.config import load_config
from painn_spectra.settings.dynamics import SpectraSettings
from painn_spectra.spectra.spectrum import compute_spectra

ROOT = Path(__file__).parents[1]
WRONG = ROOT / "docs/errors.md"  # its commands are meant to fail
PAGES = [ROOT / "README.md", *sorted({*ROOT.glob("docs/*.md")} - {WRONG}), *sorted(ROOT.glob("*/README.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
SHELL = ("", "sh", "bash", "console")
QUICK = ("python examples/spectrum_from_arrays.py",)  # needs nothing that a run makes
# run in a folder that has what they read; `new`, `export` and `ipi` take longer and have tests of their own
RUN = ("analyze", "evaluate", "harmonic-reference", "predict", "status", "summary")
N_STEPS = 4000
NUMBER = re.compile(r"(--[\w-]+-(?:fs|cm|nm|K)) [A-Z]+\b")  # an option of which the value is a placeholder


def blocks(kinds):
    """(page, text) of every fenced block of these languages."""
    for page in PAGES:
        for kind, text in FENCE.findall(page.read_text(encoding="utf-8")):
            if kind in kinds:
                yield page.relative_to(ROOT).as_posix(), text


def commands():
    """(page, command) of every line in a shell block and every `painn-spectra …` in running text."""
    for page, text in blocks(SHELL):
        for line in text.splitlines():
            for command in line.partition("  #")[0].split("&&"):
                words = command.strip().rstrip("&").strip()
                if re.match(r"(painn-spectra|snakemake|make|python|TORCH=)\b", words):
                    yield page, words
    for page in PAGES:
        text = " ".join(page.read_text(encoding="utf-8").split())
        for words in re.findall(r"`((?:painn-spectra|snakemake|make) [^`]+)`", text):
            yield page.relative_to(ROOT).as_posix(), words


COMMANDS = sorted(set(commands()))
READY = sorted(
    {
        words
        for _, words in COMMANDS
        if words.split()[1] in RUN and len(words.split()) > 2 and "..." not in words
        if words.startswith("painn-spectra")
    }
)


def existing(text):
    """`text` with an example for a config that a documented `painn-spectra new … --name X` writes."""
    for _, command in COMMANDS:
        if written := re.match(r"painn-spectra new .*--name (\w+)", command):
            text = text.replace(f"config/{written[1]}.yaml", "config/examples/acetone.yaml")
    return text


def test_there_are_commands_to_check():
    programs = {words.split()[0] for _, words in COMMANDS}
    assert {"painn-spectra", "snakemake", "make", "python"} <= programs
    assert len(COMMANDS) > 30


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda value: str(value)[:60])
def test_command_parses(page, command):
    command = NUMBER.sub(r"\1 1", command).replace("--executor slurm", "")  # a plugin, not installed here
    program, *words = [word for word in shlex.split(command) if not re.match(r"[A-Z]+=\w+$", word)]
    match program:
        case "painn-spectra" if words and "<" not in command:
            if len(words) == 1 and not words[0].startswith("-"):  # a mention
                words.append("--help")
            told = parser()
            try:
                told.parse_args(words)
            except SystemExit as stop:  # --help, --version
                assert stop.code == 0
        case "snakemake" if "<" not in command and len(words) > 1:
            arguments = get_argument_parser().parse_args(words)
            for file in arguments.configfile or []:
                assert (ROOT / existing(str(file))).is_file() or file.name.isupper(), file
            rules = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("workflow/**/*.smk"))
            rules += (ROOT / "workflow/Snakefile").read_text(encoding="utf-8")
            for rule in [*(arguments.targets or []), *(arguments.forcerun or [])]:
                assert re.search(rf"^rule {rule}:", rules, flags=re.MULTILINE), rule
        case "make":
            done = subprocess.run(
                ["make", "--dry-run", "--question", *words], cwd=ROOT, capture_output=True, text=True
            )
            assert "No rule" not in done.stderr, done.stderr
        case "python":
            script = (
                ROOT / words[words.index("-m") + 1].replace(".", "/") if "-m" in words else ROOT / words[0]
            )
            assert script.exists() or script.with_suffix(".py").exists()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with every file that the documented commands read, made small: water that vibrates."""
    folder = tmp_path_factory.mktemp("work")
    dynamics = folder / "results/ethanol/classical"
    model = write_model(folder / "results/ethanol/model/0/model.pt")
    for name in ("MODEL", "MODEL_0", "MODEL_1", "model.pt"):
        shutil.copy(model, folder / name)
    shutil.copy(ROOT / "config/molecules/ethanol/harmonic.npz", folder / "reference.npz")
    dynamics.mkdir(parents=True)
    compute_spectra(write_trajectory(dynamics / "trajectory.h5"), *(dynamics / name for name in OUTPUTS),
                    SpectraSettings(fwhm_cm=20))  # fmt: skip
    (dynamics / "dynamics.json").write_text('{"n_replicas": 3}', encoding="utf-8")
    (folder / "results/ethanol/logs").mkdir()
    (folder / "results/ethanol/logs/train_member-0.log").write_text("training:  20 %\n", encoding="utf-8")
    rng, water = np.random.default_rng(0), two_molecules()[0]
    frames = [water.copy() for _ in range(N_STEPS)]
    for frame in frames:
        frame.positions += rng.normal(scale=0.02, size=(3, 3))
    write(folder / "frames.extxyz", frames, format="extxyz")
    for frame in frames[:4]:
        frame.info |= {"REF_energy": -2080.1, "REF_dipole": [0.0, 0.0, 0.39], "seed": "md1"}
        frame.info["REF_polarizability"] = [1.4, 0, 0, 0, 1.5, 0, 0, 0, 1.45]
        frame.arrays["REF_forces"] = rng.normal(size=(3, 3))
    write(folder / "labels.extxyz", frames[:4], format="extxyz")
    for name in ("run", "r1", "r2", "r3"):
        dipole = rng.normal(size=(N_STEPS, 3))
        np.savez(folder / f"{name}.npz", dipole=dipole, polarizability=rng.normal(size=(N_STEPS, 3, 3)))
    np.savetxt(folder / "dipoles.txt", rng.normal(size=(2 * N_STEPS, 3)), header="mu_x mu_y mu_z")
    return folder


@pytest.mark.parametrize("command", READY, ids=lambda command: command[14:70])
def test_documented_commands_run_as_they_stand(workplace, monkeypatch, command):
    monkeypatch.chdir(workplace)
    for kind in ("infrared", "raman"):  # drawing takes seconds
        monkeypatch.setattr(f"painn_spectra.spectra.figures.draw_{kind}", lambda *_, **__: None)
    words = shlex.split(command)[1:]
    before = set(workplace.rglob("*"))
    assert main(words) == 0
    told = words[words.index("--out") + 1] if "--out" in words else words[-1]
    if words[0] in ("analyze", "harmonic-reference", "predict"):
        assert (workplace / told).exists() and set(workplace.rglob("*")) >= before


@pytest.mark.parametrize("command", QUICK)
def test_quick_commands_run(command):
    assert any(told == command for _, told in COMMANDS)
    done = subprocess.run([sys.executable, *command.split()[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "expected" in done.stdout


def test_help_answers_at_once():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "from painn_spectra.cli import entry; entry()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "predict" in done.stdout
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 0.5  # seconds of the processor: the clock on the wall also counts what else runs


SETTINGS = [text for _, text in blocks(("yaml", "")) if text.startswith("molecules:")]


@pytest.mark.parametrize("text", SETTINGS, ids=lambda text: text.split()[3])
def test_settings_are_valid(text):
    load_config(yaml.safe_load(text))


DRY = sorted({words for _, words in COMMANDS if re.match("snakemake (-n|--cores 2)( --configfile|$)", words)})


@pytest.mark.workflow
@pytest.mark.parametrize("command", DRY)
def test_workflow_commands_find_their_jobs(command):
    done = subprocess.run(
        [sys.executable, "-m", *existing(command).split(), "--dry-run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if "no such file; docs/accuracy.md tells where to get it" in done.stdout + done.stderr:
        pytest.skip("the published data set that it names is not here")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_readme_leads_to_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert f"docs/{page.name}" in text, page.name
