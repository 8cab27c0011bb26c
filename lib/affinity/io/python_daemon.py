"""What forks Spark's Python workers in local sessions: PySpark's own, quiet about workers that were let go.

Spark closes the socket of a worker that was idle for a minute; over a Unix socket the worker then fails to say goodbye,
and a traceback on the screen looks like a fault of the run.
"""

from socket import socket

from pyspark import daemon

_work = daemon.worker


def _worker(sock: socket, authenticated: bool) -> int:  # noqa: FBT001  # as PySpark calls it
    try:
        return int(_work(sock, authenticated))
    except BrokenPipeError:
        return 1


if __name__ == "__main__":
    daemon.worker = _worker
    daemon.manager()
