"""What sweeps find that belongs to no environment known here: left alone, and told to whoever operates Slipway."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from catalog.clock import now
from catalog.columns import Timestamp


class EnvironmentStranger(SQLModel, table=True):
    """Something of no environment known here; ``place``: among stacks, or at targets. It is no tenant's."""

    __tablename__ = "environment_strangers"

    place: str = Field(primary_key=True, max_length=30)
    name: str = Field(primary_key=True, max_length=300)
    since: datetime = Field(default_factory=now, sa_type=Timestamp)
