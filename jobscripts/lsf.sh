#!/bin/bash
# Runs tasks.txt on all cores of some hosts, and is put back into the queue by LSF until all is done.
#
#   bsub < jobscripts/lsf.sh                       change the lines marked with <-- (and those below a mark) first
#   dquery --job JOBID status                      from the login node; also: failed, why TASK, log TASK
#
# <-- hosts, of which each runs one rank; the time
#BSUB -n 4
#BSUB -W 12:00
#BSUB -R "span[ptile=1]"
#BSUB -x
#BSUB -Q "3"
#BSUB -J dwork
#BSUB -o dwork-%J.out
TASKS=tasks.txt                                    # <--
WALLTIME=12h                                       # <-- as with -W above: the pool interrupts what runs a minute before

# module load python openmpi                       # <-- what your site needs
# source venv/bin/activate

# One rank on each host, bound to no core; one that dies costs what it was running, and the others go on. Open MPI 4 has
# --enable-recovery in place of --with-ft. Where there is jsrun: launch=(jsrun -n ALL_HOSTS -r 1 -a 1 -c ALL_CPUS -b none)
case $(mpirun --version 2>&1) in
*"Open MPI"*) launch=(mpirun --with-ft ulfm --bind-to none) ;;
*) launch=(mpirun -disable-auto-cleanup) ;;
esac
"${launch[@]}" dwork-pool --slots auto --walltime "$WALLTIME" "$TASKS"
code=$?

# What a launcher returns when a rank was killed says little; the record knows what is left, and what has failed.
record() { dquery "$@" -f "$TASKS.db"; }
if [ $code != 1 ] && [ $code != 2 ] && record list --state waiting --state ready --state assigned | grep -q .; then
    code=3
    [ "$SECONDS" -ge 60 ] || code=1               # what stops at once would do so again, and for ever
elif [ $code -gt 3 ]; then
    record failed >/dev/null
    code=$?
fi
exit $code
