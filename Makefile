# make demo   draws photos, fine-tunes, evaluates and plots: the whole path in a few minutes, no download
# make test   checks the code's form and runs every test
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/installed

.PHONY: demo test format clean

demo: $(INSTALLED)
	$(VENV)/bin/python demo.py

test: $(INSTALLED)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/python -m pytest -n 2 --dist loadscope

format: $(INSTALLED)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "$(PYTHON) is no Python 3.10 to 3.13; name one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.txt
	touch $@

clean:
	rm -rf $(VENV) demo
