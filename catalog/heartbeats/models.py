"""The heartbeats of workers, relay and process host."""

from datetime import datetime

from sqlalchemy import Column, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from catalog.columns import Timestamp


class Heartbeat(SQLModel, table=True):
    """The latest sign of life of one process; ``capabilities`` are words such as ``relay`` or ``target:local``."""

    __tablename__ = "heartbeats"

    process: str = Field(primary_key=True)
    kind: str
    capabilities: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    missing: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    at: datetime = Field(sa_type=Timestamp)
