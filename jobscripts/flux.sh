#!/bin/bash
# Runs tasks.txt on all cores of some nodes, and submits itself again until all tasks are done.
#
#   flux batch jobscripts/flux.sh                  edit the lines marked with <-- first; pool options may follow
#   dquery status                                  on the login node; also: failed, why TASK, log TASK
#
#flux: --nodes=4                                   # <--
#flux: --exclusive
#flux: --time-limit=12h                            # <--
#flux: --job-name=dwork
#flux: --output=dwork-{{id}}.out
TASKS=tasks.txt                                    # <--
SCRIPT=jobscripts/flux.sh                          # <-- this file, as given to flux batch
AGAIN=20                                           # <-- the most times it submits itself

# module load python mpich                         # <-- what your site needs
# source venv/bin/activate

# Open MPI needs -o pmi=pmix, from flux-pmix. exit-timeout=none: when a rank leaves or dies, the others continue.
flux run --nodes="$(flux resource list -n -o '{nnodes}')" --exclusive --tasks-per-node=1 -o exit-timeout=none \
    dwork-pool --slots auto --walltime "$(flux job timeleft)s" "$@" "$TASKS"
code=$?

# A launcher's exit code is no guide when a rank was killed; the record has the unfinished and the failed tasks.
record() { dquery "$@" -f "$TASKS.db"; }
if [ $code != 1 ] && [ $code != 2 ] && record list --state waiting --state ready --state assigned | grep -q .; then
    code=3
    [ "${RUNS:-0}" -ge "$AGAIN" ] || RUNS=$((RUNS + 1)) flux --parent batch "$SCRIPT" "$@"
elif [ $code -gt 3 ]; then
    record failed >/dev/null
    code=$?
fi
exit $code
