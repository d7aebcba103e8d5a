"""Shares of a data set's clips: what each of several processes, or of several jobs, embeds."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.errors import UsageError
from v2a_lightning.media.remote import is_packed


@dataclass(frozen=True)
class Share:
    """Part `index` of `count` equal parts, counted from 0. It depends on the clips' ids alone, not on what is done."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Share":
        """A share as people write it, such as 3/8, counted from 1; UsageError when it is none."""
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        index, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= index <= count:
            raise UsageError(f"--shard is a part and how many there are, from 1/8 to 8/8, not {text!r}")
        return cls(index - 1, count)

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"

    def part(self, rank: int, ranks: int) -> "Share":
        """What one of several processes does of this share."""
        return Share(self.index + self.count * rank, self.count * ranks)

    def of(self, clips: Sequence[Clip]) -> list[Clip]:
        """The share of some clips, in the order of their ids. Compressed tars are dealt out as a whole, for each is
        decompressed from its beginning to its end."""
        plain = sorted((clip for clip in clips if not is_packed(clip.path)), key=lambda clip: clip.clip_id)
        tars: dict[str, list[tuple[int, Clip]]] = defaultdict(list)
        for clip in clips:
            if is_packed(clip.path):
                tars[clip.path.root].append((clip.path.offset or 0, clip))
        mine = [tars[root] for root in sorted(tars)[self.index :: self.count]]
        in_place = [clip for members in mine for _, clip in sorted(members, key=lambda member: member[0])]
        return plain[self.index :: self.count] + in_place
