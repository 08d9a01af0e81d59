"""A worker that does as its command says: env, exit CODE, serve, save, stay, leave a child."""

import json
import os
import signal
import subprocess
import sys
import time


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def env() -> None:
    say(json.dumps(dict(os.environ)))


def leave() -> None:
    sys.exit(int(sys.argv[2]))


def serve() -> None:
    say("serving", os.environ["WORD"])
    time.sleep(600)


def save() -> None:
    """Ends well when it is asked to."""
    signal.signal(signal.SIGTERM, saved)
    serve()


def saved(*_: object) -> None:
    say("saved")
    sys.exit(0)


def stay() -> None:
    """Hears the question and stays."""
    signal.signal(signal.SIGTERM, lambda *_: say("staying"))
    while True:
        serve()


def parent() -> None:
    subprocess.Popen([sys.executable, __file__, "serve"])
    time.sleep(0.5)


if __name__ == "__main__":
    say("arguments", *sys.argv[1:])
    {"env": env, "exit": leave, "serve": serve, "save": save, "stay": stay, "parent": parent}[sys.argv[1]]()
