"""Programs that live in environments of their own, made from their locks when first needed.

`python -m infra.tools sam` prints where the program is.
"""

import sys
from pathlib import Path

from infra.local.cloud import ROOT, Cloud
from infra.local.environments import environment
from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.progress import Progress


def tool(name: str) -> Path:
    """The program `name`: sam or checkov. Raises CloudError where its environment can't be made."""
    progress = Progress()
    cloud = Cloud(folder=Folder(ROOT / ".local"), ports=Ports(progress), progress=progress)
    return environment(cloud, name).with_name(name)


if __name__ == "__main__":
    print(tool(sys.argv[1]))
