"""Pictures by command: a folder of them added, audited, their index made again, and found as before."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.integration.up_tools import UpProcess
from tests.media_samples import build_clip, encoded, picture
from tests.processes import wait_until

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]


def test_a_folder_of_pictures_is_added_audited_and_rebuilt(tmp_path: Path) -> None:
    model = build_clip(tmp_path / "clip")
    data, folder = tmp_path / "data", tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(encoded(picture(number), "PNG"))
    (folder / "notes.txt").write_text("What the pictures show.", "utf-8")
    asked = {"image": base64.b64encode((folder / "1.png").read_bytes()).decode()}

    def nearfield(*arguments: str) -> Any:
        place = () if arguments[0] == "add" else ("--data-dir", str(data))
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments, *place, "--json"],
            env={**os.environ, "NEARFIELD_MODEL": model, "NEARFIELD_URL": url},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def nearest() -> str:
        request = urllib.request.Request(f"{url}/api/v1/collections/photos/search/by-file", json.dumps(asked).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return str(json.load(answer)["hits"][0]["title"])

    up = UpProcess(data, "--port", "0", "--no-demo", settings={"NEARFIELD_MODEL": model})
    try:
        url = up.ready()
        report = nearfield("add", str(folder), "-c", "photos", "--wait")
        assert (report["accepted"], report["ready"], report["failed"]) == (4, 4, 0), report
        assert nearest() == "1.png"
        assert nearfield("audit")["clean"]
        assert nearfield("rebuild", "photos")["rebuilt"] == [{"collection": "photos", "searchable": 4, "done": True}]
        assert wait_until(nearest, "pictures are found again") == "1.png"
        assert nearfield("audit")["clean"]
    finally:
        up.finish()
