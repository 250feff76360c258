# Needs python3, make and pip; everything else goes into .venv.
PYTHON ?= python3
MPI ?= mpich
VENV ?= .venv
BIN = $(VENV)/bin
N ?= 3

.PHONY: run test lint proto bench clean

# Runs examples/tasks.txt on three ranks: a hub and two workers. Open MPI refuses root unless told twice.
run: $(VENV)/ready
	rm -rf results
	OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_MCA_rmaps_default_mapping_policy=:OVERSUBSCRIBE \
	PATH="$(CURDIR)/$(BIN):$$PATH" mpirun -n $(N) python -m dwork.pool --fresh --bind 127.0.0.1 examples/tasks.txt
	cat results/report.txt

test: $(VENV)/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The generated module must run with any protobuf from 4.25 on, so an old protoc makes it, in a venv of its own.
proto:
	$(PYTHON) -m venv .venv-proto
	.venv-proto/bin/pip install -q 'grpcio-tools==1.62.3' 'setuptools<80'
	.venv-proto/bin/python -m grpc_tools.protoc -Iproto --python_out=dwork/_pb --pyi_out=dwork/_pb proto/dwork.proto

bench: $(VENV)/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" sh benchmarks/all.sh

$(VENV)/ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e '.[$(MPI),test]'
	touch $@

clean:
	rm -rf .venv .venv-proto results examples/tasks.txt.db* examples/tasks.txt.logs*
