"""RQ workers: ``supervisor`` is the process that waits for tickets, ``executor`` the one that it forks to compute.

What they compute is in ``convscope.engine``, which knows neither Redis nor the contract.
"""

# Nothing is exported: importing the package must not import TensorFlow.
__all__: list[str] = []
