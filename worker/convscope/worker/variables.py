"""Environment variables that reach the horses of a worker."""

__all__ = ["CHECKPOINT_VARIABLE", "THREADS_VARIABLE", "WORKER_VARIABLE"]

# Training steps between two checkpoints, if not the default.
CHECKPOINT_VARIABLE = "CONVSCOPE_CHECKPOINT_STEPS"

# Number of threads to compute with; one for each processor if unset.
THREADS_VARIABLE = "CONVSCOPE_THREADS"

# Name of the worker; set by RQ.
WORKER_VARIABLE = "RQ_WORKER_ID"
