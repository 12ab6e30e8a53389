"""At which steps a training run has something to do besides training."""

from convscope.engine.settings import TrainSettings

__all__ = ["Schedule"]


class Schedule:
    """The steps of a run with a report, a validation or a checkpoint; a function of the step alone.

    So a run that was stopped and resumed does the same at each step as one that never stopped.
    """

    def __init__(self, settings: TrainSettings, *, start_step: int, save_interval: int) -> None:
        self.start_step = start_step
        self.last_step = start_step + settings.iterations
        self._report_interval = settings.report_interval
        self._validation_interval = settings.validation_interval
        self._save_interval = save_interval

    def reports(self, step: int) -> bool:
        """Whether the step's report is wanted."""
        ends = (self.start_step + 1, self.last_step)
        return step in ends or step % self._report_interval == 0 or self.validates(step)

    def validates(self, step: int) -> bool:
        """Whether its report is to have the accuracy on the validation split."""
        return self._validation_interval > 0 and step % self._validation_interval == 0

    def saves(self, step: int) -> bool:
        """Whether to save after it, whatever the time."""
        return step % self._save_interval == 0

    def next_stop(self, step: int) -> int:
        """Return the next step after which there is something to do, or one before a validation."""
        if step == self.start_step:
            return step + 1
        stops = [_next_multiple(step, each) for each in (self._report_interval, self._save_interval)]
        if self._validation_interval > 0:
            stops.append(max(step + 1, _next_multiple(step, self._validation_interval) - 1))
        return min(self.last_step, *stops)


def _next_multiple(step: int, interval: int) -> int:
    return step - step % interval + interval
