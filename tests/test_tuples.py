"""Records are named tuples like typing's, without its work at import."""

from __future__ import annotations

import pickle
from typing import get_type_hints

import pytest

from polint.tuples import NamedTuple


class Place(NamedTuple):
    """A place."""

    line: int
    column: int = 1

    @property
    def text(self) -> str:
        """As messages print it."""
        return f"{self.line}:{self.column}"


def test_fields_defaults_and_methods() -> None:
    place = Place(3)
    assert place == (3, 1)
    assert (place.text, place._replace(column=7).text, Place._make((1, 2)).text) == ("3:1", "3:7", "1:2")
    assert repr(place) == "Place(line=3, column=1)"
    assert (Place.__doc__, Place.__module__, Place.__qualname__) == ("A place.", __name__, "Place")
    assert pickle.loads(pickle.dumps(place)) == place
    with pytest.raises(TypeError):
        Place()  # type: ignore[call-arg]


def test_annotations_stay_text_until_somebody_asks() -> None:
    assert Place.__annotations__ == {"line": "int", "column": "int"}
    assert get_type_hints(Place) == {"line": int, "column": int}
