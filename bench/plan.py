"""How often and how long things are done."""

from dataclasses import dataclass

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """`seconds` is the length of one measurement; each is made `rounds` times, in turn with others."""

    rounds: int
    seconds: int
    starts: int
    streams: int  # idle streams
    servers: int  # of the large catalogue, each with twenty tools
    large: int  # times that 10 MB are fetched in a round

    @classmethod
    def full(cls) -> "Plan":
        return cls(rounds=5, seconds=4, starts=5, streams=10_000, servers=1_000, large=5)

    @classmethod
    def quick(cls) -> "Plan":
        return cls(rounds=2, seconds=1, starts=1, streams=300, servers=30, large=2)
