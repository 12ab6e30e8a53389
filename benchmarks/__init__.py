"""Measures the project beside the tutorial's own way of working; run by scripts/bench."""

import os

# See the tests' support: gRPC now and then aborts a child in which a program is about to be started.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
