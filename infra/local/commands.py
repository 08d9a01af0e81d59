"""Running other programs: their environment, and what is said when they fail."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local.errors import CloudError

REGION = "us-east-1"
LAST_LINES = 25


def dummy_aws() -> dict[str, str]:
    """The user's environment without anything of a real AWS account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run(command: Sequence[str | Path], env: Mapping[str, str], cwd: Path, remedy: str) -> str:
    """Standard output; raises CloudError with the last lines of a command that failed."""
    done = subprocess.run(
        [str(part) for part in command], env=env, cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:]
        name = " ".join(Path(part).name for part in command[:2])
        raise CloudError(f"`{name}` failed with status {done.returncode}:\n" + "\n".join(said), remedy)
    return done.stdout
