#!/bin/sh
# A worker in plain shell: takes tasks from a hub, one at a time, and runs them until all are finished.
#
#   DWORK_SERVER=tcp://HOST:PORT sh shell_worker.sh
#
# A task that fails is reported with its exit status. When the worker has to leave, Ctrl-C or otherwise, it says
# goodbye, and what it has in hand is ready again. What a task asks for beside command, cwd and env is not heeded.

me=$(uname -n):$$
task='' command=''
trap 'dquery exit "$me" >/dev/null 2>&1' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

while :; do
    assignment=$(dquery steal --sh --wait 60 "$me")
    case $? in
        0) eval "$assignment" ;; # sets task and command
        3) exit 0 ;;             # all are finished
        4) continue ;;           # none is ready now, but others run
        *) exit 1 ;;             # nobody answers; dquery has said so
    esac
    sh -c "$command" </dev/null
    dquery complete --exit-status $? -- "$task" "$me" >/dev/null || exit 1
done
