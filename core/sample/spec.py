"""What can be asked of the sample generator: domains, difficulties, languages and the spec itself."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Difficulty = Literal["easy", "medium", "hard"]

DOMAINS: tuple[str, ...] = ("films", "food", "travel", "sport", "health", "money")
LANGUAGES: tuple[str, ...] = ("en", "de", "es", "fr", "ru", "tr", "ar", "hi", "zh", "vi", "sw", "fi", "el")
GENERATOR_VERSION = 1


class SampleSpec(BaseModel):
    """One build of the sample tasks; equal specs give equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: int = GENERATOR_VERSION
    """Version of the generator whose output is meant; only the present one can be built."""
    seed: int = Field(default=0, ge=0)
    """Seed of every random draw."""
    domain: str | None = None
    """One of `DOMAINS` to draw the English intermediates from it alone; None mixes all."""
    difficulty: Difficulty | None = None
    """Difficulty of the English intermediates; None mixes all."""
    scale: float = Field(default=1.0, gt=0, le=4)
    """Factor on the number of training rows, for example 0.1 in tests."""

    @field_validator("version")
    @classmethod
    def _present_version(cls, value: int) -> int:
        if value != GENERATOR_VERSION:
            raise ValueError(f"The sample generator has version {GENERATOR_VERSION}, not {value}.")
        return value

    @field_validator("domain")
    @classmethod
    def _known_domain(cls, value: str | None) -> str | None:
        if value is not None and value not in DOMAINS:
            raise ValueError(f"No sample domain named {value!r}. Domains: {', '.join(DOMAINS)}.")
        return value

    @property
    def is_study(self) -> bool:
        """Whether only English intermediates in one domain or difficulty are meant, without targets."""
        return self.domain is not None or self.difficulty is not None
