"""The errors of the house, each with its public face.

    QuintetError                500 INTERNAL
    ├── InvalidInput            400 INVALID_ARGUMENT      the caller sent something wrong
    ├── Unauthenticated         401 UNAUTHENTICATED       nobody said who they are
    ├── PermissionDenied        403 PERMISSION_DENIED     somebody, but not allowed
    ├── NotFound                404 NOT_FOUND
    ├── Conflict                409 ABORTED               another state than the caller believed
    ├── TooLarge                413 RESOURCE_EXHAUSTED    larger than this door lets through
    ├── Cancelled               499 CANCELLED             the client went away
    ├── Overloaded              503 RESOURCE_EXHAUSTED    come back later                    (retry)
    ├── Unavailable             503 UNAVAILABLE           something we depend on is away     (retry)
    │   └── ModelUnavailable                              a model file is missing or altered
    ├── DeadlineExceeded        504 DEADLINE_EXCEEDED     it took too long                   (retry)
    └── Misconfigured           500 INTERNAL              a setting is missing or wrong: refuse to start

The message of an error is for the caller; `details` are for the log and never leave the house.
"""

from typing import ClassVar


class QuintetError(Exception):
    """The root. `status` is the HTTP status, `grpc` the name of the gRPC status code, `retry` says whether
    the same request may succeed later. A queue keeps such a message, and one that only a setting of ours stands in the
    way of (Misconfigured); of any other it is sure that it can't succeed, and sets it aside.
    """

    status: ClassVar[int] = 500
    grpc: ClassVar[str] = "INTERNAL"
    retry: ClassVar[bool] = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidInput(QuintetError):
    status = 400
    grpc = "INVALID_ARGUMENT"


class Unauthenticated(QuintetError):
    status = 401
    grpc = "UNAUTHENTICATED"


class PermissionDenied(QuintetError):
    status = 403
    grpc = "PERMISSION_DENIED"


class NotFound(QuintetError):
    status = 404
    grpc = "NOT_FOUND"


class Conflict(QuintetError):
    status = 409
    grpc = "ABORTED"


class TooLarge(QuintetError):
    status = 413
    grpc = "RESOURCE_EXHAUSTED"


class Cancelled(QuintetError):
    """Nobody reads the answer; the status is nginx's, for the log."""

    status = 499
    grpc = "CANCELLED"


class Overloaded(QuintetError):
    status = 503
    grpc = "RESOURCE_EXHAUSTED"
    retry = True


class Unavailable(QuintetError):
    status = 503
    grpc = "UNAVAILABLE"
    retry = True


class ModelUnavailable(Unavailable):
    """A model file is missing, altered or of another shape than its manifest says."""


class DeadlineExceeded(QuintetError):
    status = 504
    grpc = "DEADLINE_EXCEEDED"
    retry = True


class Misconfigured(QuintetError):
    """A setting is missing or wrong; the message names it and says what to set."""
