"""V2A-Lightning: train a mapper from what is seen to what is heard, take it apart, and trust the numbers."""

from v2a_lightning.deferred import install as _defer_imports

__version__ = "0.1.0"

_defer_imports()
