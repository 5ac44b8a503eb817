"""All that can be trained: the gallery of models, and the one model on data as they come."""

from __future__ import annotations

from .entries import ENTRIES
from .unscaled import UNSCALED

CATALOGUE = ENTRIES | UNSCALED
