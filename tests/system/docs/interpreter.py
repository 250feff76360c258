"""Runs Python that comes on standard input, a piece a line: [source, where it stands] as JSON."""

import json
import sys
import traceback

sys.path[0] = ""  # as that of somebody who types
namespace: dict[str, object] = {"__name__": "__main__"}
for line in sys.stdin:
    source, where = json.loads(line)
    status = 0
    try:
        exec(compile(source, where, "exec"), namespace)
    except BaseException:
        status = 1
        traceback.print_exc(file=sys.stdout)
    print(f"\n{sys.argv[1]} {status}", flush=True)
