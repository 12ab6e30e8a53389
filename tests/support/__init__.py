"""What tests share."""

import os

# gRPC prepares for forks unless this is said before it is imported, and now and then aborts a child in which a test is
# about to start a program. No child uses gRPC after a fork.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
