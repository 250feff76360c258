"""Broken rules of the hub, each with the test that must notice.

`python -m tests.simulation.mutants` tries all, or those of a file.

A mutant is applied to a copy of the package, one at a time. It is an error when no test fails, and also when the text
to replace is no longer there exactly once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "unit" / "hub"


class Mutant(NamedTuple):
    """file: in dwork/hub. test: the name of a test in tests/unit/hub, without `test_`."""

    file: str
    text: str
    replacement: str
    test: str

    @property
    def place(self) -> Path:
        """The file of the test."""
        (path,) = [path for path in TESTS.glob("test_*.py") if f"def test_{self.test}(" in path.read_text()]
        return path


MUTANTS = [
    # -- graph: states, attempts, failures --
    Mutant(
        "graph.py",
        "            for name in fresh:\n                del self.names[name]\n            raise",
        "            raise",
        "an_unknown_predecessor_is_refused_by_name",
    ),
    Mutant("graph.py", "max(next_id, 1 +", "max(0, 1 +", "ids_below_the_next_one_are_not_used_again"),
    Mutant("graph.py", "            if last:\n", "            if False:\n", "a_restored_task_that_was_lost_goes_last"),
    Mutant("graph.py", "node.attempt += 1", "node.attempt += 2", "a_task_that_is_taken_has_one_attempt_more"),
    Mutant(
        "graph.py",
        "        self._move(node, ASSIGNED)\n",
        "        self._move(node, ASSIGNED)\n        node.attempt += 1\n",
        "an_attempt_that_is_adopted_stays_the_same",
    ),
    Mutant(
        "graph.py",
        "self._ready.prepend(released)",
        "self._ready.append(released)",
        "what_a_completion_released_goes_first",
    ),
    Mutant(
        "graph.py",
        "        self._move(node, FAILED)\n        return self._skip_all([node], node)",
        "        self._move(node, FAILED)\n        return []",
        "successors_of_a_failed_task_are_skipped_with_the_culprit",
    ),
    Mutant("graph.py", "if node.state not in ACTIVE:", "if False:", "only_an_active_task_can_be_cancelled"),
    Mutant(
        "graph.py",
        "            self._move(node, READY)\n            node.holder = None\n",
        "            self._move(node, READY)\n",
        "a_task_that_is_put_back_has_no_holder",
    ),
    Mutant(
        "graph.py",
        "            node.attempt -= 1\n        self.put_back(",
        "            pass\n        self.put_back(",
        "an_attempt_that_did_not_start_does_not_count",
    ),
    Mutant(
        "graph.py",
        "            node.attempt -= 1\n        self.suspend(",
        "            pass\n        self.suspend(",
        "an_attempt_that_was_set_aside_does_not_count",
    ),
    Mutant("graph.py", "node.failures += 1", "node.failures += 2", "a_failure_counts_once"),
    Mutant(
        "graph.py",
        "self._ready.last[node] = (losses << 24) + place",
        "pass",
        "a_demoted_task_goes_last_until_it_is_promoted",
    ),
    Mutant(
        "graph.py",
        "self._ready.last.pop(node, None)",
        "pass",
        "a_demoted_task_goes_last_until_it_is_promoted",
    ),
    Mutant(
        "graph.py",
        "                self._move(node, WAITING)\n                node.holder = None\n\n    def release",
        "                self._move(node, WAITING)\n\n    def release",
        "a_suspended_task_leaves_its_holder",
    ),
    Mutant(
        "graph.py",
        "            if not node.waiting and node.state is WAITING:\n                ready",
        "            if node.state is WAITING:\n                ready",
        "a_task_that_is_suspended_twice_is_released_twice",
    ),
    Mutant(
        "graph.py",
        "        self._ready.append(ready)\n\n    def revive",
        "        self._ready.prepend(ready)\n\n    def revive",
        "a_released_task_goes_behind_the_others",
    ),
    Mutant(
        "graph.py",
        "node.holder, node.failures = None, 0",
        "node.holder = None",
        "a_revived_task_has_no_failures",
    ),
    Mutant(
        "graph.py",
        "                    node.culprit = found\n",
        "",
        "a_skipped_task_whose_culprit_is_revived_gets_another_culprit",
    ),
    Mutant(
        "graph.py",
        "            self._move(node, WAITING if node.waiting else READY)\n            node.holder = None\n",
        "            self._move(node, WAITING if node.waiting else READY)\n",
        "a_revoked_task_has_no_holder",
    ),
    Mutant(
        "graph.py",
        "if node not in undone[p]:",
        "if False:",
        "a_task_that_was_added_after_the_end_of_one_before_it_waits_for_that_again",
    ),
    Mutant(
        "graph.py",
        "node.waiting and node.state in (READY, ASSIGNED)",
        "node.waiting and node.state is READY",
        "a_held_task_that_must_wait_for_another_leaves_its_holder",
    ),
    # -- workers: slots, room, waiting Steals, and what dispatch notices --
    Mutant(
        "workers.py",
        "self.slots += slots - worker.slots",
        "self.slots += slots",
        "the_slots_of_a_worker_that_comes_again_count_once",
    ),
    Mutant(
        "workers.py",
        "        self.slots -= worker.slots\n",
        "",
        "the_slots_of_a_worker_that_is_gone_count_no_more",
    ),
    Mutant(
        "workers.py",
        "        self.unpark(worker)\n        self.reshaped.append(worker)\n",
        "        self.reshaped.append(worker)\n",
        "the_slots_of_a_worker_that_is_gone_count_no_more",
    ),
    Mutant(
        "workers.py",
        "        self.reshaped.append(worker)\n        if is_first",
        "        if is_first",
        "a_worker_that_joins_or_leaves_makes_dispatch_reconsider_its_reservations",
    ),
    Mutant(
        "workers.py",
        "        self.reshaped.append(worker)\n\n    def bar",
        "\n    def bar",
        "a_worker_that_joins_or_leaves_makes_dispatch_reconsider_its_reservations",
    ),
    Mutant(
        "workers.py",
        "        self.unpark(worker)\n        self.slots +=",
        "        self.slots +=",
        "the_steal_that_waits_moves_with_its_worker",
    ),
    Mutant(
        "workers.py",
        "        if is_first:",
        "        if False:",
        "what_a_worker_took_before_it_told_its_slots_takes_its_room",
    ),
    Mutant(
        "workers.py",
        "if worker.peer in self.parked:\n            self.touched",
        "if False:\n            self.touched",
        "a_worker_that_has_room_again_is_noticed_by_dispatch",
    ),
    Mutant(
        "workers.py",
        "Parked(worker, n, answers)\n        self.touched.add(worker.peer)",
        "Parked(worker, n, answers)",
        "a_steal_that_waits_is_noticed_by_dispatch",
    ),
    Mutant(
        "workers.py",
        "            self.loaded[worker.location] = worker",
        "            pass",
        "a_worker_that_holds_more_than_it_can_run_is_loaded_until_it_does_not",
    ),
    Mutant(
        "workers.py",
        "        else:\n            self.loaded.pop(worker.location, None)",
        "",
        "a_worker_that_holds_more_than_it_can_run_is_loaded_until_it_does_not",
    ),
    Mutant(
        "workers.py",
        "        if not plain:\n",
        "        if False:\n",
        "a_task_of_several_cores_takes_their_room",
    ),
    Mutant(
        "workers.py",
        "        worker.recalled = False\n",
        "",
        "a_worker_that_has_given_something_up_can_be_asked_for_more",
    ),
    Mutant(
        "workers.py",
        "        pop = worker.held.pop\n",
        "        pop = worker.held.get\n",
        "a_worker_gives_up_only_what_it_holds",
    ),
    Mutant(
        "workers.py",
        "return self.parked.pop(peer, None)",
        "return self.parked.get(peer)",
        "a_steal_that_is_withdrawn_and_put_back_waits_behind_the_others",
    ),
    Mutant(
        "workers.py",
        "self.parked[parked.worker.peer] = parked\n",
        "self.parked = {parked.worker.peer: parked, **self.parked}\n",
        "a_steal_that_is_withdrawn_and_put_back_waits_behind_the_others",
    ),
    Mutant(
        "workers.py",
        "if parked is not None and parked.worker is worker:",
        "if parked is not None:",
        "a_worker_drops_only_its_own_steal",
    ),
    # -- stop, shutdown --
    Mutant("stop.py", "self.reason or reason", "reason", "the_first_reason_of_a_stop_stays"),
    Mutant("stop.py", "max(self.phase, phase)", "phase", "a_later_phase_of_a_stop_never_goes_back"),
    Mutant(
        "stop.py",
        "self.for_later or for_later",
        "for_later",
        "what_is_left_to_another_run_stays_so_when_too_much_fails",
    ),
    Mutant(
        "shutdown.py",
        "end, end - drain_before",
        "end, end",
        "some_seconds_before_the_end_nothing_more_is_started_and_what_runs_is_ended",
    ),
    Mutant(
        "shutdown.py",
        "if running and not was.kills:",
        "if running:",
        "another_stop_does_not_put_off_when_killed_tasks_must_have_ended",
    ),
    Mutant(
        "shutdown.py",
        "self._end_by = step.now + self._patience",
        "pass",
        "a_worker_that_does_not_end_its_tasks_keeps_no_pool_from_ending",
    ),
    Mutant(
        "shutdown.py",
        "is_open = self._state.stop is OPEN",
        "is_open = True",
        "a_pool_that_stops_already_does_not_stop_for_failures",
    ),
    Mutant(
        "shutdown.py",
        "running=halt.now, for_later=False",
        "running=halt.now",
        "halt_now_ends_running_tasks_which_count_as_cancelled",
    ),
    Mutant(
        "shutdown.py",
        "        self._returns.revoke(self._endings.recent(step.now), reason, step)\n",
        "",
        "what_ended_in_the_second_before_the_signal_is_to_run_again_and_what_ended_earlier_is_done",
    ),
    Mutant(
        "shutdown.py",
        "now + 2 * DOUBT",
        "now + DOUBT",
        "a_rank_that_may_have_died_is_a_warning_for_two_seconds",
    ),
    # -- endings --
    Mutant(
        "endings.py",
        "        self._note(nodes, step.now)\n",
        "",
        "an_end_more_than_a_second_before_the_end_of_the_job_counts",
    ),
    Mutant(
        "endings.py",
        "if time >= now - DOUBT for node",
        "for node",
        "an_end_more_than_a_second_before_the_end_of_the_job_counts",
    ),
    Mutant(
        "endings.py",
        "            self.to_cancel.difference_update(nodes)\n",
        "            pass\n",
        "a_cancelled_task_that_is_done_all_the_same_is_to_be_cancelled_no_more",
    ),
    Mutant(
        "endings.py",
        "        self.to_cancel.discard(node)\n",
        "",
        "a_cancelled_task_that_was_killed_is_to_be_cancelled_no_more",
    ),
    Mutant(
        "endings.py",
        "        self.has_failed = True\n",
        "",
        "halt_soon_lets_running_tasks_end",
    ),
    Mutant(
        "endings.py",
        "        self.forget([node], step)\n        skipped",
        "        skipped",
        "a_task_that_failed_for_good_is_no_suspect",
    ),
    Mutant(
        "endings.py",
        "        self._note([node], step.now)\n",
        "",
        "a_failure_in_the_second_before_the_signal_is_none_and_what_was_skipped_for_it_is_not",
    ),
    Mutant(
        "endings.py",
        "        self.forget(skipped, step)\n",
        "",
        "a_suspect_given_back_behind_a_task_is_skipped_with_it",
    ),
    Mutant(
        "endings.py",
        "by_culprit.setdefault(culprit, [])",
        "by_culprit.setdefault(min(by_culprit, default=culprit), [])",
        "skipped_tasks_are_reported_by_culprit",
    ),
    Mutant(
        "endings.py",
        "        self.kill_copies(nodes, step)\n",
        "",
        "the_copy_of_a_task_that_has_ended_elsewhere_is_killed",
    ),
    # -- returns --
    Mutant(
        "returns.py",
        "        state.intake.forget([node.id for node in back])\n",
        "",
        "the_output_of_an_attempt_that_was_taken_back_does_not_count",
    ),
    Mutant(
        "returns.py",
        "            self._endings.cancel([node for node in back if node in to_cancel], step)\n",
        "",
        "a_cancelled_task_that_was_not_started_is_gone_when_it_is_given_back",
    ),
    Mutant(
        "returns.py",
        "elif native and node.state is State.DONE",
        "elif node.state is State.DONE",
        "a_peer_of_the_original_dialect_cannot_take_back_an_end",
    ),
    Mutant(
        "returns.py",
        "State.DONE and node.holder == worker.location:",
        "State.DONE:",
        "only_who_has_ended_a_task_can_take_that_back",
    ),
    Mutant(
        "returns.py",
        " or node.attempt != assigned.attempt:",
        ":",
        "a_transfer_of_an_earlier_attempt_that_never_arrived_takes_nothing_back",
    ),
    Mutant(
        "returns.py",
        "        self._state.retries.suspect(nodes)\n",
        "",
        "the_task_of_a_lost_worker_goes_last",
    ),
    Mutant(
        "returns.py",
        ">= self._state.policy.losses:",
        "> self._state.policy.losses:",
        "the_policy_says_how_many_deaths_are_too_many_and_each_counts_for_the_halt",
    ),
    Mutant(
        "returns.py",
        "node.attempt == attempt and state.stop is OPEN:",
        "node.attempt == attempt:",
        "a_copy_is_not_assigned_again_after_a_stop",
    ),
    Mutant(
        "returns.py",
        "            state.orphans.drop(node, worker.location)\n            return None",
        "            return None",
        "a_copy_that_failed_is_forgotten",
    ),
    Mutant(
        "returns.py",
        "                step.send(other, messages.Cancel((node.id,)))\n",
        "                pass\n",
        "a_task_that_another_worker_has_finished_is_killed_where_it_runs",
    ),
    Mutant(
        "returns.py",
        "            self._endings.to_cancel.discard(node)\n",
        "",
        "a_task_cancelled_at_its_second_worker_that_the_first_has_done_is_done",
    ),
    Mutant(
        "returns.py",
        "        state.retries.acquit(node)\n",
        "",
        "a_copy_that_still_runs_is_assigned_to_its_worker_again_and_is_no_suspect",
    ),
    Mutant(
        "returns.py",
        "        state.orphans.drop(node, worker.location)\n        state.retries",
        "        state.retries",
        "a_copy_that_still_runs_is_assigned_to_its_worker_again_and_is_no_suspect",
    ),
    Mutant(
        "returns.py",
        "        self._endings.kill_copies(self._state.orphans.early(), step)\n\n    def _interrupt",
        "\n    def _interrupt",
        "a_copy_that_began_before_its_predecessor_ran_again_does_not_count",
    ),
    Mutant(
        "returns.py",
        "        self._endings.kill_copies(self._state.orphans.early(), step)\n        self.revoke(",
        "        self.revoke(",
        "a_copy_of_a_task_that_has_got_another_predecessor_does_not_count",
    ),
    # -- outcomes --
    Mutant(
        "outcomes.py",
        "worker.ended += len(good) + len(bad)",
        "worker.ended += len(results)",
        "a_task_that_a_worker_has_ended_counts_once_for_it",
    ),
    Mutant(
        "outcomes.py",
        "                state.workers.give(worker, [node])\n                missing",
        "                missing",
        "a_result_of_another_attempt_is_not_found",
    ),
    Mutant(
        "outcomes.py",
        "if state.stop.interrupts and not is_cancelled:",
        "if state.stop.interrupts:",
        "a_cancelled_task_is_not_retried_while_the_pool_stops",
    ),
    Mutant(
        "outcomes.py",
        "elif result.exit_status == 0 and not in_doubt:",
        "elif result.exit_status == 0:",
        "what_ended_in_the_second_before_the_signal_is_to_run_again_and_what_ended_earlier_is_done",
    ),
    Mutant(
        "outcomes.py",
        "allowed - state.graph.count_failure(node)",
        "allowed - state.graph.count_failure(node) - (node.failures > 1)",
        "a_task_may_say_how_often_it_is_retried",
    ),
    Mutant(
        "outcomes.py",
        "elif not self._repeated(worker, result):",
        "else:",
        "a_result_told_again_is_fine",
    ),
    # -- membership --
    Mutant(
        "membership.py",
        "now, RETURN if slots else 0.0",
        "now, 0.0",
        "a_holder_that_does_not_come_back_is_lost_in_time_and_may_come_still",
    ),
    Mutant(
        "membership.py",
        "            worker.sequence = 0\n",
        "",
        "a_worker_that_comes_over_another_peer_starts_to_number_anew",
    ),
    Mutant(
        "membership.py",
        "        worker.heard = step.now\n",
        "",
        "each_message_of_a_worker_shows_that_it_is_alive",
    ),
    Mutant(
        "membership.py",
        "        if worker.peer is None:\n            worker.joined",
        "        if True:\n            worker.joined",
        "a_worker_joins_once_however_many_messages_it_sends",
    ),
    Mutant(
        "membership.py",
        "        self._state.workers.unpark(worker)\n        reported",
        "        reported",
        "a_steal_that_waits_is_void_when_its_worker_compares",
    ),
    Mutant(
        "membership.py",
        "        reported.update((node.id, node.attempt) for node in owed)\n",
        "",
        "a_worker_that_says_it_has_nothing_in_hand_does_not_lose_what_it_owes",
    ),
    Mutant(
        "membership.py",
        "self._returns.take_back(worker, list(worker.held.values()), Cause.LEFT, reason, step)",
        "self._returns.lose(worker, list(worker.held.values()), Cause.LEFT, reason, step)",
        "a_worker_that_says_goodbye_has_not_died",
    ),
    Mutant(
        "membership.py",
        "[node for node in nodes if node.state is State.READY], worker.location",
        "nodes, worker.location",
        "the_copy_of_a_cancelled_task_is_not_kept",
    ),
    Mutant(
        "membership.py",
        "0.0 if now < self._suspect_until else self._state.policy.silence",
        "self._state.policy.silence",
        "a_silent_worker_is_lost_sooner_when_a_rank_may_have_died",
    ),
    Mutant(
        "membership.py",
        "                worker.heard = now\n",
        "                pass\n",
        "a_hub_that_stood_still_gives_all_another_while_to_be_heard",
    ),
    Mutant(
        "membership.py",
        "                    step.dropped.append(worker.peer)\n",
        "                    pass\n",
        "a_silent_worker_is_lost_and_its_peer_dropped",
    ),
    # -- task control --
    Mutant(
        "task_control.py",
        "                self._endings.to_cancel.add(node)\n",
        "",
        "a_cancelled_task_that_ends_badly_is_killed_and_not_tried_again",
    ),
    Mutant(
        "task_control.py",
        "                workers.take(worker, [node.id])\n",
        "                pass\n",
        "a_task_of_a_peer_of_the_original_dialect_leaves_it_when_it_is_cancelled",
    ),
    Mutant(
        "task_control.py", "        self._held.update(nodes)\n", "", "what_is_held_does_not_start_until_it_is_released"
    ),
    Mutant(
        "task_control.py",
        "        self._held.difference_update(nodes)\n",
        "",
        "what_is_held_does_not_start_until_it_is_released",
    ),
    Mutant(
        "task_control.py",
        "        self._held.add(node)\n",
        "        pass\n",
        "what_was_held_is_held_and_what_was_cancelled_while_it_was_held_too",
    ),
    # -- retries --
    Mutant(
        "retries.py",
        "2.0 ** min(node.failures - 1, 100)",
        "2.0 ** 0",
        "a_failed_task_waits_longer_after_each_failure",
    ),
    Mutant(
        "retries.py",
        "            self._graph.suspend([node])\n",
        "            self._graph.put_back([node])\n",
        "a_failed_task_waits_longer_after_each_failure",
    ),
    Mutant(
        "retries.py",
        "self._due[0][0] <= now:",
        "self._due[0][0] < now:",
        "a_failed_task_waits_longer_after_each_failure",
    ),
    Mutant(
        "retries.py",
        "if self.lost[node] > 1:",
        "if False:",
        "a_task_that_was_lost_twice_is_a_suspect_after_one_worker_turns_out_to_live",
    ),
    Mutant("retries.py", "        self.lost[node] = losses\n", "        pass\n", "the_losses_of_earlier_runs_count"),
    Mutant(
        "retries.py",
        "                self._failed_on.pop(node, None)\n",
        "",
        "a_task_that_has_ended_is_neither_a_suspect_nor_avoided",
    ),
    Mutant(
        "retries.py",
        "                del self.lost[node]\n",
        "                pass\n",
        "a_task_that_has_ended_is_neither_a_suspect_nor_avoided",
    ),
    Mutant(
        "retries.py",
        " or self._startable(avoided, others, slots)[:1]",
        "",
        "a_suspect_that_has_to_wait_does_not_keep_a_retry_from_the_worker_that_idles",
    ),
    Mutant(
        "retries.py",
        "        return nodes[:1]\n",
        "        return nodes\n",
        "suspects_go_out_singly_and_the_rest_together",
    ),
    # -- orphans, intake --
    Mutant(
        "orphans.py",
        "            copies.pop(location, None)\n",
        "            copies.clear()\n",
        "a_copy_is_known_by_worker_and_attempt_until_it_is_dropped",
    ),
    Mutant(
        "orphans.py",
        "[location] = node.attempt",
        "[location] = 1 + node.attempt",
        "a_copy_is_known_by_worker_and_attempt_until_it_is_dropped",
    ),
    Mutant(
        "orphans.py",
        "self._copies.pop(node, {}):",
        "self._copies.get(node, {}):",
        "all_copies_of_an_ended_task_are_to_be_killed",
    ),
    Mutant("intake.py", " += len(new)", " += len(output.data)", "the_bytes_of_a_stream_count_once"),
    Mutant(
        "intake.py",
        "arrived.asked + 1 if total == arrived.asked_at else 1",
        "arrived.asked + 1",
        "missing_output_is_counted_again_when_more_has_come",
    ),
    Mutant("intake.py", "list(bytes))", "[0, 0])", "forgotten_output_has_not_arrived"),
    Mutant(
        "intake.py", "            self._of.pop(id, None)\n", "            pass\n", "forgotten_output_has_not_arrived"
    ),
    # -- hub, dispatch: numbers and wake-ups --
    Mutant(
        "hub.py",
        "native.sequence if native else 0))\n            return step\n",
        "native.sequence if native else 0))\n",
        "a_refused_request_uses_up_no_number_and_the_corrected_one_is_answered",
    ),
    Mutant(
        "hub.py",
        "                worker.sequence = native.sequence\n",
        "                pass\n",
        "a_repeated_sequence_number_is_ignored",
    ),
    Mutant(
        "hub.py",
        "                state.intake.restore(node.id, node.attempt, entry.printed)\n",
        "",
        "a_restarted_hub_takes_what_its_record_lacks",
    ),
    Mutant(
        "dispatch.py",
        "            self.kept.reconsider(worker)\n",
        "",
        "another_worker_is_kept_for_a_large_task_when_the_kept_one_is_gone",
    ),
    Mutant(
        "dispatch.py",
        "        self._graph.release(set_aside)\n",
        "",
        "an_end_that_is_put_off_lets_them_start",
    ),
    Mutant(
        "dispatch.py",
        "for node in self._set_aside if node.state.is_active]",
        "for node in self._set_aside]",
        "a_task_that_would_not_end_in_time_and_was_cancelled_ends_no_run",
    ),
    # -- tasks that wait only for the end of others --
    Mutant(
        "graph.py",
        "(only_end if node in s.after_any else stack).append(s)",
        "stack.append(s)",
        "a_task_runs_when_another_is_done_failed_skipped_or_cancelled",
    ),
    Mutant(
        "graph.py",
        "            self._release(only_end, released)\n",
        "",
        "a_task_runs_when_another_is_done_failed_skipped_or_cancelled",
    ),
    Mutant(
        "node.py",
        "p.state in ACTIVE or p not in self.after_any",
        "p not in self.after_any",
        "it_waits_for_the_end_of_all",
    ),
    Mutant(
        "graph.py",
        "p.state in LOST for p in node.needed",
        "p.state in LOST for p in node.predecessors",
        "a_task_and_the_one_before_it_may_be_retried_together",
    ),
    Mutant(
        "graph.py",
        "                if node in s.after_any:",
        "                if False:",
        "a_join_of_ends_is_open_again_when_one_of_its_tasks_is_retried",
    ),
    Mutant(
        "graph.py",
        "node.state is SKIPPED and all(",
        "node.state is SKIPPED and any(",
        "a_task_that_stays_skipped_has_still_ended",
    ),
    Mutant(
        "graph.py",
        "if is_revived or node.state in _STARTED",
        "if node.state in _STARTED",
        "what_has_run_since_an_end_runs_again_when_that_task_is_retried",
    ),
    Mutant(
        "returns.py",
        "graph.resting_on(nodes) if graph.has_after_any else nodes",
        "nodes",
        "what_runs_since_an_end_is_ended_when_that_task_is_retried",
    ),
    Mutant(
        "returns.py",
        " and node not in kept]",
        "]",
        "what_has_run_since_an_end_runs_again_when_that_task_is_retried",
    ),
    Mutant(
        "links.py",
        "elif predecessor in node.after_any:",
        "elif False:",
        "a_task_that_is_given_back_cannot_wait_for_what_closes_a_cycle_or_for_what_must_have_ended",
    ),
    Mutant(
        "links.py",
        "    if twice is not None:",
        "    if False:",
        "a_name_in_both_lists_is_refused",
    ),
    Mutant(
        "exclusions.py",
        "        if 2 * (workers.barred + (not worker.is_barred)) > len(workers):\n            return False\n",
        "",
        "at_most_half_of_the_workers_are_suspected",
    ),
    Mutant(
        "exclusions.py",
        "            and each.has.cores >= worker.has.cores and each.has.gpus >= worker.has.gpus\n",
        "",
        "a_worker_that_alone_can_run_some_tasks_is_never_suspected",
    ),
    Mutant(
        "exclusions.py",
        "        if suspect is not None and not worker.is_barred:\n            self._acquit(suspect)\n",
        "",
        "a_task_that_fails_elsewhere_too_is_at_fault_and_the_worker_gets_tasks_again",
    ),
    Mutant(
        "exclusions.py",
        "            self._state.graph.forgive(node)",
        "            pass",
        "failures_on_a_suspect_are_no_failures_of_the_tasks",
    ),
    Mutant(
        "exclusions.py",
        "        self._factors[location] = 2 * self._factors.get(location, 1)",
        "        self._factors[location] = 1",
        "the_next_suspicion_takes_twice_as_many_failures",
    ),
]


class Nursery:
    """A copy of the package in a directory, of which one file at a time is broken."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        shutil.copytree(ROOT / "dwork", directory / "dwork", ignore=shutil.ignore_patterns("__pycache__"))
        self._time = 1_000_000_000  # a file that is written twice within a second must not seem unchanged

    def complaint(self, mutant: Mutant) -> str:
        """Return what is wrong with a mutant; empty when its test has noticed it."""
        path = self._directory / "dwork" / "hub" / mutant.file
        whole = path.read_text()
        if whole.count(mutant.text) != 1:
            return f"{mutant.file} has this text {whole.count(mutant.text)} times: {mutant.text!r}"
        try:
            self._write(path, whole.replace(mutant.text, mutant.replacement))
            run = self._run(mutant)
        finally:
            self._write(path, whole)
        if run.returncode == 0:
            return f"{mutant.file} without {mutant.text!r}: no test has failed, not even {mutant.test}"
        return "" if run.returncode == 1 else f"{mutant.test} could not run:\n{run.stdout}"  # 1: tests have failed

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        self._time += 10
        os.utime(path, (self._time, self._time))

    def _run(self, mutant: Mutant) -> subprocess.CompletedProcess[str]:
        test = f"{mutant.place}::test_{mutant.test}"
        options = "-q -x -p no:cacheprovider -p no:hypothesispytest".split()
        command = [sys.executable, "-m", "pytest", *options, "-o", f"pythonpath={self._directory} {ROOT}", test]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def main(files: list[str]) -> int:
    with tempfile.TemporaryDirectory() as directory:
        nursery = Nursery(Path(directory))
        mutants = [mutant for mutant in MUTANTS if not files or mutant.file in files]
        complaints = [complaint for mutant in mutants if (complaint := nursery.complaint(mutant))]
    print(*complaints, f"{len(mutants) - len(complaints)} of {len(mutants)} mutants were caught", sep="\n")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
