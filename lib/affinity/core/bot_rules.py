"""What tells a program from a person."""

from pydantic import Field

from affinity.core.settings import Settings


class BotRules(Settings):
    """What nobody does on a day without buying anything.

    One day is enough: who is awake in 18 hours of it leaves no night, and who makes 500 events makes one a minute for
    more than eight hours.
    """

    max_events: int = Field(default=500, ge=1, description="Most events of a person on a day without a purchase")
    min_hours: int = Field(default=18, ge=1, le=24, description="Hours of a day with something done in them: no sleep")
    min_events: int = Field(default=30, ge=1, description="Fewest events for the rule of hours")
