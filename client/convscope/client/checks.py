"""Checks before anything is sent: types and widths of single values, then the contract's rules on whole requests."""

import numbers
import operator

from google.protobuf.message import Message

from convscope.client.errors import InvalidType, InvalidValue
from convscope.client.paths import argument_path
from convscope.v1.rules import LONGEST_S, violations

__all__ = ["flag", "float32", "int32", "int64", "keep_rules", "real", "resource_name", "seconds", "text", "uint64"]

# Faults that a message lists; further ones are counted.
_MAX_FAULTS = 12

# The largest number that is sent as float32 and does not arrive as infinity.
_LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127


def _whole(field: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool):
        raise InvalidType(f"{field}: {value!r} is not a whole number")
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # raises TypeError unless it is an integer
    except TypeError:
        raise InvalidType(f"{field}: {value!r} is not a whole number") from None
    if not low <= number <= high:
        raise InvalidValue(f"{field}: {number} is not within {low} to {high}")
    return number


def flag(field: str, value: object) -> bool:
    """Return a bool, and refuse anything else."""
    if not isinstance(value, bool):
        raise InvalidType(f"{field}: {value!r} is neither True nor False")
    return value


def int32(field: str, value: object) -> int:
    """Return a whole number that fits 32 bits, NumPy's integers included."""
    return _whole(field, value, -(2**31), 2**31 - 1)


def int64(field: str, value: object) -> int:
    """Return a whole number that fits 64 bits, NumPy's integers included."""
    return _whole(field, value, -(2**63), 2**63 - 1)


def uint64(field: str, value: object) -> int:
    """Return a whole number, 0 to 2**64 - 1, NumPy's integers included."""
    return _whole(field, value, 0, 2**64 - 1)


def real(field: str, value: object) -> float:
    """Return a real number, NumPy's included."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InvalidType(f"{field}: {value!r} is not a number")
    try:
        return float(value)
    except OverflowError:
        raise InvalidValue(f"{field}: the number is too large") from None


def float32(field: str, value: object) -> float:
    """Return a finite number within the range of float32, NumPy's included."""
    number = real(field, value)
    if not abs(number) <= _LARGEST_FLOAT32:  # also refuses NaN
        raise InvalidValue(f"{field}: {number:g} is not a finite number within ±3.4e38, the range of float32")
    return number


def seconds(field: str, value: object) -> float:
    """Return a number of seconds that a duration can hold."""
    number = real(field, value)
    if not abs(number) <= LONGEST_S:  # also refuses NaN
        raise InvalidValue(f"{field}: {number:g} is not a number of seconds")
    return number


def text(field: str, value: object) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str):
        raise InvalidType(f"{field}: {value!r} is not a string")
    if not value:
        raise InvalidValue(f"{field}: must not be empty")
    return value


def resource_name(collection: str, value: object) -> str:
    """Return ``{collection}/{id}`` from such a name or the bare id; the contract's rules check the id."""
    field = collection.removesuffix("s")
    name = text(field, value)
    prefix, slash, identifier = name.rpartition("/")
    if not identifier or (slash and prefix != collection):
        raise InvalidValue(f"{field}: {name!r} is not of the form {collection}/ID")
    return name if slash else f"{collection}/{name}"


def keep_rules(request: Message) -> None:
    """Refuse a request that breaks rules of the contract.

    Raises:
        InvalidValue: Each argument that breaks a rule, and what is allowed.
    """
    broken = {argument_path(fault.field): fault.description for fault in violations(request)}
    if broken:
        faults = [f"{field}: {description}" for field, description in broken.items()]
        more = [f"and {len(faults) - _MAX_FAULTS} more"] if len(faults) > _MAX_FAULTS else []
        raise InvalidValue("; ".join(faults[:_MAX_FAULTS] + more), broken)
