# The whole contract: `make app`, `make test`, `make check`. The rest is convenience.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test check bench gallery gallery-check rebuild clean

app: .venv/app  ## open the application
	$(BIN)/streamlit run app.py

test: .venv/dev  ## every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/dev  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy core pages
	$(BIN)/python -m pytest -q -n 0 tests/test_layers.py

bench: .venv/dev  ## speed, in turns, medians
	$(BIN)/python -m bench

gallery: .venv/dev  ## run what is missing of the gallery's studies, and write its files (hours; resumable)
	$(BIN)/python -m tools.gallery

gallery-check: .venv/dev  ## make some cells of the gallery from scratch and compare; real ones where MIRROR is given
	$(BIN)/python -m tools.gallery_check --cells 5 $(if $(MIRROR),--mirror $(MIRROR))

rebuild: .venv/app  ## make the database again from the run folders and the committed results
	$(BIN)/python -m core rebuild

clean:  ## forget the environment; runs and results stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/app: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@touch $@

.venv/dev: requirements.txt requirements-dev.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch .venv/app $@
