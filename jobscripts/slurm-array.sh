#!/bin/bash
# Runs tasks.txt on as many nodes as the queue gives, as soon as it gives them: a job array whose first element is the
# hub and works as well; the others join it as workers whenever they start, and leave when they are idle or out of time.
#
#   sbatch jobscripts/slurm-array.sh               change the lines marked with <--; options of the pool may follow
#   dquery --job JOBID status                      from the login node; also: workers, failed, why TASK, log TASK
#
# Needs a home directory that all nodes share (or $DWORK_DIR in one), and TCP between them; no MPI.
#
#SBATCH --job-name=dwork
#SBATCH --array=0-15                               # <-- the hub, and up to 15 nodes more
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --time=12:00:00                            # <--
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=dwork-%A_%a.out
TASKS=tasks.txt                                    # <--
IDLE=15m                                           # <-- a worker that had nothing to do for so long leaves
AGAIN=20                                           # <-- how often an element may go back into the queue

# module load python                               # <-- what your site needs
# source venv/bin/activate

again() { [ "${SLURM_RESTART_COUNT:-0}" -ge "$AGAIN" ] || scontrol requeue "$1"; }

if [ "$SLURM_ARRAY_TASK_ID" = "$SLURM_ARRAY_TASK_MIN" ]; then
    dwork-pool --slots auto "$@" "$TASKS"
    code=$?
    case $code in
    3 | 137 | 143) again "$SLURM_ARRAY_JOB_ID" ;;  # all elements: this one has sent the others home
    *) scancel --state=PENDING "$SLURM_ARRAY_JOB_ID" ;;
    esac
    exit $code
fi

# A worker works for the hub as long as Slurm knows its element.
hub=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_MIN
while :; do
    case $(squeue --noheader --format=%T --jobs "$hub" 2>/dev/null) in
    '') exit 0 ;;                                  # it has ended: all is done
    PENDING) break ;;                              # its node has died: wait in the queue as it does
    esac
    kworker --job "$SLURM_ARRAY_JOB_ID" --slots auto --idle-timeout "$IDLE"
    case $? in
    0) exit 0 ;;
    3) break ;;                                    # this job ends before the work does
    esac
    sleep 5                                        # the hub is not to be found yet, or gone
done
again "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"  # the last element's SLURM_JOB_ID is that of the array
exit 3
