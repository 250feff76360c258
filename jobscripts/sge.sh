#!/bin/bash
# Runs tasks.txt on all slots of a job, and submits itself again until all tasks are done. For Grid Engine.
#
#   qsub jobscripts/sge.sh                         edit the lines marked with <-- (and those below a mark) first
#   dquery --job JOBID status                      on the login node; also: failed, why TASK, log TASK
#
# <-- a parallel environment of your site and the number of slots, which are the tasks that run at a time; the time limit
#$ -pe mpi 128
#$ -l h_rt=12:00:00
#$ -N dwork
#$ -S /bin/bash
#$ -cwd
#$ -j y
#$ -r y
TASKS=tasks.txt                                    # <--
SCRIPT=jobscripts/sge.sh                           # <-- this file, as given to qsub
AGAIN=20                                           # <-- the most times it submits itself

# module load python openmpi                       # <-- what your site needs
# source venv/bin/activate

# One unbound rank on each host; when a rank dies, only the tasks that it was running start over, and the others
# continue. The pool knows when the job ends, and interrupts running tasks a minute before. Grid Engine's warnings (USR1
# before the soft limit; with -notify USR1 before a suspension, USR2 before qdel) reach this shell, too.
trap : USR1 XCPU
trap 'AGAIN=0' USR2
awk '{ print $1, "slots=1" }' "$PE_HOSTFILE" >"$TMPDIR/hosts"
case $(mpirun --version 2>&1) in
*"Open MPI) "[1-4].*) launch=(mpirun --enable-recovery --hostfile "$TMPDIR/hosts" --map-by ppr:1:node --bind-to none) ;;
*"Open MPI"*) launch=(mpirun --with-ft ulfm --hostfile "$TMPDIR/hosts" --map-by ppr:1:node --bind-to none) ;;
*) launch=(mpirun -disable-auto-cleanup -ppn 1) ;;
esac
"${launch[@]}" -n "$NHOSTS" dwork-pool --slots auto "$TASKS"
code=$?

# A launcher's exit code is no guide when a rank was killed; the record has the unfinished and the failed tasks.
record() { dquery "$@" -f "$TASKS.db"; }
if [ $code = 3 ] ||
    { [ $code != 1 ] && [ $code != 2 ] && record list --state waiting --state ready --state assigned | grep -q .; }; then
    code=3
    [ "${RUNS:-0}" -ge "$AGAIN" ] || qsub -v RUNS=$((RUNS + 1)) "$SCRIPT"
elif [ $code -gt 3 ]; then
    record failed >/dev/null
    code=$?
fi
exit $code
