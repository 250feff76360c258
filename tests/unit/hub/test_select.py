"""Which tasks are meant by names, #ids and globs."""

from __future__ import annotations

import pytest

from dwork.core import events as e
from dwork.core import messages as m
from dwork.core.messages import Verb
from dwork.core.task import Task
from tests.stage import Stage, fail, one_of_each


def test_tasks_are_told_by_name_number_and_glob_and_each_counts_once(stage: Stage) -> None:
    stage.create("x.0", "x.1", "y.0", "[x]")
    stage.heard()
    assert stage.order(Verb.HOLD, "#1", "x.1", "[xz].?", "#1") == m.OK(n=2)
    assert stage.heard() == [e.Held(100.0, [(1, "x.1"), (0, "x.0")])]


def test_a_name_goes_before_a_number_and_a_glob(stage: Stage) -> None:
    stage.create("a", "#0", "*")
    assert stage.order(Verb.CANCEL, "#0") == m.OK(n=1)
    assert stage.states() == "ready cancelled ready"
    assert stage.order(Verb.HOLD, "*") == m.OK(n=1)
    assert stage.states() == "ready cancelled waiting"
    assert stage.order(Verb.HOLD, "**") == m.OK(n=1)
    assert stage.states() == "waiting cancelled waiting"


def test_a_glob_means_only_those_that_fit_and_maybe_none(stage: Stage) -> None:
    one_of_each(stage)
    stage.heard()
    assert stage.order(Verb.RETRY, "*ed") == m.OK(n=2)
    assert stage.order(Verb.RETRY, "d*") == m.OK(n=0)
    assert [type(event) for event in stage.heard()] == [e.Revived]


def test_cases_are_told_apart(stage: Stage) -> None:
    stage.create("A", "a")
    assert stage.order(Verb.CANCEL, "A*") == m.OK(n=1)
    assert stage.states() == "cancelled ready"


@pytest.mark.parametrize("verb", Verb)
def test_joins_are_never_meant(stage: Stage, verb: Verb) -> None:
    stage.create("a", Task("j.1", None, ("a",)), Task("j.2", None))
    if verb is Verb.RETRY:
        fail(stage, "a")
    for name in ("j.1", "j.2", "#1"):
        assert "has nothing to run" in stage.refused(verb, name)
    assert stage.order(verb, "j*") == m.OK(n=0)


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nosuch", "there is no task 'nosuch'"),
        ("#9", "there is no task '#9'"),
        ("#", "there is no task '#'"),
        ("#-1", "there is no task '#-1'"),
        ("#" + "9" * 5000, "there is no task '#99"),
        ("", "there is no task ''"),
        ("z*", "no task name matches 'z[*]'"),
    ],
)
def test_a_task_that_is_not_there_is_an_error_and_nothing_is_done_to_the_others(
    stage: Stage, verb: Verb, text: str, reason: str
) -> None:
    one_of_each(stage)
    stage.order(Verb.HOLD, "ready")
    fitting = {Verb.CANCEL: "ready", Verb.RETRY: "failed", Verb.HOLD: "another", Verb.RELEASE: "ready"}[verb]
    stage.create("another")
    assert stage.refused(verb, fitting, "*", text).startswith(reason.replace("[*]", "*"))
    assert stage.order(verb, fitting) == m.OK(n=1)
    stage.take()
