# make spectra: install what is missing, run the workflow, tell what came out.  make test, make lint.
# make validate: the table of docs/validation.md.  make validate-harmonic_limit: one check of it, and so on;
# make validate-variance_reduction ARGS=path/to/trajectory.h5 takes another run than ethanol's in results/.
# make kill-series, soak, fuzz: kill -9 at random moments; an hour in a loop; hostile files (docs/reliability.md).
# make slurm: the water workflow through a Slurm of one node, as root.  make errors-page: docs/errors.md anew.
# make audit: known vulnerabilities of the pinned packages, where the network allows.
# make peer-speed: beside SchNetPack, in an environment of its own (5 GB); docs/performance.md.
# make orientation: beside MACE and TorchANI, the same way.
# make parity: SchNetPack's answers to our weights, which tests/test_parity.py compares with; same environment.
# make ipi-comparison MODEL=results/ethanol/model/0/model.pt: TRPMD beside i-PI's, in an environment of its own.
# TORCH=cuda takes the default PyTorch of PyPI instead of the CPU build.  CORES=8 uses more cores.
.DEFAULT_GOAL := spectra

CORES ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
TORCH ?= cpu
CPU_TORCH := https://download.pytorch.org/whl/cpu
BIN := .venv/bin
STAMP := .venv/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: spectra test lint mutations validate direct-dynamics peer-speed orientation parity ipi-comparison kill-series soak fuzz slurm errors-page audit clean

spectra: $(STAMP)
	$(BIN)/snakemake --cores $(CORES)
	$(BIN)/painn-spectra summary results/

test: $(STAMP) # a file of tests stays on one core; long ones first (tests/conftest.py)
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

validate: $(STAMP)
	$(BIN)/python -m benchmarks.validation

validate-%: $(STAMP)
	$(BIN)/python -m benchmarks.validation.$* $(ARGS)

BATCHES ?= 25
direct-dynamics: $(STAMP) # hours; goes on where it stopped
	$(BIN)/python -m benchmarks.validation.direct_dynamics reference --batches $(BATCHES)
	$(BIN)/python -m benchmarks.validation.direct_dynamics model --member 0 --batches 7
	$(BIN)/python -m benchmarks.validation.direct_dynamics model --member 1 --batches 7

PEER := .peers/schnetpack
peer-speed: $(STAMP) $(PEER)/.installed
	$(BIN)/python -m benchmarks.peer_speed

parity: $(STAMP) $(PEER)/.installed
	$(BIN)/python -m benchmarks.parity

$(PEER)/.installed:
	python3 -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet schnetpack==2.1.1 torch==2.4.1
	@touch $@

ORIENTATION := .peers/orientation
orientation: $(STAMP) $(ORIENTATION)/.installed
	$(BIN)/python -m benchmarks.orientation

$(ORIENTATION)/.installed:
	python3 -m venv $(ORIENTATION)
	$(ORIENTATION)/bin/python -m pip install --quiet torch==2.4.1 mace-torch==0.3.16 torchani==2.9.0
	@touch $@

IPI := .peers/ipi
MODEL ?= results/ethanol/model/0/model.pt
ipi-comparison: $(STAMP) $(IPI)/.installed # hours; goes on where it stopped
	$(BIN)/python -m benchmarks.ipi_comparison --model $(MODEL) $(ARGS)

$(IPI)/.installed:
	python3 -m venv $(IPI)
	$(IPI)/bin/python -m pip install --quiet ipi==3.3.1
	@touch $@

KILLS ?= 20
kill-series: $(STAMP)
	$(BIN)/python -m benchmarks.kill_series --kills $(KILLS)

MINUTES ?= 60
soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

FUZZ_SECONDS ?= 600
FUZZ_READERS ?= config extxyz jcamp csv trajectory model npz
fuzz: $(STAMP) # FUZZ_SECONDS for each reader; ends at the first finding
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,fuzz]'
	set -e; for reader in $(FUZZ_READERS); do \
	    PYTHONPATH=. $(BIN)/python tests/fuzz.py $$reader --seconds $(FUZZ_SECONDS); done

slurm: $(STAMP) # needs apt-get install slurm-wlm munge
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,slurm]'
	$(BIN)/pytest -m slurm tests/test_slurm.py

errors-page: $(STAMP)
	PYTHONPATH=. $(BIN)/python tests/error_cases.py

audit: $(STAMP) # one package first: without an answer for it there is none for the others
	@set -e; $(BIN)/python -m pip install --quiet pip-audit; \
	one=$$(mktemp); grep '^numpy==' constraints.txt > $$one; \
	audit="$(BIN)/pip-audit --no-deps --disable-pip --progress-spinner off --requirement"; \
	told=$$($$audit $$one 2>&1 || true); rm $$one; \
	case "$$told" in \
	    *"not be audited"*|*Error*|*error*) \
	        echo "audit: skipped, nobody here tells known vulnerabilities" ;; \
	    *) $$audit constraints.txt ;; \
	esac

mutations: $(STAMP) # does the test of each pitfall fail for the wrong code? some minutes
	$(BIN)/python tests/mutations.py

clean: # results only; the labels in config/ stay
	find results -mindepth 1 ! -name README.md -delete

$(BIN)/python:
	@set -e; for python in python3.13 python3.12 python3.11 python3; do \
	    command -v $$python > /dev/null || continue; \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || continue; \
	    if ! $$python -c 'import ensurepip, venv' 2> /dev/null; then \
	        version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	        echo "make: $$python cannot make virtual environments;" \
	             "on Debian or Ubuntu: sudo apt install python$$version-venv" >&2; exit 1; \
	    fi; \
	    exec $$python -m venv .venv; \
	done; \
	echo "make: no Python 3.11 or newer found; on Debian or Ubuntu: sudo apt install python3 python3-venv" >&2; \
	exit 1

# On Linux PyPI's torch brings gigabytes of CUDA: prefer PyTorch's own index of CPU builds where it answers.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@set -e; index=; \
	if [ "$(TORCH)" = cpu ] && [ "$$(uname -s)" = Linux ] && $(BIN)/python -c \
	    'import urllib.request as u; u.urlopen("$(CPU_TORCH)/torch/", timeout=5)' 2> /dev/null; then \
	    index="--extra-index-url $(CPU_TORCH)"; \
	fi; \
	set -x; \
	$(BIN)/python -m pip install --quiet $$index -c constraints.txt torch; \
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@
