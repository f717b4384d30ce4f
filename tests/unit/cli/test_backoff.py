from __future__ import annotations

from cli.up.backoff import FIRST_S, HEALTHY_S, LONGEST_S, Backoff


def test_pauses_double_up_to_five_seconds() -> None:
    backoff = Backoff()
    assert [backoff.after_exit(0.1) for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_thirty_seconds_of_health_start_over() -> None:
    backoff = Backoff()
    for _ in range(6):
        backoff.after_exit(0.1)
    assert backoff.after_exit(HEALTHY_S - 0.1) == LONGEST_S
    assert backoff.after_exit(HEALTHY_S) == FIRST_S
    assert backoff.failures == 1


def test_a_child_that_never_lives_does_not_overflow() -> None:
    backoff = Backoff()
    assert {backoff.after_exit(0.0) for _ in range(5000)} <= {0.25, 0.5, 1.0, 2.0, 4.0, 5.0}
