"""`download` against a web server on this machine, with real videos."""

import csv
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from v2a_lightning.app.cli import main
from v2a_lightning.media import read_audio, read_frames, write_clip
from v2a_lightning.specs import AudioSpec, FrameSpec

from ..media.conftest import numbered_frames, numbers_of, tone


@dataclass
class Site:
    address: str
    asked: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)


class Handler(SimpleHTTPRequestHandler):
    """Serves files; what is in `site.failing` fails once."""

    site: Site

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.site.asked.append(name)
        if name in self.site.failing:
            self.site.failing.discard(name)
            self.send_error(503)
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    videos = tmp_path / "videos"
    for name, seconds in (("firstfilm00", 3), ("secondfilm0", 3), ("shortfilm00", 1)):
        sound = tone(seconds, 16_000)
        write_clip(videos / f"{name}.mp4", numbered_frames(8 * seconds), 8, np.stack([sound, sound], 1), 16_000)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(videos)))
    Handler.site = Site(f"http://127.0.0.1:{server.server_port}/{{id}}.mp4")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Handler.site
    server.shutdown()
    thread.join()


def arguments(tmp_path: Path, site: Site, *more: str) -> list[str]:
    lines = ["firstfilm00,1,dog,train", "secondfilm0,0,cat,test", "shortfilm00,0,cat,test", "nofilm00000,5,cat,test"]
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    files = ["--csv", str(tmp_path / "clips.csv"), "--output", str(tmp_path / "clips")]
    return ["download", *files, "--site", site.address, "--seconds", "2", "--wait", "0", "--workers", "1", *more]


def outcomes(tmp_path: Path) -> dict[str, tuple[str, str]]:
    with open(tmp_path / "clips" / "outcomes.csv", newline="") as file:
        return {row[0]: (row[1], row[2]) for row in csv.reader(file)}


def test_videos_become_clips_of_their_seconds(tmp_path: Path, site: Site) -> None:
    site.failing = {"secondfilm0.mp4"}
    assert main(arguments(tmp_path, site)) == 0
    clip = tmp_path / "clips" / "firstfilm00_000001.mp4"
    assert numbers_of(read_frames(clip, FrameSpec(8, 2))) == list(range(8, 24))
    video = tmp_path / "videos" / "firstfilm00.mp4"
    wanted = read_audio(video, AudioSpec(16_000, 2.0), start=1.0)
    np.testing.assert_allclose(read_audio(clip, AudioSpec(16_000, 2.0)), wanted, atol=0.06)
    found = outcomes(tmp_path)
    assert found["firstfilm00_000001"] == found["secondfilm0_000000"] == ("downloaded", "")
    assert found["shortfilm00_000000"][1].startswith("short: 1.0")
    assert "404" in found["nofilm00000_000005"][1]
    names = sorted(path.name for path in (tmp_path / "clips").iterdir())
    assert names == ["firstfilm00_000001.mp4", "outcomes.csv", "secondfilm0_000000.mp4"]


def test_what_is_there_is_not_fetched_again(tmp_path: Path, site: Site) -> None:
    assert main(arguments(tmp_path, site, "--split", "train")) == 0
    assert set(site.asked) == {"firstfilm00.mp4"}
    site.asked.clear()
    assert main(arguments(tmp_path, site)) == 0
    assert "firstfilm00.mp4" not in site.asked
    site.asked.clear()
    assert main(arguments(tmp_path, site)) == 0
    assert site.asked == []
    assert main(arguments(tmp_path, site, "--again", "true")) == 1
    assert set(site.asked) == {"shortfilm00.mp4", "nofilm00000.mp4"}


def test_a_limit_and_a_list_are_kept_to(tmp_path: Path, site: Site) -> None:
    (tmp_path / "ids.txt").write_text("secondfilm0_000000\nfirstfilm00_000001\n")
    assert main(arguments(tmp_path, site, "--ids", str(tmp_path / "ids.txt"), "--limit", "1")) == 0
    assert list(outcomes(tmp_path)) == ["firstfilm00_000001"]


def test_a_rate_limit_is_kept_to(tmp_path: Path, site: Site) -> None:
    size = (tmp_path / "videos" / "firstfilm00.mp4").stat().st_size
    begun = time.monotonic()
    assert main(arguments(tmp_path, site, "--split", "train", "--bytes_per_second", str(size // 2))) == 0
    assert time.monotonic() - begun >= 1.5
    assert outcomes(tmp_path)["firstfilm00_000001"] == ("downloaded", "")


def test_an_address_without_an_id_is_refused(tmp_path: Path, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, Site("http://127.0.0.1/video"))) == 2
    assert "has no {id}" in capsys.readouterr().err


def test_the_clips_of_any_data_set_are_fetched(tiny_config: dict[str, Any], tmp_path: Path, site: Site) -> None:
    head = "audiocap_id,youtube_id,start_time,caption\n"
    for name, line in {"train": "1,firstfilm00,1,A dog\n", "val": "", "test": "2,secondfilm0,0,A cat\n"}.items():
        (tmp_path / f"{name}.csv").write_text(head + line)
    arguments = {"media": str(tmp_path / "caps"), "metadata": str(tmp_path)}
    tiny_config["data"] = {"class_path": "v2a_lightning.data_modules.AudioCapsDataModule", "init_args": arguments}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_config))
    command = ["download", "--data", str(tmp_path / "config.yaml"), "--site", site.address, "--seconds", "2"]
    assert main([*command, "--wait", "0"]) == 0
    assert sorted(path.name for path in (tmp_path / "caps").glob("*.mp4")) == [
        "firstfilm00_000001.mp4", "secondfilm0_000000.mp4"
    ]  # fmt: skip
