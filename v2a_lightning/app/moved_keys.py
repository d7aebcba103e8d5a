"""Keys of configs that have another name today: whoever gives an old one is told the new one."""

import re

_SPLITS = ("validation_fraction", "validation_clips", "test_split", "max_clips", "passes")
_DECODING = ("num_workers", "timeout", "encoder_batch_size", "keep_still", "backend")
MOVED_KEYS = {
    "data": {
        **{name: f"splits.{name}" for name in _SPLITS},
        **{name: f"decoding.{name}" for name in _DECODING},
        "clip": "encoder",
    },
    "evaluation": {"audioldm": "generator"},
}
_KEY = re.compile(r"""key "(\w+)""")
_UNKNOWN = re.compile(r"Option '(\w+)[\w.]*' is not accepted|unrecognized arguments: --(?:init_args\.)?(\w+)")


def name_moved_key(message: str) -> str:
    """A parser's message about an unknown key, with the key's name of today where it has one."""
    key, unknown = _KEY.search(message), _UNKNOWN.search(message)
    if key is None or unknown is None:
        return message
    old = unknown[1] or unknown[2]
    new = MOVED_KEYS.get(key[1], {}).get(old)
    return f"{message}; {key[1]}.{old} is {key[1]}.{new} now" if new else message
