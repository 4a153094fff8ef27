"""What a bare round trip takes: wan_echo.py serve ADDRESS, or wan_echo.py ask ADDRESS

`serve` says the port and sends back what comes. `ask` (ADDRESS with its port) sends one byte for every line of its standard input and
prints the milliseconds until it is back.
"""

import socket
import sys
import time


def serve(address):
    with socket.create_server((address, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(1):
            connection.sendall(data)


def ask(address, port):
    with socket.create_connection((address, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while sys.stdin.readline():
            started = time.monotonic()
            connection.sendall(b".")
            connection.recv(1)
            print(f"{(time.monotonic() - started) * 1000:.3f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        host, _, number = sys.argv[2].rpartition(":")
        ask(host, int(number))
