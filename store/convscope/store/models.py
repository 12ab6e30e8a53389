"""The record of every model."""

from collections.abc import Callable, Iterator

import redis

from convscope.store.errors import NotFoundError, StateError
from convscope.store.jobs import records
from convscope.store.jobs.listing import walk_times
from convscope.store.names import parse_name
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts, Value, counted, listed
from convscope.v1.models_pb2 import Model, ModelState

__all__ = ["ModelStore"]


class ModelStore:
    """Models in Redis; their files and histories are blobs. Safe to use from several threads."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def get(self, name: str) -> Model:
        """Return a model without its history.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if the model does not exist.
        """
        model_id = parse_name("models", name)
        fields = records.read_record(self._redis, key("model", model_id))
        if not fields:
            raise NotFoundError(f"{name} does not exist")
        return records.model_from_fields(model_id, fields)

    def ready(self, name: str) -> Model:
        """Return a model that is ready.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if the model does not exist.
            StateError: if it is not READY.
        """
        model = self.get(name)
        if model.state != ModelState.MODEL_STATE_READY:
            state = ModelState.Name(model.state).removeprefix("MODEL_STATE_")
            raise StateError(f"{name} is {state}, not READY")
        return model

    def history_digest(self, name: str) -> str:
        """Return the digest of the blob with a model's history, or ``""``.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if the model does not exist.
        """
        record = key("model", parse_name("models", name))
        state, digest = self._redis.hmget(record, ["state", "history"])
        if not state:
            raise NotFoundError(f"{name} does not exist")
        return records.text(digest) if digest else ""

    def walk(
        self,
        *,
        after: tuple[int, str] | None = None,
        newest_first: bool = True,
        matches: Callable[[Model], bool] = lambda _: True,
    ) -> Iterator[Model]:
        """Iterate over matching models in the order of their creation.

        Args:
            after: only models that follow this one: the time of its creation, in milliseconds, and its id.
            newest_first: whether to begin with the newest.
            matches: returns whether to include a model.
        """
        stored = walk_times(self._redis, KEYS["models"], "model", after, newest_first=newest_first)
        return filter(matches, (records.model_from_fields(model_id, fields) for model_id, fields in stored))

    def restore(self, model: Model, *, since: int, history: str = "") -> bool:
        """Restore the lost record of a ready model, unless there is one.

        Args:
            model: the model as ``get`` returned it.
            since: number of the newest batch of condemned blobs before its files were checked.
            history: digest of its history, or ``""``.

        Returns:
            Whether there is a record now; there is none if one of its files has been or is about to be deleted.
        """
        fields: dict[str, Value] = {"state": "ready", "owner": model.owner}
        fields["model"] = model.SerializeToString(deterministic=True)
        fields |= {"file": model.digest.sha256, "history": history, "created": model.create_time.ToMilliseconds()}
        blobs = [digest for digest in (model.digest.sha256, history) if digest]
        model_id = parse_name("models", model.name)
        return bool(self._scripts.run("restore_model", model_id, since, *counted(fields.items()), *listed(blobs)))

    def delete(self, name: str, *, buried: str | None = None) -> bool:
        """Delete a model; files that nothing else refers to are deleted a little later.

        Args:
            name: of the model.
            buried: field ``created`` of the ready model for which there is a tombstone, ``""`` if there is none; None
                to delete it without one.

        Returns:
            False if the model is ready meanwhile, or is another one, and needs a tombstone first.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if the model does not exist.
            StateError: if its training has not ended.
        """
        arguments = () if buried is None else (buried,)
        status, state = self._scripts.delete("delete_model", parse_name("models", name), *arguments)
        if status == "missing":
            raise NotFoundError(f"{name} does not exist")
        if status == "state":
            raise StateError(f"{name} is {state.upper()}; cancel the job that trains it instead")
        return status == "ok"
