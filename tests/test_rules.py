"""Every rule's own examples hold: the exact places, and nothing else."""

from __future__ import annotations

import pytest

from polint import docs, examples, lint, rule
from polint.exprtext import split_template
from polint.guidance import GUIDE

LOADED = rule.load_builtin()
# What these rest on is always written where they look, or they are about text that either is there or is not.
ALWAYS_KNOWN = frozenset(("expired-suppression", "invalid-suppression"))


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


def test_every_piece_of_the_guide_is_checked_by_a_rule() -> None:
    checked = {piece for one in LOADED.rules for piece in one.guide}
    assert set(GUIDE) - checked == set()


def test_rules_outside_the_guide_are_about_what_it_does_not_say() -> None:
    unguided = {one.name for one in LOADED.rules if not one.guide and one.group != "polint"}
    assert unguided == {"auth-weak"}


WITH_HOLES = [one for one in LOADED.rules if any(hole is not None for _, hole, _, _ in split_template(one.help))]


@pytest.mark.parametrize("checked", WITH_HOLES, ids=lambda checked: checked.name)
def test_page_fills_in_what_the_help_says_of_a_subject(checked: rule.Rule) -> None:
    shown = docs.rule_page(checked, lint.subjects_of).partition("## What to do\n\n")[2].partition("\n\n## ")[0]
    unfilled = "".join(before + ("…" if hole is not None else "") for before, hole, _, _ in split_template(checked.help))
    assert shown != unfilled


@pytest.mark.parametrize("checked", LOADED.rules, ids=lambda checked: checked.name)
def test_rule_is_whole(checked: rule.Rule) -> None:
    """Why, help and references are there, and something shows that it keeps quiet about what it cannot know."""
    assert checked.help
    assert checked.refs
    found, _ = examples.load_examples(checked.path)
    assert any(example.unknown for example in found) or checked.name in ALWAYS_KNOWN
