"""The door to pyarrow, which has no types of its own: strict checking of its callers would find nothing but that."""

from typing import Any

import pyarrow  # pyright: ignore[reportMissingTypeStubs]

pa: Any = pyarrow
