"""Runs the supervisor over stand-in children, as a program of its own: it forks, so it must not share a test's process.

``python -m tests.unit.cli.supervised FOLDER CHILDREN.json``. Prints one JSON object per event.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from cli.up.child import Child, ChildSpec, Tier
from cli.up.folder import DataFolder
from cli.up.run_record import RunRecord, take_lock, write_run
from cli.up.supervisor import StopRequested, Supervisor
from services.errors import NearfieldError


def say(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


class Told:
    def died(self, child: Child, status: int, pause_s: float) -> None:
        say("died", name=child.spec.name, status=status, pause_s=pause_s)

    def gave_up(self, child: Child, status: int) -> None:
        say("gave-up", name=child.spec.name, starts=child.starts)

    def stuck(self, child: Child, reason: str) -> None:
        say("stuck", name=child.spec.name, reason=reason)


def spec_of(fields: dict[str, Any]) -> ChildSpec:
    return ChildSpec(
        name=fields["name"],
        command=(sys.executable, "-c", fields["code"]),
        tier=Tier(fields.get("tier", "work")),
        death_signal=fields.get("death_signal", signal.SIGKILL),
        heartbeat=Path(fields["heartbeat"]) if "heartbeat" in fields else None,
        still_limit_s=fields.get("still_limit_s", 60.0),
        oneshot=fields.get("oneshot", False),
    )


def main(root: str, children_file: str) -> int:
    folder = DataFolder(Path(root))
    folder.prepare()
    lock = take_lock(folder, lambda: say("waiting"))
    supervisor = Supervisor(
        folder,
        Told(),
        environment=dict(os.environ),
        lock=lock,
        changed=lambda: write_run(
            folder.run_file, RunRecord.of_this_process("now", "", Path("/nowhere"), supervisor.records())
        ),
    )
    supervisor.listen_to_signals()
    wanted = json.loads(Path(children_file).read_text())
    try:
        children = [supervisor.add(spec_of(fields)) for fields in wanted]
        say("started", supervisor=os.getpid())
        essential = [child for child, fields in zip(children, wanted, strict=True) if fields.get("essential")]
        if essential:
            supervisor.wait_for(lambda: False, what="nothing", limit_s=60.0, essential=essential)
        supervisor.run_until_stopped()
    except StopRequested:
        pass
    except NearfieldError as error:
        say("failed", message=error.message)
    finally:
        say("stopped", killed=supervisor.stop_all())
        supervisor.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
