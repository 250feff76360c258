#!/bin/sh
# Runs a task file on this machine, so that a rank that dies (out of memory, kill -9) costs only the tasks that it ran.
#
#   jobscripts/local.sh 9 tasks.txt                a hub and 8 workers
#   dquery status                                  from another terminal: how far is it?
#
# Run it again to go on where it stopped: what is done is in tasks.txt.db.
[ $# -ge 2 ] || { echo "usage: $0 RANKS FILE [OPTION]..." >&2; exit 2; }
ranks=$1
shift

case $(mpirun --version 2>&1) in
*"Open MPI"*)
    exec mpirun --with-ft ulfm -n "$ranks" dwork-pool "$@" ;;
*)
    # MPICH: the others are told of a death by USR1, which must not end them, and a rank that was killed must not look so,
    # or its neighbours are ended with it.
    # shellcheck disable=SC2016
    exec mpirun -disable-auto-cleanup -n "$ranks" sh -c \
        'trap "" USR1; dwork-pool "$@"; code=$?; [ $code -lt 128 ] || code=0; exit $code' pool "$@" ;;
esac
