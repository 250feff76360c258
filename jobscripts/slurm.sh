#!/bin/bash
# Runs tasks.txt on all cores of an allocation, and puts itself back into the queue until all is done.
#
#   sbatch jobscripts/slurm.sh                     change the lines marked with <--; options of the pool may follow
#   dquery --job JOBID status                      from the login node; also: failed, why TASK, log TASK
#
#SBATCH --job-name=dwork
#SBATCH --nodes=4                                  # <--
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=12:00:00                            # <--
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=dwork-%j.out
#SBATCH --no-kill
TASKS=tasks.txt                                    # <--
AGAIN=20                                           # <-- how often it may go back into the queue
export SLURM_MPI_TYPE=${SLURM_MPI_TYPE:-pmi2}      # <-- MPICH and Intel MPI: pmi2; Open MPI: pmix

# module load python openmpi                       # <-- what your site needs
# source venv/bin/activate

# --no-kill, -K0, --wait=0: a node or rank that dies costs what it was running, and the others go on (under Open MPI only
# when they talk over TCP). When it is the first node, Slurm would let the job stand there until its time is up: rank 1,
# which leaves with 1 when the hub is gone, puts it back into the queue. The pool knows when the job ends, and interrupts
# what runs a minute before.
case $SLURM_MPI_TYPE in pmix*) set -- --transport zmq "$@" ;; esac
again() { [ "${SLURM_RESTART_COUNT:-0}" -ge "$AGAIN" ] || scontrol requeue "$SLURM_JOB_ID"; }
export AGAIN
export -f again
# shellcheck disable=SC2016
srun --no-kill -K0 --wait=0 --cpu-bind=none bash -c 'trap : TERM INT HUP USR1 USR2 XCPU
    dwork-pool --slots auto "$@"
    code=$?
    [ "$SLURM_PROCID $code" != "1 1" ] || again
    exit $code' pool "$@" "$TASKS"
code=$?

# What a launcher returns when a rank was killed says little; the record knows what is left, and what has failed.
record() { dquery "$@" -f "$TASKS.db"; }
if [ $code = 3 ] ||
    { [ $code != 1 ] && [ $code != 2 ] && record list --state waiting --state ready --state assigned | grep -q .; }; then
    code=3
    again
elif [ $code -gt 3 ]; then
    record failed >/dev/null
    code=$?
fi
exit $code
