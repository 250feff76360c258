#!/bin/bash
# Runs tasks.txt on all cores of an allocation, and puts itself back into the queue until all is done.
#
#   sbatch jobscripts/slurm.sh                     change the lines marked with <--
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

# module load python openmpi                       # <-- what your site needs
# source venv/bin/activate

# --no-kill, -K0, --wait=0: a node or rank that dies costs what it was running, and the others go on. MPICH: --mpi=pmi2;
# Open MPI: --mpi=pmix. The pool knows when the job ends, and interrupts what runs a minute before.
srun --mpi="${DWORK_PMI:-pmi2}" --no-kill -K0 --wait=0 --cpu-bind=none \
    python -m dwork.pool --slots auto "$TASKS"
code=$?

# 3: stopped before the end. Killed together with the job: the record knows what is done, so going on is right as well.
case $code in
3 | 137 | 143) scontrol requeue "$SLURM_JOB_ID" ;;
esac
exit $code
