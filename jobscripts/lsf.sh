#!/bin/bash
# Runs tasks.txt on all cores of some hosts; LSF puts it back into the queue until all tasks are done.
#
#   bsub < jobscripts/lsf.sh                       edit the lines marked with <-- (and those below a mark) first
#   dquery --job JOBID status                      on the login node; also: failed, why TASK, log TASK
#
# <-- the number of slots, and those of each host, which are the tasks that run there at a time; the time limit
#BSUB -n 128
#BSUB -R "span[ptile=32]"
#BSUB -W 12:00
#BSUB -x
#BSUB -Q "3"
#BSUB -J dwork
#BSUB -o dwork-%J.out
TASKS=tasks.txt                                    # <--
WALLTIME=12h                                       # <-- as with -W above: the pool interrupts running tasks a minute before

# module load python openmpi                       # <-- what your site needs
# source venv/bin/activate

# One unbound rank on each host; when a rank dies, only the tasks that it was running start over, and the others
# continue. With jsrun: launch=(jsrun -n ALL_HOSTS -r 1 -a 1 -c ALL_CPUS -b none)
read -ra hosts <<<"$LSB_MCPU_HOSTS"                # host, slots, host, slots ...
n=$((${#hosts[@]} / 2))
case $(mpirun --version 2>&1) in
*"Open MPI) "[1-4].*) launch=(mpirun --enable-recovery --map-by ppr:1:node --bind-to none) ;;
*"Open MPI"*) launch=(mpirun --with-ft ulfm --map-by ppr:1:node --bind-to none) ;;
*) launch=(mpirun -disable-auto-cleanup -ppn 1) ;;
esac
"${launch[@]}" -n "$n" dwork-pool --slots auto --walltime "$WALLTIME" "$TASKS"
code=$?

# A launcher's exit code is no guide when a rank was killed; the record has the unfinished and the failed tasks.
record() { dquery "$@" -f "$TASKS.db"; }
if [ $code != 1 ] && [ $code != 2 ] && record list --state waiting --state ready --state assigned | grep -q .; then
    code=3
    [ "$SECONDS" -ge 60 ] || code=1               # a job that stops at once would be requeued for ever
elif [ $code -gt 3 ]; then
    record failed >/dev/null
    code=$?
fi
exit $code
