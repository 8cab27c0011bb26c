"""Frozen settings that refuse what they do not know."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """The root of all settings: immutable, and an unknown key is an error, not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
