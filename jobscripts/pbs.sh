#!/bin/bash
# Runs tasks.txt on all cores of some nodes, and submits itself again until all tasks are done. For OpenPBS and PBS Pro.
#
#   qsub jobscripts/pbs.sh                         edit the lines marked with <-- (and those below a mark) first
#   dquery --job JOBID status                      on the login node; also: failed, why TASK, log TASK
#
# <-- the number of nodes, and the cores of each; the time limit
#PBS -l select=4:ncpus=32:mpiprocs=1
#PBS -l walltime=12:00:00
#PBS -l place=scatter:excl
#PBS -N dwork
#PBS -j oe
#PBS -r y
cd "$PBS_O_WORKDIR" || exit
TASKS=tasks.txt                                    # <--
SCRIPT=jobscripts/pbs.sh                           # <-- this file, as given to qsub
AGAIN=20                                           # <-- the most times it submits itself

# module load python openmpi                       # <-- what your site needs
# source venv/bin/activate

# One unbound rank on each node; when a rank dies, only the tasks that it was running start over, and the others
# continue. The pool knows when the job ends, and interrupts running tasks a minute before.
case $(mpirun --version 2>&1) in
*"Open MPI) "[1-4].*) launch=(mpirun --enable-recovery --bind-to none) ;;
*"Open MPI"*) launch=(mpirun --with-ft ulfm --bind-to none) ;;
*) launch=(mpirun -disable-auto-cleanup) ;;
esac
"${launch[@]}" dwork-pool --slots auto "$TASKS"
code=$?

# A launcher's exit code is no guide when a rank was killed; the record has the unfinished and the failed tasks.
record() { dquery "$@" -f "$TASKS.db"; }
if [ $code != 1 ] && [ $code != 2 ] && record list --state waiting --state ready --state assigned | grep -q .; then
    code=3
    [ "${RUNS:-0}" -ge "$AGAIN" ] || qsub -v RUNS=$((RUNS + 1)) "$SCRIPT"
elif [ $code -gt 3 ]; then
    record failed >/dev/null
    code=$?
fi
exit $code
