"""Environment variables through which a worker's parent speaks to its horses."""

__all__ = ["THREADS_VARIABLE", "WORKER_VARIABLE"]

# Number of threads to compute with; one for each processor if unset.
THREADS_VARIABLE = "CONVSCOPE_THREADS"

# Name of the worker; set by RQ.
WORKER_VARIABLE = "RQ_WORKER_ID"
