"""Settings of the menus and prompts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class IvrOptions(BaseModel):
    """Where menus and sounds are, and how patient they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flows: str = Field("", description="folder of flow files; empty: the shipped ones")
    prompts: str = Field(
        "", description="folder with the house's own recordings, looked at first; empty: shipped only"
    )
    speech_command: list[str] = Field(
        [],
        description="program that speaks a house's own texts, as a list of arguments; {text}, {language}, "
        "{voice} and {output} (a WAV file to write) are filled in; empty: none",
    )
    speech_voices: dict[str, str] = Field(
        default_factory=dict, description="voice per language, handed to speech_command as {voice}"
    )
    speech_seconds: float = Field(60.0, ge=1, le=600, description="most one text may take to speak")
    digit_seconds: float = Field(5.0, ge=1, le=60, description="wait for the first key")
    tries: int = Field(3, ge=1, le=10, description="invalid or missing input before the flow's way out")
    step_margin_seconds: float = Field(
        3.0, ge=1, le=30, description="silence of the service tolerated beyond a step's own time"
    )
    max_steps: int = Field(
        100, ge=10, le=10_000, description="steps in one call before it goes to the fallback queue"
    )
    max_calls: int = Field(500, ge=1, le=10_000, description="FastAGI connections at once")
