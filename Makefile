# Everything builds .venv by itself, again when pyproject.toml or constraints.txt changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# torch-xla needs an older torch: an environment of its own, which holds what its constraints list and nothing of this
# checkout, so that CI can keep it elsewhere (XLA_VENV=...)
XLA_VENV ?= .venv-xla
XLA_READY := $(XLA_VENV)/ready-$(shell sha256sum < constraints-tpu-xla.txt | cut -c1-16)
STUDY ?= quickstart
RESULTS ?= results/$(STUDY)
NOTEBOOKS := $(wildcard analysis/notebooks/*.py)
# the paper's experiments; `make miniatures` runs each in the small
PAPER := vit_paper data_requirements transformer_shape position_embeddings head_type sgd_vs_adam self_supervision axial

.PHONY: help study miniatures notebooks test test-slow test-faults test-xla xla lint format benchmark docs clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

study: $(VENV)/ready  ## run STUDY (default quickstart), or what of it is missing
	$(BIN)/python scaling/run_study.py $(STUDY)

miniatures: $(VENV)/ready  ## the paper's experiments in the small, on built-in data
	for study in $(PAPER); do $(BIN)/python scaling/run_study.py $$study --miniature || exit; done

notebooks: $(VENV)/notebooks  ## run all notebooks on the rows of STUDY; HTML and ipynb with outputs into its directory
	@test -d $(RESULTS) || { echo "error: no rows in $(RESULTS): run make study STUDY=$(STUDY) first" >&2; exit 2; }
	@mkdir -p $(RESULTS)/notebooks
	@for file in $(NOTEBOOKS); do for kind in "html" "ipynb --include-outputs"; do \
		echo "$$file: $$kind"; \
		$(BIN)/marimo -q -y export $$kind $$file -f -o $(RESULTS)/notebooks/$$(basename $$file .py).$${kind%% *} \
			-- --storage $(RESULTS) || exit; \
	done; done

test: $(VENV)/ready  ## the tests, but for the slow ones, by two processes: one mostly waits for Ray
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/ready  ## the slow tests: kills, jobs, the whole quickstart
	$(BIN)/python -m pytest -m slow

test-faults: $(VENV)/ready  ## the fault campaign: crashes, kills, damaged files, lost drivers; its counts at the end
	$(BIN)/python -m pytest tests/faults -n 2 --dist load -m faults

test-xla: xla  ## training by torch-xla, on XLA's CPU devices (its environment takes 9 GB)
	PJRT_DEVICE=CPU PYTHONPATH=. $(XLA_VENV)/bin/python -m pytest tests/xla

# two at once: the second waits for the first; one that was cut off, or whose Python is gone, is begun anew
xla:
	@mkdir -p $(dir $(XLA_VENV))
	@test -e $(XLA_VENV)/bin/python || rm -f $(XLA_READY)
	@flock $(XLA_VENV).lock $(MAKE) --no-print-directory $(XLA_READY)

lint: $(VENV)/ready  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready  ## put the code into ruff's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(VENV)/ready  ## training steps against timm's (or plain ones where timm is not installed), images against Pillow
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/input_pipeline.py

docs: $(VENV)/docs  ## the pages that are written by code, and the manual as a site in site/; a broken link ends it
	$(BIN)/python -m analysis zoo > docs/zoo.md
	$(BIN)/python docs/generate.py
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html -d .sphinx docs site
	@echo "site/index.html"

clean:  ## remove the environment and caches; results stay
	rm -rf $(VENV) .venv-xla .venv-xla.lock site .sphinx .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev,jpeg]"
	touch $@

$(VENV)/notebooks: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[notebooks]"
	touch $@

$(VENV)/docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	touch $@

$(XLA_READY):
	rm -rf $(XLA_VENV)
	$(PYTHON) -m venv $(XLA_VENV)
	$(XLA_VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps \
		--requirement constraints-tpu-xla.txt
	touch $@
