"""convscope.store."""
