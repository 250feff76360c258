# Needs python3, make and pip; everything else goes into .venv.
PYTHON ?= python3
MPI ?= mpich
VENV ?= .venv
PREFIX ?= $(HOME)/.local
BIN = $(VENV)/bin
N ?= 3
JOBS ?= auto

# With it, each of the thousands of processes that tests start would compile all of dwork.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-unit coverage lint layout docs man install-man proto bench clean

# Runs examples/tasks.txt on three ranks: a hub and two workers. Open MPI refuses root unless told twice.
run: $(VENV)/ready
	rm -rf results
	OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_MCA_rmaps_default_mapping_policy=:OVERSUBSCRIBE \
	PATH="$(CURDIR)/$(BIN):$$PATH" mpirun -n $(N) python -m dwork.pool --fresh --bind 127.0.0.1 examples/tasks.txt
	cat results/report.txt

# Only what is pure: seconds, and nothing but Python is needed.
test-unit: $(VENV)/ready
	$(BIN)/python -m pytest -q tests/unit

# Prints for each folder of dwork/ how much of it the tests run that need no other process; HTML=1 writes htmlcov/, too.
coverage: $(VENV)/ready
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal tests/unit tests/simulation $(PYTEST) --cov --cov-report=json:.coverage.json $(if $(HTML),--cov-report=html)
	$(BIN)/python -m tests.coverage_by_folder .coverage.json

# PYTEST='-m "not slurm"' leaves out what needs Slurm; JOBS=0 runs one test after the other, auto two for each
# core at a time.
test: $(VENV)/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Writes the table of layers in CONTRIBUTING.md and their picture from the imports; a test fails when they are stale.
layout:
	$(PYTHON) docs/_ext/layout.py

# Builds the site, docs/_build/html/index.html; any warning is an error, such as a broken link.
docs: $(VENV)/docs
	$(BIN)/sphinx-build -q -E -W --keep-going -b html docs docs/_build/html

# Builds manual pages: MANPATH=docs/_build/man: man dquery. `make install-man PREFIX=/usr/local` installs them.
man: $(VENV)/docs
	$(BIN)/sphinx-build -q -E -W --keep-going -b man docs docs/_build/man

install-man: man
	for section in 1 5; do mkdir -p "$(PREFIX)/share/man/man$$section" && \
	cp docs/_build/man/man$$section/* "$(PREFIX)/share/man/man$$section"; done

# The generated module must run with protobuf 4.25 and newer, so an old protoc generates it, in a venv of its own.
proto:
	$(PYTHON) -m venv .venv-proto
	.venv-proto/bin/pip install -q 'grpcio-tools==1.62.3' 'setuptools<80'
	.venv-proto/bin/python -m grpc_tools.protoc -Iproto --python_out=dwork/transport/_pb --pyi_out=dwork/transport/_pb proto/dwork.proto

# BENCH='core simulate' runs only these; QUICK=1 uses small numbers; PUBLISH=1 also writes docs/about/benchmarks.md.
bench: $(VENV)/ready
	$(BIN)/pip install -q -e '.[report]'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/run.py $(if $(QUICK),--quick) $(if $(PUBLISH),--publish) $(BENCH)

$(VENV)/ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e '.[$(MPI),test]'
	touch $@

$(VENV)/docs: $(VENV)/ready
	$(BIN)/pip install -q -e '.[docs]'
	touch $@

clean:
	rm -rf docs/_build docs/reference/commands docs/reference/protocol.rst .venv .venv-proto .coverage .coverage.json htmlcov results examples/tasks.txt.db* examples/tasks.txt.logs*
