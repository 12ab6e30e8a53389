"""convscope.client."""
