"""The other end of a peer: a process that does what it is sent. Imports nothing but the standard library.

Each line of standard input is `{"call": NAME, "arguments": {...}}`; each line of the answer `{"result": ...}` or
`{"error": ...}`. What the functions print goes to standard error.
"""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any


def serve(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Answer calls until standard input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        message = json.loads(line)
        try:
            answer = {"result": functions[message["call"]](**message["arguments"])}
        except Exception:  # every failure of a call is the caller's to report
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)
