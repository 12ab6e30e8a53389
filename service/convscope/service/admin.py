"""``convscope admin``: reports who owns the store, adopts a store, sweeps; needs only Redis and the store."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import redis

from convscope.store import (
    Adoption,
    AdoptionPlan,
    BlobStore,
    Deployment,
    EmbeddedRedis,
    Overview,
    StoreError,
    StoreSettings,
    Sweeper,
    connect_promptly,
    end_on_interrupt,
    survey_deployment,
)

__all__ = ["main"]

# How long to wait between two tries to enter the next epoch, in seconds: it takes some seconds at most.
ADVANCE_PERIOD_S = 0.2


def main(words: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit code: 0, 1 if it was not done, 2 for wrong settings.

    Args:
        words: the command line; default: this process'.
    """
    arguments = _parser().parse_args(words)
    try:
        settings = _settings()
    except ValueError as error:
        return _refuse(error, code=2)
    try:
        with contextlib.closing(connect_promptly(settings.redis_url)) as connection:
            return _run(arguments, connection, BlobStore(settings.artifacts_url))
    except StoreError as error:
        return _refuse(error)
    except redis.RedisError as error:
        return _refuse(f"Redis cannot be used: {error}")


def _settings() -> StoreSettings:
    """Read the environment; if it names no Redis, use that of a ``convscope up`` with the same home directory."""
    settings = StoreSettings.from_environment()
    private = EmbeddedRedis(settings.home / "redis")
    if settings.is_redis_given or not private.socket.exists():
        return settings
    return replace(settings, redis_url=private.url)


def _run(arguments: argparse.Namespace, connection: redis.Redis, blobs: BlobStore) -> int:
    if arguments.command == "status":
        return _status(survey_deployment(connection, blobs), as_json=arguments.json)
    if arguments.command == "adopt":
        return _adopt(Adoption(connection, blobs), dry_run=arguments.dry_run, sure=arguments.yes)
    if arguments.dry_run:
        return _survey(Sweeper(connection, blobs), all_ages=arguments.all)
    return _sweep(connection, blobs, all_ages=arguments.all, force=arguments.force)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="convscope admin",
        description="Look after Redis and the artifact store. While it is in doubt that they belong together, nothing "
        "is deleted.",
        epilog="Environment: CONVSCOPE_REDIS_URL, CONVSCOPE_ARTIFACTS_URL, CONVSCOPE_HOME. Without CONVSCOPE_REDIS_URL "
        "it looks after the private Redis of a `convscope up` that runs in this home, if there is one.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="say what belongs to whom, and why nothing is deleted if so")
    status.add_argument("--json", action="store_true", help="print JSON")
    adopt = commands.add_parser(
        "adopt", help="make this Redis the artifact store's: models are known again by their manifests"
    )
    adopt.add_argument("--dry-run", action="store_true", help="only say what would be done")
    adopt.add_argument("--yes", action="store_true", help="do not ask")
    sweep = commands.add_parser("sweep", help="remove the files that nothing needs")
    sweep.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    sweep.add_argument("--all", action="store_true", help="remove those from before this Redis adopted the store, too")
    sweep.add_argument("--force", action="store_true", help="remove them even if they are most of the store")
    return parser


def _status(overview: Overview, *, as_json: bool) -> int:
    if as_json:
        _say(json.dumps(overview.to_dict(), indent=1))
        return 0
    for title, side in (("Redis", overview.redis), ("Artifact store", overview.store)):
        _say(title)
        for name, value in side.items():
            text = ", ".join(value) if isinstance(value, list) else value
            _say(f"  {name.replace('_', ' ') + ':':<22}{text if text != '' else '-'}")
    for title, names in (
        ("Models without manifest", overview.models_without_manifest),
        ("Manifests without record", overview.manifests_without_record),
        ("Models whose deletion was broken off (delete them again)", overview.deleted_with_record),
        ("Manifests that cannot be read", overview.unreadable),
    ):
        if names:
            _say(f"{title}: {', '.join(names)}")
    if overview.sweep_stopped:
        _say(f"The last sweep stopped: {overview.sweep_stopped}")
    off = f"Deletion: off, because {overview.reason}\nWhat to do: {overview.advice}"
    _say("Deletion: on" if overview.deletes else off)
    return 0


def _adopt(adoption: Adoption, *, dry_run: bool, sure: bool) -> int:
    plan = adoption.plan()
    _say_plan(plan)
    if dry_run:
        return 0
    if not sure and not _confirm("Make this Redis the owner of the artifact store? [y/N] "):
        _say("nothing was changed")
        return 1
    standing, faults = adoption.run(plan)
    for name, fault in faults:
        _say(f"{name} is left alone: {fault}")
    _say(f"{len(plan.restored) - len(faults)} models are known again; the deployment is {standing.redis.deployment}")
    if not standing.deletes:
        _say(f"nothing is deleted yet: {standing}")
    return 0


def _say_plan(plan: AdoptionPlan) -> None:
    if plan.standing.reason:
        _say(f"now: {plan.standing.reason}")
    for manifest in plan.restored:
        _say(f"{manifest.name} is made again")
    for name, reason in plan.left:
        _say(f"{name} is left alone: {reason}")
    _say(
        f"{len(plan.restored)} to be made again, {len(plan.present)} known, {len(plan.deleted)} deleted, "
        f"{len(plan.left)} left alone"
    )


def _survey(sweeper: Sweeper, *, all_ages: bool) -> int:
    survey = sweeper.survey(all_ages=all_ages)
    size = sum(survey.orphans.values())
    _say(f"would remove {len(survey.orphans)} of {survey.count} files, {size} of {survey.size} bytes")
    survey.check()
    return 0


def _sweep(connection: redis.Redis, blobs: BlobStore, *, all_ages: bool, force: bool) -> int:
    deployment = Deployment(connection, blobs.objects)
    while not deployment.advance():
        time.sleep(ADVANCE_PERIOD_S)
    removed = Sweeper(connection, blobs).sweep(all_ages=all_ages, force=force)
    _say(f"removed {removed} files")
    return 0


def _confirm(question: str) -> bool:
    try:
        return input(question).strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _say(line: str) -> None:
    print(line)  # noqa: T201 - what the command is for


def _refuse(error: object, *, code: int = 1) -> int:
    print(f"convscope admin: {error}", file=sys.stderr)  # noqa: T201 - for the person who started it
    return code


if __name__ == "__main__":
    end_on_interrupt()
    sys.exit(main())
