# hilbert_codegen: everything a person or CI runs. Needs python3 (3.10 or later) with venv, and make; no compiler.
VENV ?= build/venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/ready
FRAMEWORKS ?= build/frameworks
# What Python has compiled is kept, for the hundreds of processes that tests start.
export PYTHONDONTWRITEBYTECODE =

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

EXTRAS := tflite micro onnx plot mean boards docs test dev

$(READY): pyproject.toml requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements-dev.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

setup: $(READY) ## create build/venv with all that the other targets need

run: $(READY) ## the whole way on the example: model -> proved C -> error, sizes, picture, boards
	$(BIN)/python examples/line_sensor/run.py

# Two tests at a time; who has none left takes from the other, since some take a minute.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal -q

check: lint ## lint, types, unit tests but the slow ones: before each commit
	$(PYTEST) -m "unit and not slow"

coverage: $(READY) ## the unit tests of make check, and what of the code they run
	$(PYTEST) -m "unit and not slow" --cov --cov-report=term

test: $(READY) ## lint, types, all tests; those of make check with their coverage
	$(MAKE) --jobs=2 --output-sync=target lint coverage
	$(PYTEST) -m "not unit or slow"

$(FRAMEWORKS)/ready: requirements-frameworks.txt
	$(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/bin/pip install --quiet --requirement requirements-frameworks.txt
	$(FRAMEWORKS)/bin/pip install --quiet --no-deps --editable .
	touch $@

# The longest first, so that the two processes end together.
FRAMEWORK_TESTS := tests/documentation/test_from_keras.py tests/unit/training/test_loss_learns.py \
  tests/unit/training/test_frameworks.py tests/unit/models/test_exporters.py tests/unit/models/test_inference.py

test-frameworks: $(FRAMEWORKS)/ready ## the tests that need PyTorch and TensorFlow, in an environment of their own
	$(FRAMEWORKS)/bin/python -m pytest -n 2 -q $(FRAMEWORK_TESTS)

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

firmware-test: $(READY) ## every core and strategy on emulated boards (Renode and QEMU, what is there)
	$(BIN)/python -m pytest -n 2 -q firmware_tests

robot: $(READY) ## Robot Framework tests of the boards, by renode-test
	rm -rf build/firmware
	$(BIN)/hilbert-codegen run renode/boards.toml --emulator renode --keep build/firmware --board all
	renode-test renode/boards.robot renode/counting.robot -r build/robot --variable FIRMWARE:$(CURDIR)/build/firmware

vector-units: $(READY) ## what the Helium and HVX variants execute a point (docs/vector_units.md)
	$(BIN)/python -m benchmarks.vector_units

side-by-side: $(READY) ## all strategies and what people write first, on every core: benchmarks/results
	$(BIN)/python benchmarks/side_by_side.py

field: $(READY) ## other orders, blocks, compilers and a slow flash: benchmarks/results/field.md
	$(BIN)/python benchmarks/field.py --rows 64

board-speed: $(READY) ## seconds that boards take with each emulator that is here: benchmarks/results/board_speed.md
	$(BIN)/python benchmarks/board_speed.py -o benchmarks/results/board_speed.md

host-speed: $(READY) ## seconds to generate with proof, and to decode 10 million pairs in NumPy
	$(BIN)/python benchmarks/host_speed.py

costs: $(READY) ## measure what strategy = "auto" chooses by: hilbert_codegen/emit/costs.json
	$(BIN)/python benchmarks/costs.py

matrix: $(READY) ## every compiler, level, standard and machine at hand, on every strategy (half an hour)
	$(BIN)/python -m tests.compilers.matrix.run

fuzz: $(READY) ## random configurations on emulated boards, for SECONDS (600), from SEED (0)
	$(BIN)/python -m firmware_tests.fuzz --seconds $(or $(SECONDS),600) --seed $(or $(SEED),0)

docs: $(READY) ## the documentation site in build/site
	$(BIN)/python -m hilbert_codegen.config.reference_page > docs/configuration.md
	$(BIN)/python -m tests.rooms
	$(BIN)/python -m mkdocs build --strict --site-dir build/site

goldens: $(READY) ## write tests/golden/* again
	for config in tests/golden/*.toml; do \
	  $(BIN)/hilbert-codegen generate $$config -o $${config%.toml} -q || exit 1; done

lock: ## write requirements-dev.txt again from pyproject.toml, for all Python versions (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.10 --no-header --no-annotate \
	  $(addprefix --extra ,$(EXTRAS)) --output-file requirements-dev.txt

wheel: $(READY) ## build the wheel into build/dist
	$(BIN)/python -m build --wheel --outdir build/dist .

clean: ## remove build/
	rm -rf build

.PHONY: check coverage test-frameworks lock matrix fuzz docs help setup run test lint firmware-test robot side-by-side field board-speed host-speed costs goldens wheel clean
