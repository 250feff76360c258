#!/bin/bash
# Runs tasks.txt on all cores of some nodes, and submits itself again until all is done. For OpenPBS and PBS Pro.
#
#   qsub jobscripts/pbs.sh                         change the lines marked with <-- (and those below a mark) first
#   dquery --job JOBID status                      from the login node; also: failed, why TASK, log TASK
#
# <-- nodes, and the cores of each; the time
#PBS -l select=4:ncpus=32:mpiprocs=1
#PBS -l walltime=12:00:00
#PBS -l place=scatter:excl
#PBS -N dwork
#PBS -j oe
#PBS -r y
cd "$PBS_O_WORKDIR" || exit
TASKS=tasks.txt                                    # <--
SCRIPT=jobscripts/pbs.sh                           # <-- this file, as it is called for qsub
AGAIN=20                                           # <-- how often it may submit itself

# module load python openmpi                       # <-- what your site needs
# source venv/bin/activate

# One rank on each node, bound to no core; one that dies costs what it was running, and the others go on. The pool knows
# when the job ends, and interrupts what runs a minute before. Open MPI 4 has --enable-recovery in place of --with-ft.
case $(mpirun --version 2>&1) in
*"Open MPI"*) launch=(mpirun --with-ft ulfm --bind-to none) ;;
*) launch=(mpirun -disable-auto-cleanup) ;;
esac
"${launch[@]}" dwork-pool --slots auto "$TASKS"
code=$?

# What a launcher returns when a rank was killed says little; the record knows what is left, and what has failed.
record() { dquery "$@" -f "$TASKS.db"; }
if [ $code != 1 ] && [ $code != 2 ] && record list --state waiting --state ready --state assigned | grep -q .; then
    code=3
    [ "${RUNS:-0}" -ge "$AGAIN" ] || qsub -v RUNS=$((RUNS + 1)) "$SCRIPT"
elif [ $code -gt 3 ]; then
    record failed >/dev/null
    code=$?
fi
exit $code
