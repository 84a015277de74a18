"""`python ask.py SOCKET SECONDS ARGUMENT...`: have `warm.py` run pytest; exits with its code."""

import json
import socket
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
    connection.connect(sys.argv[1])
    stream = connection.makefile("rw")
    stream.write(json.dumps([float(sys.argv[2]), *sys.argv[3:]]) + "\n")
    stream.flush()
    sys.exit(int(stream.readline()))
