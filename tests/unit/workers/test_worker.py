from __future__ import annotations

import celery.worker.state
import pytest

from workers.worker import is_stopping


@pytest.mark.parametrize("flag", ["should_stop", "should_terminate"])
@pytest.mark.parametrize(("value", "stopping"), [(None, False), (False, False), (0, True), (True, True)])
def test_a_task_feels_that_celery_was_told_to_stop(
    monkeypatch: pytest.MonkeyPatch, flag: str, value: object, stopping: bool
) -> None:
    """Celery notes the exit status to leave with, and that is 0."""
    monkeypatch.setattr(celery.worker.state, flag, value)
    assert is_stopping() == stopping
