"""What may become of an owner's part, beside the house's errors."""

from quintet.kernel.errors import Conflict


class JobFailed(Conflict):
    """The job has ended without a result; the message is the server's reason."""


class DroppedOut(Conflict):
    """The session goes on, or has ended, without this owner's values; the message says why."""
