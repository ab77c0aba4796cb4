"""Units on an engine: each is completed once, whatever happens to workers."""

import pytest

from lpcnet_cq.work.engine import LATE_S, LOST, MOST_LOSSES, Here, all_results, completed


class Scripted:
    """An engine on which the script says how long each start of a unit takes, and whether its worker is lost.

    `script` has for each unit the results of its starts, pairs of seconds and result. Time moves in `wait` only.
    """

    def __init__(self, script, slots):
        self.script, self.slots, self.now_s = {unit: list(starts) for unit, starts in script.items()}, slots, 0.0
        self.running, self.most, self.started, self.closed = {}, 0, [], False

    def clock(self):
        return self.now_s

    def start(self, ticket, unit):
        seconds, result = self.script[unit].pop(0)
        self.started.append(unit)
        self.running[ticket] = self.now_s + seconds, result
        self.most = max(self.most, len(self.running))

    def wait(self, timeout_s):
        ticket = min(self.running, key=lambda t: self.running[t][0])
        end_s, result = self.running[ticket]
        if end_s > self.now_s + timeout_s:
            self.now_s += timeout_s
            return []
        self.now_s = max(self.now_s, end_s)
        del self.running[ticket]
        return [(ticket, result)]

    def close(self):
        self.closed = True


def run(script, slots=2):
    engine = Scripted(script, slots)
    return list(completed(list(script), engine, engine.clock)), engine


def test_no_more_units_run_than_there_are_slots():
    found, engine = run({i: [(1.0, 10 * i)] for i in range(7)}, slots=3)
    assert sorted(found) == [(i, 10 * i) for i in range(7)] and engine.most == 3 and engine.closed


def test_a_unit_whose_worker_was_lost_starts_again_and_is_completed_once():
    found, engine = run({"a": [(1.0, LOST), (1.0, 1)], "b": [(3.0, 2)], "c": [(1.0, 3)]})
    assert sorted(found) == [("a", 1), ("b", 2), ("c", 3)] and engine.started.count("a") == 2


def test_a_unit_that_ends_its_workers_is_given_up_and_others_are_not():
    found, engine = run({"bad": [(1.0, LOST)] * MOST_LOSSES, "good": [(2.0, 1)]}, slots=1)
    assert found == [("bad", LOST), ("good", 1)] and engine.started.count("bad") == MOST_LOSSES


def test_a_late_unit_gets_a_second_copy_and_the_first_result_counts():
    found, engine = run({"late": [(1e9, 1), (1.0, 2)], "b": [(1.0, 3)], "c": [(1.0, 4)]})
    assert found == [("b", 3), ("c", 4), ("late", 2)] and engine.started.count("late") == 2
    assert LATE_S < engine.now_s < 2 * LATE_S


def test_a_second_copy_that_ends_later_is_not_counted():
    script = {"late": [(LATE_S + 2, 1), (5.0, 2)], "b": [(1.0, 3)], "long": [(LATE_S + 10, 4), (90.0, 5)]}
    found, _ = run(script)
    assert sorted(found) == [("b", 3), ("late", 1), ("long", 4)]


def test_late_units_get_no_copies_where_slots_were_lost():
    class Shrinking(Scripted):
        def wait(self, timeout_s):
            self.slots = 1
            return super().wait(timeout_s)

    engine = Shrinking({unit: [(10 * LATE_S, unit), (1.0, unit)] for unit in "abc"}, 3)
    assert len(list(completed("abc", engine, engine.clock))) == 3 and engine.started == ["a", "b", "c"]


def test_results_are_in_the_order_of_the_units_and_a_lost_one_is_an_error():
    engine = Scripted({"a": [(3.0, 1)], "b": [(1.0, 2)]}, 2)
    assert all_results(["a", "b"], engine) == [1, 2]
    with pytest.raises(ValueError, match="worked on a was lost 3 times"):
        all_results(["a"], Scripted({"a": [(1.0, LOST)] * MOST_LOSSES}, 1))


def test_an_exception_closes_the_engine():
    engine = Scripted({"a": [(1.0, 1)], "b": [(1.0, 2)]}, 1)
    found = completed(["a", "b"], engine, engine.clock)
    next(found)
    found.close()
    assert engine.closed


def test_work_in_this_process_runs_in_order():
    assert list(completed("abc", Here(str.upper))) == [("a", "A"), ("b", "B"), ("c", "C")]
