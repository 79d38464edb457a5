# The front door: `make demo` shows what convprof does, `make test` proves it. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
DEMO := demo_run
# Where benchmarks find models and data: make bench MODELS=DIR DATA=DIR
MODELS ?= models
DATA ?= data

.PHONY: help demo test lint bench clean

help:
	@echo "make demo    run the main job on a trained sample model and name the report it wrote"
	@echo "make test    ruff, mypy --strict, import-linter and pytest"
	@echo "make lint    the same without pytest"
	@echo "make bench   the claims in docs/benchmarks, measured again (see benchmarks/README.md)"
	@echo "make clean   remove the virtual environment and everything that was built"

$(VENV)/python.stamp:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "convprof needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/core.stamp: $(VENV)/python.stamp pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/test.stamp: $(VENV)/python.stamp pyproject.toml constraints.txt
	$(PIP) --editable '.[test,tune]'
	touch $@

$(VENV)/bench.stamp: $(VENV)/test.stamp
	$(PIP) --editable '.[test,tune,docs]'
	touch $@

demo: $(VENV)/core.stamp
	$(BIN)/convprof optimize sample_models/digits_vgg.onnx \
	    --calibration sample_models/digits_calib.npz \
	    --eval sample_models/digits_test.npz --labels y --preprocess unit \
	    --output $(DEMO)
	@echo "The report: $(CURDIR)/$(DEMO)/report.html"

lint: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

bench: $(VENV)/bench.stamp
	$(BIN)/python benchmarks/counts.py --models $(MODELS)
	$(BIN)/python benchmarks/analyze_large.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/fit.py --models $(MODELS) --data $(DATA)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/plan.py --models $(MODELS) --data $(DATA)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/depth.py --data $(DATA)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/coverage.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench.py --models $(MODELS)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/pages.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/module.py --models $(MODELS) --data $(DATA)
	$(BIN)/python benchmarks/tune.py --models $(MODELS) --data $(DATA)
	$(BIN)/python benchmarks/startup.py

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
