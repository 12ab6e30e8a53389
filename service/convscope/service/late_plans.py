"""Plans the jobs that could not be planned before their models were made."""

import logging

from convscope.service.backend import Backend
from convscope.service.errors import REDIS_AWAY, InvalidRequestError
from convscope.service.validation import plan_late
from convscope.service.validation.estimates import estimated
from convscope.store import LatePlans, UnplannedJob
from convscope.store.errors import NotFoundError
from convscope.v1.jobs_pb2 import Failure, FieldViolation

__all__ = ["plan_late_jobs"]

log = logging.getLogger(__name__)


def plan_late_jobs(backend: Backend) -> None:
    """Queue the jobs whose models are made by now, or fail those that do not fit them.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    late = LatePlans(backend.redis)
    for each in late.waiting():
        try:
            _plan(late, each, backend.max_cost)
        except REDIS_AWAY:
            raise
        except Exception as error:
            log.exception("%s cannot be planned", each.job.name)
            message = f"the service could not plan it ({type(error).__name__}); its log has the details"
            late.fail(each.job, Failure(reason=Failure.REASON_COMPUTATION, message=message))


def _plan(late: LatePlans, each: UnplannedJob, max_cost: float) -> None:
    try:
        plan = plan_late(each.job.spec, each.needed, max_cost=max_cost)
    except InvalidRequestError as error:
        wrong = [FieldViolation(field=found.field, description=found.description) for found in error.violations]
        message = f"it does not fit {each.needed.name}: {error}"
        late.fail(each.job, Failure(reason=Failure.REASON_INVALID, message=message, violations=wrong))
    except NotFoundError as error:
        late.fail(each.job, Failure(reason=Failure.REASON_INVALID, message=str(error)))
    else:
        if plan.spec is None:
            raise ValueError(f"{each.needed.name} is ready, but not described")
        late.plan(each.job, plan.spec, model=plan.model, **estimated(plan.estimate))
