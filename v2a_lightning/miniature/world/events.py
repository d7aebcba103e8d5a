"""The sound events of the miniature world: what there is to see and hear."""

from dataclasses import dataclass
from typing import Literal

Family = Literal["animal", "vehicle", "instrument", "weather", "tool", "alarm"]


@dataclass(frozen=True)
class Event:
    """One class of sound event; `verb` is what it is doing when it sounds, in a caption.

    When `pitched`, its size is heard as pitch (small is high); when `repeats`, its speed is heard as a rate; when
    `countable`, several of it may be in one scene and are heard as density.
    """

    name: str
    family: Family
    verb: str
    pitched: bool = False
    repeats: bool = False
    countable: bool = False


EVENTS: tuple[Event, ...] = (
    Event("dog", "animal", "barking", pitched=True, repeats=True, countable=True),
    Event("bird", "animal", "chirping", pitched=True, repeats=True, countable=True),
    Event("frog", "animal", "croaking", pitched=True, repeats=True, countable=True),
    Event("cow", "animal", "mooing", pitched=True),
    Event("cricket", "animal", "chirring", pitched=True, repeats=True, countable=True),
    Event("owl", "animal", "hooting", pitched=True),
    Event("car", "vehicle", "driving past"),
    Event("train", "vehicle", "rattling along the rails", repeats=True),
    Event("motorcycle", "vehicle", "revving", pitched=True),
    Event("helicopter", "vehicle", "hovering", repeats=True),
    Event("ship", "vehicle", "blowing its horn", pitched=True),
    Event("drum", "instrument", "being played", pitched=True, repeats=True),
    Event("flute", "instrument", "being played", pitched=True, repeats=True),
    Event("guitar", "instrument", "being strummed", pitched=True, repeats=True),
    Event("bell", "instrument", "ringing", pitched=True, repeats=True),
    Event("piano", "instrument", "being played", pitched=True, repeats=True),
    Event("trumpet", "instrument", "being blown", pitched=True, repeats=True),
    Event("rain", "weather", "falling", countable=True),
    Event("thunder", "weather", "rumbling"),
    Event("wind", "weather", "howling"),
    Event("waves", "weather", "breaking on the shore"),
    Event("tap", "weather", "dripping", pitched=True, repeats=True),
    Event("hammer", "tool", "hitting a nail", pitched=True, repeats=True),
    Event("saw", "tool", "cutting wood", repeats=True),
    Event("drill", "tool", "drilling", pitched=True),
    Event("clock", "tool", "ticking", pitched=True, repeats=True),
    Event("siren", "alarm", "wailing", pitched=True, repeats=True),
    Event("alarm clock", "alarm", "beeping", pitched=True, repeats=True),
)

EVENT_BY_NAME: dict[str, Event] = {event.name: event for event in EVENTS}
EVENT_NAMES: tuple[str, ...] = tuple(event.name for event in EVENTS)
