# `make help` lists the targets. Each installs what it needs in .venv, from a package index; Python >= 3.11 is required.

PYTHON ?= python3
VENV ?= .venv
BITRATE ?= $(if $(filter audio,$(PRESET) $(INIT)),64k-128k,9k-24k)
OUT ?= runs/$(BITRATE)
RATES ?= 9k 12k 16k 20k 24k
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
NODE_MODULES := web/node_modules/.package-lock.json

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# $(call option,VARIABLE,name) gives the option --name if VARIABLE is set.
option = $(if $($(1)),--$(2) "$($(1))")

.PHONY: help train prune evaluate scale bench benchmark experiment demo samples screenshots test run-tests wheel-test check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

train: $(VENV)/.train ## train a codec: BITRATE=9k-24k (or one rate) MINUTES=60 DATA=folder INIT=weights SEED=0 OUT=runs/9k PRESET=audio
	$(BIN)/lpcnet-cq train --bitrate $(BITRATE) --out "$(OUT)" $(call option,PRESET,preset) $(call option,MINUTES,minutes) \
	  $(call option,DATA,data) $(call option,INIT,init) $(call option,SEED,seed)

prune: $(VENV)/.train ## make trained weights sparse and small: BITRATE=9k SPARSITY=0.8 METHOD=csp PATTERN=single MINUTES=5 DATA=folder
	$(BIN)/lpcnet-cq prune --bitrate $(BITRATE) --out "$(OUT)-sparse" $(call option,SPARSITY,sparsity) \
	  $(call option,METHOD,method) $(call option,PATTERN,pattern) $(call option,MINUTES,minutes) \
	  $(call option,DATA,data) $(call option,INIT,init) $(call option,SEED,seed)

evaluate: $(VENV)/.train ## measure the quality of a codec on held-out speakers: MODEL=weights BITRATE=9k DATA=folder
	$(BIN)/lpcnet-cq evaluate --bitrate $(firstword $(subst -, ,$(BITRATE))) --out "$(OUT)/evaluation" \
	  $(call option,MODEL,model) $(call option,DATA,data)

scale: $(VENV)/.train ## measure quality from 9 to 24 kbps: MODEL=weights DATA=folder; MINUTES=n INIT=weights also trains one model per rate: ENGINE=processes|ray|submitit JOBS=n
	$(BIN)/python experiments/scale.py --rates $(RATES) $(call option,MODEL,model) $(call option,DATA,data) \
	  $(call option,MINUTES,minutes) $(call option,INIT,init) $(call option,ENGINE,engine) $(call option,JOBS,jobs)

bench: $(VENV)/.train ## measure the speed of the codec, beside Opus and Lyra, and of dsp on this machine: MODEL=weights
	$(BIN)/lpcnet-cq bench $(call option,MODEL,model)
	$(BIN)/python experiments/bench_peers.py $(call option,MODEL,model)
	OMP_NUM_THREADS=1 $(BIN)/python experiments/bench_dsp.py

benchmark: export OMP_NUM_THREADS = 1
benchmark: $(VENV)/.judges ## compare quality with Opus, LACE, AMR-WB, LC3, Speex, Lyra on held-out speakers: DATA=folder MODEL=weights
	$(BIN)/python experiments/benchmark.py "$(DATA)" $(call option,MODEL,model)
	$(BIN)/python experiments/front_page.py
	$(BIN)/python experiments/benchmark.py "$(DATA)" $(call option,MODEL,model) --speed

experiment: $(VENV)/.train ## train and score a published system: NAME=cq-2020 (NAME=all: all systems) MINUTES=5 DATA=folder
	$(BIN)/python experiments/papers.py "$(NAME)" $(call option,MINUTES,minutes) $(call option,PLATFORM,platform) \
	    $(call option,DATA,data)

demo: $(VENV)/.train $(NODE_MODULES) ## build the page that codes speech in a browser, in web/dist/site: needs Node.js 20 or newer with npm
	$(PIP) -e '.[export]'
	npm --prefix web run site
	$(BIN)/lpcnet-cq export --onnx web/dist/site/graphs -f
	cp lpcnet_cq/released/cq3.safetensors web/dist/site/
	@echo "any server of static files shows it: $(PYTHON) -m http.server --bind 127.0.0.1 --directory web/dist/site"

samples: export OMP_NUM_THREADS = 1
samples: $(VENV)/.bench ## code samples for the listening test of this page, ours and other codecs: DATA=folder with licences in its index; SET=docs: those of docs/samples
	$(BIN)/python experiments/samples$(if $(filter docs,$(SET)),_page).py $(if $(DATA),"$(DATA)")

screenshots: ## take the screenshots of web/README.md, after `make demo samples`: CHROMIUM=program
	CQ_SITE="$(CURDIR)/web/dist/site" CHROMIUM="$(CHROMIUM)" npm --prefix web run screenshots

test: export OMP_NUM_THREADS = 1
test: export CHROMIUM := $(CHROMIUM)
test: $(VENV)/.dev ## check style and types, run doctests and tests
	@$(MAKE) --no-print-directory $(NODE_MODULES) \
	  || echo "npm could not install the packages of web/, its tests are skipped: they need Node.js 20 or newer" >&2
	@test -n "$(CHROMIUM)" || echo "Chromium is missing, the page is not tested: apt-get install chromium" >&2
	@$(MAKE) --no-print-directory -j 2 check run-tests

# Types are checked at the same time: both together take less time than one after the other.
run-tests: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

wheel-test: | $(BIN)/python ## install the wheel in empty environments and test it there: each Python found, lowest and newest dependencies
	$(PIP) uv
	$(BIN)/python experiments/wheel_test.py

check: $(VENV)/.dev ## check style and types
	$(BIN)/ruff check .
	$(BIN)/pyright

clean: ## remove the environment and caches, but keep trained models in runs/
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist web/dist web/node_modules
	find dsp lpcnet_cq tests experiments -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# npm writes this file last.
$(NODE_MODULES): web/package-lock.json
	npm --prefix web ci --ignore-scripts --no-audit --no-fund

# The environment is installed in layers. Each has a stamp file; a newer pyproject.toml installs the layer again.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "lpcnet-cq needs Python 3.11 or newer; name one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# PESQ and ViSQOL need a C compiler; without one, the evaluation runs and reports that they are missing.
$(VENV)/.train: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[train,eval]' || { $(PIP) -e '.[train]' 'pystoi>=0.4.1' 'rapidfuzz>=3.9' \
	  && echo "PESQ and ViSQOL are not installed; continuing without them" >&2; }
	@touch $@

# The libraries of the other codecs come from the system, LACE from npm; the table names the codecs that are missing.
$(VENV)/.bench: pyproject.toml $(VENV)/.train
	$(PIP) -e '.[bench]' || echo "some codecs are not installed; continuing without them" >&2
	@touch $@

# pyclarity (HASPI, HASQI) asks for PyTorch and much else that these two do not need.
$(VENV)/.judges: pyproject.toml $(VENV)/.bench
	$(PIP) -e '.[judges]' || echo "some judges are not installed; continuing without them" >&2
	$(PIP) --no-deps pyclarity==0.9.0 || echo "HASPI and HASQI are not installed; continuing without them" >&2
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.train
	$(PIP) -e '.[dev,cluster]' || { $(PIP) -e '.[dev]' \
	  && echo "some packages for clusters are not installed; their tests are skipped" >&2; }
	$(PIP) 'setuptools<66' pysptk || echo "pysptk, a reference for tests of dsp, is not installed; continuing without it" >&2
	@touch $@
