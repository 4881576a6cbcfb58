# The one entry: every target sets up what it needs in .venv/ by itself. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
ROOMS  := protocol client daemon bench training examples tests
PACKAGES := $(foreach room,protocol client daemon bench training,-p depthwire.$(room))
ROS_PACKAGES := ros-core python3-rospy python3-rosbag python3-sensor-msgs python3-diagnostic-msgs python3-image-geometry
# The built-in model's weights, named beside depthwire so that an unpacked sdist too asks no index for them.
STARTER := ./daemon/models/starter
IMAGE  ?=
OUT    ?= demo-out
ARGS   ?=
SECONDS_EACH ?= 60
PICTURES ?= 20000
MINUTES ?= 240
LOWEST_PYTHON ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.10.*/bin/python) python3.10)
RUN    ?= training-out

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-full test-lowest test-ros soak fuzz check bench bench-gpu train dist setup clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.daemon  ## start a daemon, send it a picture, write depth, cloud and a side-by-side into demo-out/ (IMAGE=photo.jpg takes yours)
	$(BIN)/python -m depthwire.client.demo --out $(OUT) $(if $(IMAGE),--image "$(IMAGE)") $(ARGS)

serve: $(VENV)/.daemon  ## run the daemon in the foreground (ARGS="--bind … --model …")
	$(BIN)/depthwired $(ARGS)

test: $(VENV)/.dev  ## run the tests (ARGS="-k …" for some)
	$(BIN)/python -m pytest $(ARGS)

test-full: $(VENV)/.dev  ## all tests: also those that repeat at more sizes what others show (a nightly run's; soak runs it first)
	$(BIN)/python -m pytest --full $(ARGS)

test-lowest: build/lowest/.installed  ## the quick tests of protocol, client and daemon with the lowest releases allowed, on Python 3.10 (LOWEST_PYTHON=…)
	build/lowest/bin/python -m pytest -p no:cacheprovider tests/test_lowest.py tests/protocol tests/client tests/daemon $(ARGS)

test-ros: $(VENV)/.dev  ## install Debian's ROS 1 with apt, as root, and run the ROS tests with it
	apt-get update --quiet
	apt-get install --yes --quiet --no-install-recommends $(ROS_PACKAGES)
	DEPTHWIRE_NEED_ROS=1 $(BIN)/python -m pytest tests/client/ros $(ARGS)

soak: $(VENV)/.dev  ## the reliability campaigns at full counts, which takes hours (ARGS="-k …" for some; figures into build/figures.jsonl)
	@mkdir -p build
	$(if $(ARGS),,$(BIN)/python -m pytest --full --ignore tests/reliability)
	$(BIN)/python -m pytest tests/reliability --soak --figures build/figures.jsonl --timeout 7200 $(ARGS)

fuzz: $(VENV)/.fuzz  ## search with atheris for requests and pictures that break their parsers (SECONDS_EACH=60)
	$(BIN)/python -m tests.fuzz.fuzz_request -max_total_time=$(SECONDS_EACH) -print_final_stats=1 $(ARGS)
	$(BIN)/python -m tests.fuzz.fuzz_image -max_total_time=$(SECONDS_EACH) -print_final_stats=1 $(ARGS)

check: $(VENV)/.dev build/mypy/depthwire  ## lint, type-check, and hold who may import whom
	$(BIN)/ruff check $(ROOMS)
	$(BIN)/ruff format --check $(ROOMS)
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports --no-logo --no-cache

bench: $(VENV)/.bench  ## measure this machine in ten minutes, more where the network is slow: tables, pictures and which targets are met, into bench-out/ (ARGS="--pace 0.2" for a look)
	$(BIN)/depthwire-bench standard $(foreach image,$(IMAGE),--image "$(image)") $(ARGS)

bench-gpu: $(VENV)/.bench  ## the CUDA table in one command: engine by batch, precision and model, accuracy, load
	$(BIN)/depthwire-bench gpu $(foreach image,$(IMAGE),--image "$(image)") $(ARGS)

train: $(VENV)/.train  ## render scenes and train the starter model on them for MINUTES=240, into training-out/; goes on where it was stopped
	$(BIN)/depthwire-train render --out $(RUN)/data --pictures $(PICTURES) --seed 1
	$(BIN)/depthwire-train render --out $(RUN)/held-out --held-out
	$(BIN)/depthwire-train run --data $(RUN)/data --held-out $(RUN)/held-out --out $(RUN)/run --minutes $(MINUTES) $(ARGS)
	$(BIN)/depthwire-train evaluate $(RUN)/run/best.safetensors --held-out $(RUN)/held-out --out $(RUN)/evaluation

dist: $(VENV)/.dev  ## make sdists and wheels of depthwire and of its weights, depthwire-starter, into dist/, and check them
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m build --outdir dist $(STARTER)
	$(BIN)/twine check --strict dist/*

setup: $(VENV)/.dev  ## install everything into .venv/ for working on depthwire

clean:  ## remove what the targets made
	rm -rf $(VENV) build dist $(STARTER)/build $(STARTER)/*.egg-info demo-out bench-out training-out *.egg-info .pytest_cache .mypy_cache .ruff_cache

# Nothing is left behind where it fails, or the next `make` would take it for done.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; sys.exit(0 if sys.version_info >= (3, 10) else "depthwire needs Python 3.10 or newer, and $(PYTHON) is " + v + ": say which, as in `make PYTHON=python3.12 $(or $(MAKECMDGOALS),demo)`")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'make: $(PYTHON) -m venv failed, see above (Debian and Ubuntu: apt install python3-venv)' >&2; exit 1; }

$(VENV)/.daemon: pyproject.toml setup.py constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt $(STARTER) --editable '.[daemon,pictures]'
	@touch $@

$(VENV)/.dev: $(VENV)/.daemon
	$(PIP) install --quiet --constraint constraints.txt --editable '.[daemon,pictures,test,check]'
	$(PIP) install --quiet --no-deps jkp-depth-anything-v2==0.1.1
	$(PIP) install --quiet --no-deps --ignore-requires-python depth-anything-3==0.1.1
	@touch $@

# Not the extra `test`: what the tests alone need (viewers, other frameworks) has bounds of its own, and they do without.
build/lowest/.installed: pyproject.toml tests/lowest.txt
	$(LOWEST_PYTHON) -m venv build/lowest
	build/lowest/bin/python -m pip --disable-pip-version-check install --quiet --constraint tests/lowest.txt --editable '.[daemon,pictures,ros,camera]' 'pytest>=8' 'pytest-timeout>=2.3' 'hypothesis>=6.100'
	@touch $@

$(VENV)/.fuzz: $(VENV)/.dev
	$(PIP) install --quiet --constraint constraints.txt --editable '.[daemon,pictures,test,check,fuzz]'
	@touch $@

$(VENV)/.train: $(VENV)/.daemon
	$(PIP) install --quiet --constraint constraints.txt --editable '.[daemon,pictures,training]'
	@touch $@

# The peers are optional: where one cannot be installed the others are measured, and the run says so.
$(VENV)/.bench: $(VENV)/.daemon
	$(PIP) install --quiet --constraint constraints.txt --editable '.[daemon,pictures,bench]'
	-$(PIP) install --quiet --constraint constraints.txt --editable '.[daemon,pictures,bench,peers]'
	@touch $@

# mypy finds a namespace package only in a folder of that name, which the repository's root need not have.
build/mypy/depthwire:
	@mkdir -p build/mypy && ln -sfn ../.. $@
