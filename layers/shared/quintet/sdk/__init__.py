"""What a data owner installs: `pip install './layers/shared[sdk]'`.

from quintet.sdk import Owner

owner = Owner("hospital-a", identity="hospital-a.key", roster="roster.json", url="http://127.0.0.1:5000")
result = owner.contribute("job-1", vector, total_clients=20, schema=schema)
"""

from quintet.sdk.failures import DroppedOut, JobFailed
from quintet.sdk.owner import Owner, Wishes
from quintet.sdk.progress import Progress

__all__ = ["DroppedOut", "JobFailed", "Owner", "Progress", "Wishes"]
