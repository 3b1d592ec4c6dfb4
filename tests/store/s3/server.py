"""A real S3 server on loopback: moto's, in a process of its own that ends with its standard input.

Run as a script; prints its port.
"""

from __future__ import annotations

import logging
import sys


def main() -> None:
    """Serve until standard input ends."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.buffer.read()
    server.stop()


if __name__ == "__main__":
    main()
