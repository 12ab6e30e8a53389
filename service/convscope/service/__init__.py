"""convscope.service."""
