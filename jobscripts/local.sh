#!/bin/sh
# Runs a task file on this machine. When a rank dies (out of memory, kill -9), only the tasks that it was running
# start over.
#
#   jobscripts/local.sh 9 tasks.txt                a hub and 8 workers
#   dquery status                                  in another terminal: show the progress
#
# To continue a run that has stopped, run the same command again: tasks.txt.db records what is done.
[ $# -ge 2 ] || { echo "usage: $0 RANKS FILE [OPTION]..." >&2; exit 2; }
ranks=$1
shift

case $(mpirun --version 2>&1) in
*"Open MPI) "[1-4].*)
    exec mpirun --enable-recovery -n "$ranks" dwork-pool "$@" ;;
*"Open MPI"*)
    exec mpirun --with-ft ulfm -n "$ranks" dwork-pool "$@" ;;
*)
    # MPICH signals a death to the other ranks with USR1, which must not end them. A killed rank must exit with 0, or
    # MPICH ends its neighbours with it.
    # shellcheck disable=SC2016
    exec mpirun -disable-auto-cleanup -n "$ranks" sh -c \
        'trap "" USR1; dwork-pool "$@"; code=$?; [ $code -lt 128 ] || code=0; exit $code' pool "$@" ;;
esac
