# The one entry: every target sets up what it needs in .venv/ by itself. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
ROOMS  := protocol client daemon bench training examples tests
PACKAGES := $(foreach room,protocol client daemon bench training,-p depthwire.$(room))
ROS_PACKAGES := ros-core python3-rospy python3-rosbag python3-sensor-msgs python3-diagnostic-msgs python3-image-geometry
IMAGE  ?=
OUT    ?= demo-out
ARGS   ?=
SECONDS_EACH ?= 60
PICTURES ?= 20000
MINUTES ?= 240
RUN    ?= training-out

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-full test-ros soak fuzz check bench bench-gpu train setup clean

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

setup: $(VENV)/.dev  ## install everything into .venv/ for working on depthwire

clean:  ## remove what the targets made
	rm -rf $(VENV) build demo-out bench-out training-out *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.daemon: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[daemon,pictures]'
	@touch $@

$(VENV)/.dev: $(VENV)/.daemon
	$(PIP) install --quiet --constraint constraints.txt --editable '.[daemon,pictures,test,check]'
	$(PIP) install --quiet --no-deps jkp-depth-anything-v2==0.1.1
	$(PIP) install --quiet --no-deps --ignore-requires-python depth-anything-3==0.1.1
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
