"""Bytes to a checked message: sizes, gzip, JSON, the model; every fault is one `DecodeError`."""

import json
import zlib
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

MAX_PAYLOAD_BYTES: Final = 256 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_MAX_INFLATED_BYTES: Final = 8 * 1024 * 1024
_FAULTS_TOLD: Final = 3


class DecodeError(ValueError):
    """A payload that is no message of its topic.

    `reason` is one of `too_large`, `not_json`, `invalid`, `not_gzip`; the text says what is wrong
    and where, without quoting the payload.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


T = TypeVar("T")


class Codec(Generic[T]):
    """Reads one kind of message."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        # Made when it is used: no program reads all kinds of messages, and each costs memory.
        return TypeAdapter(self._model)

    def decode(self, payload: bytes) -> T:
        """Read JSON bytes. Raises DecodeError."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise DecodeError(
                "too_large", f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are allowed"
            )
        return self._validated(payload)

    def decode_value(self, value: JsonValue) -> T:
        """Read a value that was JSON. Raises DecodeError."""
        return self.decode(json.dumps(value).encode())

    def json_schema(self) -> dict[str, Any]:
        """Give the JSON Schema of the message, for readers in other languages."""
        return self._adapter.json_schema(mode="validation")

    def _validated(self, text: bytes) -> T:
        try:
            return self._adapter.validate_json(text)
        except ValidationError as error:
            raise _translated(error) from error


class CompressibleCodec(Codec[T]):
    """Reads one kind of message that may come gzip-compressed."""

    def _validated(self, text: bytes) -> T:
        return super()._validated(_inflated(text) if text.startswith(_GZIP_MAGIC) else text)


def _inflated(payload: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(payload, _MAX_INFLATED_BYTES)
    except zlib.error as error:
        raise DecodeError("not_gzip", f"damaged gzip: {error}") from error
    if inflater.unconsumed_tail:
        raise DecodeError("too_large", f"inflates to more than {_MAX_INFLATED_BYTES} bytes")
    if not inflater.eof:
        raise DecodeError("not_gzip", "the gzip stream ends too early")
    return plain


def _translated(error: ValidationError) -> DecodeError:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    reason = "not_json" if faults[0]["type"] == "json_invalid" else "invalid"
    told = "; ".join(f"{_place(fault['loc'])}{fault['msg']}" for fault in faults[:_FAULTS_TOLD])
    untold = len(faults) - _FAULTS_TOLD
    more = f" and {untold} more" if untold > 0 else ""
    return DecodeError(reason, told[:500] + more)


def _place(location: tuple[int | str, ...]) -> str:
    path = ".".join(ascii(part)[1:-1] if isinstance(part, str) else str(part) for part in location)
    return f"{path[:120]}: " if path else ""
