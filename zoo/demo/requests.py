"""What the page of a demo may ask for; anything else is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.core.errors import ZooError
from zoo.core.trust import FINITE_JSON
from zoo.models.prompts import MAX_PROMPT_LENGTH

MAX_PARTS, MAX_PICTURES = 6, 64
R = TypeVar("R", bound="Request")
Prompt = Annotated[str, Field(max_length=MAX_PROMPT_LENGTH)]


class Request(BaseModel):
    """A request with known fields of known types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Part(Request):
    """A text of a mixture, and its weight."""

    text: Prompt
    weight: Annotated[float, Field(ge=-10, le=10)] = 1.0


class SampleRequest(Request):
    """Pictures of a generator."""

    parts: Annotated[list[Part], Field(max_length=MAX_PARTS)] = []
    """The mixture; empty for a generator that takes no prompts."""
    count: Annotated[int, Field(ge=1, le=MAX_PICTURES)] = 16
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0
    guidance: Annotated[float, Field(ge=-100, le=100)] = 0.0
    rule: Literal["auto", "sum", "product", "join"] = "auto"


class EditRequest(Request):
    """A picture that is changed from one text to another."""

    to: Prompt
    source: Prompt = ""
    """The text of the picture; empty for none."""
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    guidance: Annotated[float, Field(ge=-100, le=100)] = 0.0


def read_request(kind: type[R], text: str) -> R:
    """Read a request from JSON; ZooError with what is wrong."""
    try:
        value: Any = FINITE_JSON.decode(text)
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise ZooError(f"{where[:80]}: {first['msg'][:120]}") from None
    except (ValueError, RecursionError):
        raise ZooError("the request is not JSON") from None
