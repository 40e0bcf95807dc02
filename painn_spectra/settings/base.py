"""The base of all settings, types they share, and one line for what is wrong in them."""

import json
import reprlib
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from painn_spectra.errors import InputError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # of torch's generators, a member's number added
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
SITE = r"^[A-Z][a-z]?(-[A-Z][a-z]?)?$"
DYNAMICS = r"^(classical|tepigs|t?rpmd([1-9][0-9]*)?)$"
IN_WORDS = {
    NAME: "a name begins with a letter or digit; use letters, digits, - and _ only, 100 at most",
    SITE: "give the index of an atom, or a site: H is every hydrogen, H-O every hydrogen on oxygen",
    DYNAMICS: "use classical, rpmd, trpmd or tepigs; rpmd16 and trpmd16 are ring polymers of 16 beads",
}


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values cannot be changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)


def validate(model: type[S], raw: Any) -> S:
    """Build settings from plain data; raise InputError in one line instead of pydantic's page."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        details = [detail for detail in error.errors() if not _of_the_other_key(detail)]
        raise InputError("; ".join(_one_line(model, detail) for detail in details)) from None


def parse_settings(model: type[S], text: str) -> S:
    """Settings from the JSON text of `--settings`."""
    return validate(model, parse_object(text))


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that `--settings` holds."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--settings {text!r}: not JSON ({error}); pass an object like '{{}}'") from None
    if not isinstance(raw, dict):
        raise InputError(f"--settings {text!r}: not an object; pass one like '{{}}'")
    return raw


def _of_the_other_key(detail: Any) -> bool:
    """A key that may be a number or a word fails as both; what its own type says is enough."""
    other = "constrained-str" if isinstance(detail["input"], int) else "constrained-int"
    return bool(detail["loc"][-2:] == ("[key]", other))


def _one_line(model: type[BaseModel], detail: Any) -> str:
    parts = [
        str(part) for part in detail["loc"] if part not in ("[key]", "constrained-int", "constrained-str")
    ]
    where = ".".join(parts) or model.__name__.lower()
    if detail["type"] == "extra_forbidden":
        owner: Any = model
        for part in detail["loc"][:-1]:
            if isinstance(part, str):
                owner = owner.model_fields[part].annotation
                owner = getattr(owner, "__args__", [owner])[0]
        known = ", ".join(owner.model_fields) if hasattr(owner, "model_fields") else "see config/README.md"
        near = get_close_matches(parts[-1], getattr(owner, "model_fields", ()), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"{where}: unknown setting; {hint}known here are {known}"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "string_pattern_mismatch":
        message = IN_WORDS[detail["ctx"]["pattern"]]
    if detail["type"] == "value_error":
        return message
    return f"{where} = {reprlib.repr(detail['input'])}: {message}; see config/README.md"
