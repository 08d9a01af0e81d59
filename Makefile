# The house's verbs. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
BIN := .venv/bin
UV := $(BIN)/uv
ROOMS ?= glucose,training,calibration,aggregation,handover
RUNTIME ?= python3.13
COVERAGE ?= --cov --cov-report=term:skip-covered

help:  ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

.venv/demo: requirements.in constraints.txt layers/runtime/requirements.in layers/inference/requirements.in layers/pictures/requirements.in \
  layers/drift/requirements.in layers/drawing/requirements.in layers/learning/requirements.in
	@echo "setting up the environment of the local cloud (.venv)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(UV) || $(BIN)/python -m pip install --quiet -c constraints.txt uv
	@$(UV) pip install --quiet --python $(BIN)/python -r requirements.in -c constraints.txt
	@echo "$(CURDIR)/layers/shared" > $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/quintet.pth
	@touch $@

.venv/dev: .venv/demo requirements-dev.in
	@echo "setting up the environment of the tests and checks (.venv)"
	@$(UV) pip install --quiet --python $(BIN)/python -r requirements-dev.in -c constraints.txt
	@touch $@

.venv/bench: .venv/dev requirements-bench.in
	@$(UV) pip install --quiet --python $(BIN)/python -r requirements-bench.in -c constraints.txt
	@touch $@

setup: .venv/dev  ## make the environment for everything below

demo: .venv/demo  ## show the built rooms at work (ROOMS=glucose)
	@$(BIN)/python -m infra.local.demo --rooms "$(ROOMS)"

up: .venv/demo  ## start the collection on this machine (ROOMS=glucose)
	@$(BIN)/python -m infra.local up --rooms "$(ROOMS)"

down: .venv/demo  ## stop what `make up` started
	@$(BIN)/python -m infra.local down

logs: .venv/demo  ## follow the logs of everything
	@$(BIN)/python -m infra.local logs

# COVERAGE= runs without; pytest's `--no-cov` beside `--cov` would fail what is marked `no_cover`.
test: .venv/dev  ## run all suites that need no more than can be started here (PYTEST=tests/local)
	@$(BIN)/python -m pytest $(COVERAGE) $(PYTEST)

test-containers: .venv/dev  ## run every zip function in a Lambda container (PYTEST="-k handover")
	@$(BIN)/python -m pytest tests/containers --no-cov -p no:cacheprovider $(PYTEST)

check: .venv/dev  ## lint, types, imports, templates, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config pyproject.toml --no-cache
	@$(BIN)/python -m infra.settings_reference --check
	@$(BIN)/python -m infra.check_templates
	@$(BIN)/python -m infra.protos --check

TRAINING := .local/venvs/training
$(TRAINING)/made: gpu_workers/forecaster/requirements-train.txt requirements-dev.in constraints.txt
	@echo "setting up the environment that trains the forecaster (torch, once)"
	@$(PYTHON) -m venv --clear $(TRAINING)
	@$(TRAINING)/bin/python -m pip install --quiet torch==2.13.0
	@$(UV) pip install --quiet --python $(TRAINING)/bin/python -c constraints.txt \
	  -r requirements-dev.in -r gpu_workers/forecaster/requirements-train.txt
	@echo "$(CURDIR)/layers/shared" > $$($(TRAINING)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/quintet.pth
	@touch $@

# PEOPLE: real readings to learn from besides, a CSV with columns id, time, gl (mg/dL); see the model's card.
train: .venv/demo $(TRAINING)/made  ## simulate patients and train the forecaster anew (an hour; PEOPLE=readings.csv)
	@$(TRAINING)/bin/python -m gpu_workers.forecaster.simulate --processes 2
	@$(TRAINING)/bin/python -m gpu_workers.forecaster.train $(PEOPLE:%=--people %)

# The tests' tools see the trainer's libraries through a path file: torch is installed once.
TRAINER_TESTS := .local/venvs/trainer-tests
$(TRAINER_TESTS)/made: .venv/dev infra/local/locks/trainer.lock requirements-dev.in constraints.txt
	@$(BIN)/python -m infra.local.workers trainer > /dev/null
	@$(PYTHON) -m venv --clear $(TRAINER_TESTS)
	@$(UV) pip install --quiet --python $(TRAINER_TESTS)/bin/python -c constraints.txt -r requirements-dev.in
	@here=$$($(TRAINER_TESTS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	  .local/venvs/trainer/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$here/trainer.pth && \
	  echo "$(CURDIR)/layers/shared" > $$here/quintet.pth
	@touch $@

SELECTOR_TESTS := .local/venvs/selector-tests
$(SELECTOR_TESTS)/made: .venv/dev infra/local/locks/selector.lock requirements-dev.in constraints.txt
	@$(BIN)/python -m infra.local.workers selector > /dev/null
	@$(PYTHON) -m venv --clear $(SELECTOR_TESTS)
	@$(UV) pip install --quiet --python $(SELECTOR_TESTS)/bin/python -c constraints.txt -r requirements-dev.in
	@here=$$($(SELECTOR_TESTS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	  .local/venvs/selector/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $$here/selector.pth && \
	  echo "$(CURDIR)/layers/shared" > $$here/quintet.pth
	@touch $@

test-training: .venv/dev $(TRAINING)/made $(TRAINER_TESTS)/made $(SELECTOR_TESTS)/made  ## test what needs torch, each in an environment of its own
	@$(TRAINING)/bin/python -m pytest tests/glucose/test_forecaster_training.py
	@$(TRAINER_TESTS)/bin/python -m pytest tests/training/trainer/test_detector.py
	@$(SELECTOR_TESTS)/bin/python -m pytest tests/handover/models/test_sequence_models.py tests/handover/selector

bench: .venv/bench $(TRAINER_TESTS)/made $(SELECTOR_TESTS)/made  ## measure: INIT of every function, accuracy, rates and delays
	@PYTHONPATH=infra/local/plugins $(BIN)/python -m tests.bench.init_time
	@$(BIN)/python -m tests.bench.glucose_accuracy
	@$(BIN)/python -m tests.bench.glucose_latency
	@$(BIN)/python -m tests.bench.grpc_rate
	@$(BIN)/python -m tests.bench.glucose_load
	@$(BIN)/python -m tests.bench.relay_rate
	@$(BIN)/python -m tests.bench.calibration_numbers
	@$(BIN)/python -m tests.bench.streams_rate
	@$(BIN)/python -m tests.bench.calibration_scale rate
	@$(BIN)/python -m tests.bench.calibration_scale scale
	@$(BIN)/python -m tests.bench.calibration_scale scale --poison 10
	@$(BIN)/python -m tests.bench.secagg
	@$(BIN)/python -m tests.bench.aggregation
	@PYTHONPATH=infra/local/plugins $(BIN)/python -m tests.bench.handover_predict
	@$(BIN)/python -m tests.bench.handover_training
	@OMP_WAIT_POLICY=PASSIVE $(SELECTOR_TESTS)/bin/python -m tests.bench.handover_drives --plot .local/handover_drives.png
	@PYTHONPATH=infra/local/plugins $(BIN)/python -m tests.bench.inference
	@$(TRAINER_TESTS)/bin/python -m tests.bench.training_overhead
	@$(TRAINER_TESTS)/bin/python -m tests.bench.detection_parity

settings: .venv/dev  ## write infra/settings.md anew
	@$(BIN)/python -m infra.settings_reference

proto: .venv/dev  ## compile the .proto files
	@$(BIN)/python -m infra.protos

images:  ## build the workers' container images, where a Docker engine answers
	docker build --file gpu_workers/trainer/Dockerfile --tag quintet/trainer:latest .
	docker build --file gpu_workers/forecaster/Dockerfile --tag quintet/forecaster:latest .
	docker build --file gpu_workers/calibrator/Dockerfile --tag quintet/calibrator:latest .
	docker build --file gpu_workers/selector/Dockerfile --tag quintet/selector:latest .
# the daemon before it:  docker build --tag quintet/snetd --build-arg SHA256=… infra/snetd

forecaster: .venv/demo  ## serve the glucose room alone, on 8000 and 7003 (ONLY=rest, ONLY=grpc)
	@QUINTET_LOCAL=true QUINTET_ROOM=glucose $(BIN)/python gpu_workers/forecaster/main.py $(ONLY:%=--%-only)

lock: .venv/demo  ## choose versions anew: constraints.txt and the layers' requirements.txt
	$(UV) pip compile --quiet --python-version 3.11 --no-header --no-annotate requirements-bench.in -o constraints.txt
	@for layer in runtime inference vision pictures secagg drift; do $(UV) pip compile --quiet --python-version 3.11 --no-header --no-annotate \
	  layers/$$layer/requirements.in -c constraints.txt -o layers/$$layer/requirements.txt; done
	@for layer in drawing learning; do $(UV) pip compile --quiet --python-version 3.11 --no-header --no-annotate --no-emit-package numpy \
	  layers/$$layer/requirements.in -c constraints.txt -o layers/$$layer/requirements.txt; done
	@for worker in calibrator forecaster selector; do $(UV) pip compile --quiet --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate -c constraints.txt infra/local/locks/$$worker.in -o infra/local/locks/$$worker.lock; done

deploy: .venv/demo  ## deploy to AWS: TEMPLATE=template.yaml or infra/<room>.yaml
	@infra/deploy.sh "$(or $(TEMPLATE),template.yaml)" "$(RUNTIME)"

.PHONY: help setup forecaster train test-training demo up down logs test test-containers check bench settings proto images lock deploy
