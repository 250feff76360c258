#!/bin/bash
# Runs tasks.txt on nodes as the queue grants them: a job array whose first element is the hub and also runs tasks; the
# other elements join as workers whenever they start, and leave when they are idle or out of time.
#
#   sbatch jobscripts/slurm-array.sh               edit the lines marked with <-- first; pool options may follow
#   dquery --job JOBID status                      on the login node; also: workers, failed, why TASK, log TASK
#
# Needs a home directory that all nodes share (or $DWORK_DIR in one), and TCP between them; no MPI.
#
#SBATCH --job-name=dwork
#SBATCH --array=0-15                               # <-- the hub, and up to 15 more nodes
#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --time=12:00:00                            # <--
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=dwork-%A_%a.out
TASKS=tasks.txt                                    # <--
IDLE=15m                                           # <-- a worker that has been idle for this long leaves
AGAIN=20                                           # <-- the most times an element goes back into the queue

# module load python                               # <-- what your site needs
# source venv/bin/activate

again() { [ "${SLURM_RESTART_COUNT:-0}" -ge "$AGAIN" ] || scontrol requeue "$1"; }

if [ "$SLURM_ARRAY_TASK_ID" = "$SLURM_ARRAY_TASK_MIN" ]; then
    dwork-pool --slots auto "$@" "$TASKS"
    code=$?
    case $code in
    3 | 137 | 143) again "$SLURM_ARRAY_JOB_ID" ;;  # all elements: the hub has dismissed the others
    *) scancel --state=PENDING "$SLURM_ARRAY_JOB_ID" ;;
    esac
    exit $code
fi

# A worker works for the hub as long as Slurm lists the hub's element.
hub=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_MIN
while :; do
    case $(squeue --noheader --format=%T --jobs "$hub" 2>/dev/null) in
    '') exit 0 ;;                                  # the hub has ended: all tasks are done
    PENDING) break ;;                              # the hub's node has died: wait in the queue, too
    esac
    kworker --job "$SLURM_ARRAY_JOB_ID" --slots auto --idle-timeout "$IDLE"
    case $? in
    0) exit 0 ;;
    3) break ;;                                    # this job ends before the work does
    esac
    sleep 5                                        # the hub cannot be found yet, or is gone
done
again "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"  # not SLURM_JOB_ID: the last element's is the array's
exit 3
