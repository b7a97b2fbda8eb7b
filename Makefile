# make demo        draws images, pretrains, fine-tunes, evaluates and plots; no download
# make test        checks format and lint, runs all tests except those of the largest networks
# make test-nets   runs the tests of all networks (half an hour on two cores, 12 GB of memory)
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/installed
NETS_TESTS := $(wildcard tests/test_*net*.py tests/test_inception*.py tests/test_keras*.py) \
	$(addprefix tests/test_, features.py inverted_residual.py model_stats.py nas_cells.py)

.PHONY: demo test test-nets format clean

demo: $(INSTALLED)
	$(VENV)/bin/python demo.py

test: $(INSTALLED)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/python -m pytest -n 2 --dist loadscope

test-nets: $(INSTALLED)
	$(VENV)/bin/python -m pytest -n 2 --dist loadscope -m "large or not large" $(NETS_TESTS)

format: $(INSTALLED)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "$(PYTHON): expected Python 3.10 to 3.13; give one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.txt
	touch $@

clean:
	rm -rf $(VENV) demo
