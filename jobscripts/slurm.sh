#!/bin/bash
# Runs tasks.txt on all cores of an allocation, and puts itself back into the queue until all tasks are done.
#
#   sbatch jobscripts/slurm.sh                     edit the lines marked with <-- first; pool options may follow
#   dquery --job JOBID status                      on the login node; also: failed, why TASK, log TASK
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
AGAIN=20                                           # <-- the most times it goes back into the queue
export SLURM_MPI_TYPE=${SLURM_MPI_TYPE:-pmi2}      # <-- MPICH and Intel MPI: pmi2; Open MPI: pmix

# module load python openmpi                       # <-- what your site needs
# source venv/bin/activate

# --no-kill, -K0, --wait=0: when a node or rank dies, only the tasks that it was running start over, and the others
# continue (under Open MPI only over ZeroMQ). When the first node dies, Slurm would keep the job until its time limit: so
# rank 1, which exits with 1 when the hub is gone, puts it back into the queue. The pool knows when the job ends, and
# interrupts running tasks a minute before.
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

# A launcher's exit code is no guide when a rank was killed; the record has the unfinished and the failed tasks.
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
