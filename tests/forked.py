"""`python forked.py SOCKET ARGUMENTS`: to its caller this is the process that quick_python runs them in."""

import json
import os
import signal
import socket
import sys


def main(address: str, arguments: list[str]) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        order = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
        content = json.dumps(order).encode()
        socket.send_fds(connection, [len(content).to_bytes(8)], [0, 1, 2])
        connection.sendall(content)
        process = int.from_bytes(connection.recv(8))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda number, _: os.kill(process, number))
        code = int.from_bytes(connection.recv(8), signed=True)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    sys.exit(code)


main(sys.argv[1], sys.argv[2:])
