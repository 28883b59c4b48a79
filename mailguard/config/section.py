"""What every table of the file has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
