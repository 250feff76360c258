#!/bin/bash
# Runs tasks.txt on all cores of some nodes, and submits itself again until all is done.
#
#   flux batch jobscripts/flux.sh                  change the lines marked with <--; options of the pool may follow
#   dquery status                                  from the login node; also: failed, why TASK, log TASK
#
#flux: --nodes=4                                   # <--
#flux: --exclusive
#flux: --time-limit=12h                            # <--
#flux: --job-name=dwork
#flux: --output=dwork-{{id}}.out
TASKS=tasks.txt                                    # <--
SCRIPT=jobscripts/flux.sh                          # <-- this file, as it is called for flux batch
AGAIN=20                                           # <-- how often it may submit itself

# module load python mpich                         # <-- what your site needs
# source venv/bin/activate

# Open MPI needs -o pmi=pmix, from flux-pmix. exit-timeout: ranks may leave one by one, and die, and the others go on.
flux run --nodes="$(flux resource list -n -o '{nnodes}')" --exclusive --tasks-per-node=1 -o exit-timeout=none \
    dwork-pool --slots auto --walltime "$(flux job timeleft)s" "$@" "$TASKS"
code=$?

# What a launcher returns when a rank was killed says little; the record knows what is left, and what has failed.
record() { dquery "$@" -f "$TASKS.db"; }
if [ $code != 1 ] && [ $code != 2 ] && record list --state waiting --state ready --state assigned | grep -q .; then
    code=3
    [ "${RUNS:-0}" -ge "$AGAIN" ] || RUNS=$((RUNS + 1)) flux --parent batch "$SCRIPT" "$@"
elif [ $code -gt 3 ]; then
    record failed >/dev/null
    code=$?
fi
exit $code
