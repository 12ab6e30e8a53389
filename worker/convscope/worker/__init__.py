"""RQ workers and everything TensorFlow: training, evaluation and visualization.

The modules that compute take plain dataclasses and arrays and report through callbacks; ``horse`` runs them for a job,
``parent`` is the process that takes parts off the queue and forks horses.
"""

# Nothing is offered here: importing the package must not import TensorFlow.
__all__: list[str] = []
