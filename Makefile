# Each target makes .venv and installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
# A process on each core, each with one thread.
PARALLEL := -n auto --maxprocesses 8 --dist worksteal
# Compiled once, where some environments have every process compile all modules and tests again.
unexport PYTHONDONTWRITEBYTECODE
PLUGINS := $(wildcard plugins/imtrans-*)
# Only these are looked through for such tests: collecting all takes ten seconds.
THOROUGH := $(shell grep -rl thorough --include='test_*.py' tests plugins)

.PHONY: demo test thorough soak gpu gpu-bundle docs lint dist clean

demo: .venv/installed  ## train on drawn pairs and translate new plans, in minutes
	$(BIN)/imtrans quickstart demo

test: .venv/installed  ## everything that runs without a GPU
	$(BIN)/python -m pytest $(PARALLEL)

thorough: .venv/installed  ## what shows more of the same, and takes longer
	$(BIN)/python -m pytest $(PARALLEL) -m "thorough and not gpu and not soak" $(THOROUGH)

soak: .venv/installed build/metrics  ## kill 300 trainings and compare how they end; all that takes longer
	nice $(BIN)/python tests/soak.py --kills 300
	nice $(BIN)/python -m pytest $(PARALLEL) --hypothesis-profile soak -m "(hypothesis or thorough or soak) and not gpu"

# For fid, kid and lpips, apart from the rest: tests/given/with_torchvision.py says why.
build/metrics: constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-compile --upgrade \
		-c constraints.txt --target $@ \
		torchvision torch-fidelity lpips scipy tqdm pytorch-msssim
	touch $@

gpu: .venv/installed  ## measure everything on a GPU: gpu-results/gpu.md; ARGS=--smoke tries it on a CPU
	$(BIN)/python tests/gpu $(ARGS)

gpu-bundle: .venv/installed  ## what `make gpu` needs on a bare machine, in one folder
	$(BIN)/python tests/gpu/bundle.py $(ARGS)

docs: .venv/installed  ## the site, in build/site; a link that leads nowhere fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open build/site/index.html"

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

dist: .venv/installed  ## wheel and sdist of imtrans and of every plugin, built and checked: dist/
	.ci/dist

clean:
	rm -rf .venv demo dist

# Entry points are read from installed metadata: a changed pyproject.toml installs again.
.venv/installed: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e ".[dev]" $(PLUGINS:%=-e %)
	touch $@
