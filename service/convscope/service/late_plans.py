"""Plans the jobs that could not be planned before their models were trained."""

import logging

from convscope.service.backend import Backend
from convscope.service.errors import REDIS_AWAY, InvalidRequestError
from convscope.service.validation import plan_late
from convscope.service.validation.estimates import estimated
from convscope.store import LatePlans, NotFoundError, UnplannedJob
from convscope.v1.jobs_pb2 import Failure, FieldViolation

__all__ = ["plan_late_jobs"]

log = logging.getLogger(__name__)


def plan_late_jobs(backend: Backend) -> None:
    """Queue the jobs whose models are ready by now; fail those that do not fit their models.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    late = LatePlans(backend.redis)
    for unplanned in late.waiting():
        try:
            _plan(late, unplanned, backend.max_cost)
        except REDIS_AWAY:
            raise
        except Exception as error:
            log.exception("%s cannot be planned", unplanned.job.name)
            message = f"the service could not plan it ({type(error).__name__}); its log has the details"
            late.fail(unplanned.job, Failure(reason=Failure.REASON_COMPUTATION, message=message))


def _plan(late: LatePlans, unplanned: UnplannedJob, max_cost: float) -> None:
    try:
        plan = plan_late(unplanned.job.spec, unplanned.needed, max_cost=max_cost)
    except InvalidRequestError as error:
        violations = [
            FieldViolation(field=violation.field, description=violation.description) for violation in error.violations
        ]
        message = f"it does not fit {unplanned.needed.name}: {error}"
        late.fail(unplanned.job, Failure(reason=Failure.REASON_INVALID, message=message, violations=violations))
    except NotFoundError as error:
        late.fail(unplanned.job, Failure(reason=Failure.REASON_INVALID, message=str(error)))
    else:
        if plan.spec is None:
            raise ValueError(f"{unplanned.needed.name} is ready, but not described")
        late.plan(unplanned.job, plan.spec, model=plan.model, **estimated(plan.estimate))
