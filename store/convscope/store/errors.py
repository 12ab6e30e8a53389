"""What the store can refuse or fail to do.

StoreError
├── NotFoundError            no such job, model or event log
├── RequestConflictError     the request id was used with another job
├── ModelExistsError         the id that was chosen for a model is taken
├── StateError               the record's state does not allow it
│   ├── ModelFailedError     the model's training did not succeed
│   └── DeletionOffError     nothing may be deleted: see ``convscope.store.deployment``
├── StaleAttemptError        a newer attempt has taken over: the writer must stop
├── TooNewError              a newer version of the software made the job: this one would do something else
├── LogLostError             the log is not, or not up to there, the one that was seen, or it has a gap
├── OffsetError              the asked-for bytes lie beyond a file's end
├── PolicyError              Redis may throw records away (see ``convscope.store.redis.policy``)
└── BlobError                an artifact cannot be read or written
    └── BlobDamagedError     an artifact is missing, or is not what its name says

Faults of Redis itself stay ``redis.exceptions.RedisError``; each caller translates them in its one place.
"""

__all__ = [
    "AdoptionError",
    "BlobDamagedError",
    "BlobError",
    "DeletionOffError",
    "LayoutError",
    "LogLostError",
    "ManifestError",
    "ModelExistsError",
    "ModelFailedError",
    "NotFoundError",
    "OffsetError",
    "RequestConflictError",
    "StaleAttemptError",
    "StateError",
    "StoreError",
    "SweepStoppedError",
    "TooNewError",
]


class StoreError(Exception):
    """Base of all errors of the store."""


class NotFoundError(StoreError):
    """No such resource."""


class RequestConflictError(StoreError):
    """The request id was used with another job."""


class ModelExistsError(StoreError):
    """The id that was chosen for a model is taken."""


class StateError(StoreError):
    """The record's state does not allow it."""


class ModelFailedError(StateError):
    """The model's training did not succeed."""


class DeletionOffError(StateError):
    """Nothing may be deleted, since it is in doubt whose the artifact store is; says why, and what to do."""


class LayoutError(StoreError):
    """Redis has records of another version; says what to do."""


class ManifestError(StoreError):
    """A manifest cannot be read, or comes from a newer version; names it."""


class SweepStoppedError(StoreError):
    """A sweep would remove what looks as if it were needed; says what."""


class AdoptionError(StoreError):
    """This Redis cannot take the artifact store over; says why."""


class StaleAttemptError(StoreError):
    """A newer attempt has taken over, or the job has ended: the writer must stop."""


class TooNewError(StoreError):
    """A newer version of the software made the job; names what this one does not know."""


class OffsetError(StoreError):
    """The asked-for bytes lie beyond a file's end."""


class LogLostError(StoreError):
    """The asked-for sequence lies beyond the log, the log up to there is not the one that was seen, or it has a gap."""


class BlobError(StoreError):
    """An artifact cannot be read or written."""


class BlobDamagedError(BlobError):
    """An artifact is missing, or its SHA-256 is not its name."""
