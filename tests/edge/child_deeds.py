"""What a child process can do well or badly; run as a module by the tests of ``Child``."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from killswitch.child import serve


def echo(_message, body):
    return {"body": body.decode(), "pid": os.getpid(), "env": dict(os.environ)}


def hang(_message, _body):
    time.sleep(600)


def spin(_message, _body):
    while True:
        pass


def burn(message, _body):
    end = time.process_time() + message["s"]
    while time.process_time() < end:
        pass
    return {}


def leave(_message, _body):
    os._exit(3)


def stumble(_message, _body):
    raise KeyError("secret \x1b[31m text")


def stray_print(_message, _body):
    print("stray")  # noqa: T201 - the point of this deed
    return {}


def garbage(_message, _body):
    os.write(3, b"\xff" * 64)


def half_json(_message, _body):
    os.write(3, b"\0\0\0\x02\0\0\0\0{]")


def deep_json(_message, _body):
    os.write(3, b"\0\x01\0\0\0\0\0\0" + b"[" * 65_536)


def no_object(_message, _body):
    return [1]


def give_back(message, _body):
    return {"text": message["text"]}


def read_file(_message, _body):
    Path("/etc/passwd").read_bytes()
    return {}


def open_socket(_message, _body):
    socket.socket().close()
    return {}


def import_late(_message, _body):
    import wave  # noqa: F401 - any module that nothing else here needs

    return {}


def eat(message, _body):
    return {"ate": len(bytearray(message["bytes"]))}


def fork(_message, _body):
    pid = os.fork()
    if not pid:
        time.sleep(600)
    return {"pid": pid}


def handle(message, body):
    return globals()[message["do"]](message, body)


if __name__ == "__main__":
    serve(handle)
