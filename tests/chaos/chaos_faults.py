"""What the nemesis of a chaos run has in hand: kinds of faults, the deck they are dealt from, and those that last a while."""

import collections
import dataclasses
import typing


@dataclasses.dataclass
class Fault:
    """One kind. `strike` does it and returns when an announced outage began (in ns), or None. `harms_grid`: the grid has to become whole
    again. `is_possible`: whether it can be done (any more)."""
    name: str
    strike: typing.Callable
    harms_grid: bool = True
    is_possible: typing.Callable = lambda: True


class LastingFault:
    """What lasts a while and then ends: a stopped process, a partition, a full disk. It ends whatever happens meanwhile.

    `victims` chooses who is hit, `begin` and `end` get that victim; `live` lets the clients work for so many seconds."""

    LENGTHS_S = ((0.1, 1), (1, 5))  # one of these ranges is chosen each time

    def __init__(self, text, dice, victims, begin, end, live, say):
        self.text, self.dice, self.victims, self.begin, self.end = text, dice, victims, begin, end
        self.live, self.say = live, say

    def strike(self):
        victim = self.victims()
        lasts = self.dice.uniform(*self.dice.choice(self.LENGTHS_S))
        self.say(f"{self.text.format(victim)} for {lasts:.1f} s")
        self.begin(victim)
        try:
            self.live(lasts)
        finally:
            self.end(victim)


class Deck:
    """Deals every kind once, in the order of the dice, before any kind comes again: so none is left out of a short run by chance."""

    def __init__(self, dice, faults):
        self.dice, self.faults = dice, faults
        self.round = []
        self.dealt = collections.Counter({fault.name: 0 for fault in faults})

    def deal(self):
        while True:
            if not self.round:
                self.round = list(self.faults)
                self.dice.shuffle(self.round)
            fault = self.round.pop()
            if fault.is_possible():
                self.dealt[fault.name] += 1
                return fault
