#!/bin/sh
# Runs all benchmarks, one after the other, and writes what they print and measure to results/.
# usage: benchmarks/all.sh [NAME...]    with `python` and `mpirun` of the environment to measure on PATH
cd "$(dirname "$0")/.." || exit 2
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
command -v mpirun > /dev/null || { echo "all.sh: there is no mpirun on PATH" >&2; exit 2; }
mkdir -p results
status=0
[ $# -gt 0 ] || set -- core dispatch shell start idle load record trust
for name in "$@"; do
    case $name in core) options='--largest 1000000' ;; load) options=--run ;; *) options= ;; esac
    # shellcheck disable=SC2086
    if python "benchmarks/$name.py" $options --json "results/$name.json" > "results/$name.txt"; then
        cat "results/$name.txt"
    else
        echo "all.sh: $name.py has failed" >&2
        status=1
    fi
done
echo
missed=$(grep -h MISSED results/*.txt)
if [ "$missed" ]; then
    echo "Missed bars:"
    echo "$missed"
else
    echo "No bar is missed."
fi
exit $status
