"""The steps of a training run that have a report, a validation or a checkpoint."""

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
        """Return whether a step is reported."""
        ends = (self.start_step + 1, self.last_step)
        return step in ends or step % self._report_interval == 0 or self.validates(step)

    def validates(self, step: int) -> bool:
        """Return whether its report has the accuracy on the validation split."""
        return self._validation_interval > 0 and step % self._validation_interval == 0

    def saves(self, step: int) -> bool:
        """Return whether to save after it, whatever the time."""
        return step % self._save_interval == 0

    def next_stop(self, step: int) -> int:
        """Return the next step that is reported or saved, or that precedes a validation."""
        if step == self.start_step:
            return step + 1
        stops = [_next_multiple(step, interval) for interval in (self._report_interval, self._save_interval)]
        if self._validation_interval > 0:
            stops.append(max(step + 1, _next_multiple(step, self._validation_interval) - 1))
        return min(self.last_step, *stops)


def _next_multiple(step: int, interval: int) -> int:
    return step - step % interval + interval
