"""Errors of the store.

StoreError
├── NotFoundError            no such job, model or event log
├── RequestConflictError     the request id was used with another job
├── ModelExistsError         the id that was chosen for a model is taken
├── StateError               the record's state does not allow it
│   ├── ModelFailedError     the model's training did not succeed
│   └── DeletionOffError     nothing may be deleted: see ``convscope.store.deployment``
├── StaleAttemptError        a newer attempt has taken over: the writer must stop
├── TooNewError              a newer version of convscope made the job: this one would do something else
├── LogLostError             the log is shorter than what was read of it, was changed, or has a gap
├── OffsetError              the requested bytes lie beyond a file's end
├── LayoutError              Redis has records of another version
├── ManifestError            a manifest cannot be read
├── AdoptionError            this Redis cannot adopt the artifact store
├── SweepStoppedError        a sweep would remove files that seem to be needed
├── PolicyError              this Redis cannot be used
└── BlobError                an artifact cannot be read or written
    └── BlobDamagedError     an artifact is missing, or is not what its name says

Errors of Redis itself stay ``redis.exceptions.RedisError``; each caller translates them in one place.
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
    "PolicyError",
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
    """Nothing may be deleted, since the owner of the artifact store is in doubt; says why, and what to do."""


class LayoutError(StoreError):
    """Redis has records of another version; says what to do."""


class ManifestError(StoreError):
    """A manifest cannot be read, or comes from a newer version; names it."""


class SweepStoppedError(StoreError):
    """A sweep would remove files that seem to be needed; says which."""


class AdoptionError(StoreError):
    """This Redis cannot adopt the artifact store; says why."""


class StaleAttemptError(StoreError):
    """A newer attempt has taken over, or the job has ended: the writer must stop."""


class TooNewError(StoreError):
    """A newer version of convscope made the job; names what this version does not know."""


class OffsetError(StoreError):
    """The requested bytes lie beyond a file's end."""


class LogLostError(StoreError):
    """The requested sequence lies beyond the log, the log before it has changed, or it has a gap."""


class PolicyError(StoreError):
    """This Redis cannot be used.

    It is a cluster or too old, lacks the database, or would evict records when its memory is full.
    """


class BlobError(StoreError):
    """An artifact cannot be read or written."""


class BlobDamagedError(BlobError):
    """An artifact is missing, or its SHA-256 is not its name."""
