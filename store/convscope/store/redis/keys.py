"""Names of the keys in Redis. All keys of a job share a hash tag."""

__all__ = [
    "ACTIVE",
    "JOBS",
    "LEADER",
    "MODELS",
    "NOTHING",
    "NOTIFY",
    "REFERENCES",
    "SWEPT",
    "blobs_key",
    "candidates_key",
    "events_key",
    "images_key",
    "job_key",
    "known_key",
    "lease_key",
    "model_blobs_key",
    "model_key",
    "parts_key",
    "request_key",
    "waiters_key",
    "written_key",
]

# Ids of all jobs, in a sorted set with equal scores: ordered by id, which is by time.
JOBS = "convscope:jobs"

# Ids of all models, likewise.
MODELS = "convscope:models"

# Ids of the jobs that have not ended.
ACTIVE = "convscope:active"

# Token of the process that reconciles, with a time to live.
LEADER = "convscope:leader"

# Present for a while after somebody swept.
SWEPT = "convscope:swept"

# Hash: how many jobs and models point to each blob.
REFERENCES = "convscope:references"

# One stream that carries every event once more, so that a service wakes its watchers with a single blocking read.
NOTIFY = "convscope:notify"

# Never there: deleting it tells whether Redis takes writes.
NOTHING = "convscope:nothing"


def job_key(job_id: str) -> str:
    """Hash: the job's record."""
    return f"convscope:{{job:{job_id}}}"


def events_key(job_id: str) -> str:
    """Stream: the job's event log; entry n has the id ``n-0``."""
    return f"convscope:{{job:{job_id}}}:events"


def parts_key(job_id: str) -> str:
    """Hash: ``state``, ``attempt``, ``holder``, ... ``:part`` of each part that is queued or running."""
    return f"convscope:{{job:{job_id}}}:parts"


def written_key(job_id: str) -> str:
    """Hash: token of the last write to each part; it goes an hour after the job's end."""
    return f"convscope:{{job:{job_id}}}:written"


def lease_key(job_id: str, part: int) -> str:
    """Return the key whose value is the attempt that holds a part; it goes when the attempt gives no sign of life."""
    return f"convscope:{{job:{job_id}}}:lease:{part}"


def blobs_key(job_id: str) -> str:
    """Set: digests of the blobs that the job points to."""
    return f"convscope:{{job:{job_id}}}:blobs"


def images_key(job_id: str) -> str:
    """Hash: the blob's digest of each image that is ready, by its number in the order of the spec, from 0."""
    return f"convscope:{{job:{job_id}}}:images"


def candidates_key(job_id: str) -> str:
    """Hash: the candidates for each image that is not ready, by its number; see ``candidates.py``."""
    return f"convscope:{{job:{job_id}}}:candidates"


def request_key(request_id: str) -> str:
    """Return the key whose value is the id of the job that the request made."""
    return f"convscope:request:{request_id}"


def model_key(model_id: str) -> str:
    """Hash: the model's record."""
    return f"convscope:{{model:{model_id}}}"


def model_blobs_key(model_id: str) -> str:
    """Set: digests of the blobs that the model points to."""
    return f"convscope:{{model:{model_id}}}:blobs"


def known_key(model_id: str) -> str:
    """Hash: digest of the blob of each image computed for the model, by the image's name."""
    return f"convscope:{{model:{model_id}}}:images"


def waiters_key(model_id: str) -> str:
    """Set: ids of the jobs that wait for the model."""
    return f"convscope:{{model:{model_id}}}:waiters"
