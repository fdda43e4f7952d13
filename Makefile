# Everything stays in this checkout: the virtual environment in .venv, the demo's output in demo/.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= demo

.PHONY: help install demo test check format clean

help:
	@echo "make demo    curates the sample crawl and trains a small model on it, in $(DEMO)/"
	@echo "make test    every test"
	@echo "make check   style, types and the quick tests"
	@echo "make format  lays the code out"
	@echo "make clean   removes the environment and the demo"

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: install
	rm -rf $(DEMO)
	$(BIN)/python -m pipelines.curate --input 'tests/sample_crawl/*.warc.gz' --output $(DEMO)/corpus \
	    --vocab-size 2048 --validation-share 0.1
	$(BIN)/python -m trainers.pretrain --corpus $(DEMO)/corpus --output $(DEMO)/run --size 1m --sequence-length 256 --steps 60
	$(BIN)/python -m trainers.trace --run $(DEMO)/run --step 60

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m 'not slow' -n auto --dist loadfile

format: install
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(DEMO)
