"""Every rule's own examples hold: the exact places, and nothing else."""

from __future__ import annotations

import pytest

from polint import examples, lint, rule

LOADED = rule.load_builtin()


def test_every_rule_file_loads() -> None:
    assert [str(error) for error in LOADED.errors] == []


@pytest.mark.parametrize("checked", LOADED.rules, ids=lambda checked: checked.name)
def test_examples_of_the_rule_hold(checked: rule.Rule) -> None:
    assert examples.run(checked, lint.subjects_of) == []


@pytest.mark.parametrize("checked", LOADED.rules, ids=lambda checked: checked.name)
def test_rule_has_a_marked_and_an_unmarked_example(checked: rule.Rule) -> None:
    found, errors = examples.load_examples(checked.path)
    assert errors == []
    marked = [example for example in found if any("[|" in text for text in example.files.values())]
    assert marked, "nothing shows what the rule reports"
    assert len(marked) < len(found), "nothing shows what the rule must pass over"
