"""convscope.worker."""
