"""The package's arrows: who may import whom, followed through the package's own modules."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "painn_spectra"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
STAGES = (
    "dataset",
    "sampling",
    "train",
    "evaluate",
    "md",
    "spectra",
    "report",
    "summary",
    "status",
    "predictions",
    "published",
    "calibration",
    "outliers",
    "loss_curves",
    "snapshot",
    "trained_range",
    "ipi",
    "exporting",
    "model",
    "reference",
)


@cache
def direct_imports(module: str) -> frozenset[str]:
    """Names that `module` imports anywhere, functions included; a package's own modules in full."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def all_imports(module: str) -> set[str]:
    """Names that importing `module` can reach, through the package's modules."""
    seen, waiting = {module}, [module]
    while waiting:
        for name in direct_imports(waiting.pop()):
            own = name if name in MODULES else name.rpartition(".")[0]
            name = own if own in MODULES else name
            if name not in seen:
                seen.add(name)
                waiting += [name] if name in MODULES else []
    return seen


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("reference", ["torch"]),
        ("spectra", ["torch", "ase"]),
        ("model", ["ase"]),
        ("sampling.conformers", ["torch"]),
        ("sampling.first_set", ["torch"]),
        ("sampling.trajectories", ["torch", "rdkit"]),  # many workers: small ones
    ],
)
def test_parts_stay_apart(part, forbidden):
    for module in (name for name in MODULES if name.startswith(f"painn_spectra.{part}")):
        roots = {name.partition(".")[0] for name in all_imports(module)}
        assert not roots & set(forbidden), f"{module} reaches {roots & set(forbidden)}"


@pytest.mark.parametrize("stage", STAGES)
def test_stages_know_nothing_of_the_command_line(stage):
    for module in (name for name in MODULES if name.startswith(f"painn_spectra.{stage}")):
        assert "painn_spectra.cli" not in all_imports(module), module


def test_only_units_holds_constants():
    for module in MODULES:
        uses = any(name.startswith("scipy.constants") for name in direct_imports(module))
        assert not uses or module == "painn_spectra.units", f"{module}: take constants from units.py"


def test_a_snakefile_is_read_without_torch_and_ase():
    rules = "from painn_spectra import plan, plan_checks, sources"
    code = f"import sys; {rules}; print({{'torch', 'ase'}} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from painn_spectra.cli import parser; parser().format_help(); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "ase", "numpy", "pydantic"} & set(loaded)
