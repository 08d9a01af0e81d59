"""The room's own errors, each with the name that the original's answers had for it.

ResourceNotFoundError   404   no such version, job or breaker
Unanswerable            422   a request without a measurement: no cell can be chosen
ModelAltered            409   a version whose files are not those of its signed manifest
ModelError              500   a training that failed
NEFConnectionError      502   the NEF emulator is away or refuses
ModelNotReadyError      503   no model could be loaded
"""

from quintet.kernel.errors import Conflict, InvalidInput, ModelUnavailable, NotFound, QuintetError


class ResourceNotFoundError(NotFound):
    """What was asked for by name is not there."""


class Unanswerable(InvalidInput):
    """Right in form, yet it can't be answered: the message names the field that is missing."""

    status = 422


class ModelAltered(Conflict):
    """A version's file, manifest or signature is not what was published."""


class ModelError(QuintetError):
    """A training that came to nothing; the message says why, and is for the caller."""

    status = 500


class NEFConnectionError(QuintetError):
    """The NEF emulator did not answer, or not as one."""

    status = 502
    grpc = "UNAVAILABLE"
    retry = True


class ModelNotReadyError(ModelUnavailable):
    """Neither the active version nor any before it can be loaded."""
