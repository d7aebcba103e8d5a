"""The demo in a browser: from an example to sounds that the referee knows, and what its page says of mistakes."""

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pytest
import soundfile
import torch

from tests.data_modules.test_store import fill
from tests.listening.browser import Browser, running_browser
from tests.pipeline.conftest import media, pipeline
from v2a_lightning.app.cli import main
from v2a_lightning.app.demo.examples import write_examples
from v2a_lightning.app.demo.explanation import find_neighbours, frame_weights
from v2a_lightning.app.demo.session import DemoSession, spectrograms
from v2a_lightning.data_modules import EmbeddingStore
from v2a_lightning.media import probe, read_frames
from v2a_lightning.miniature.referee import load_referee
from v2a_lightning.miniature.world.events import EVENT_NAMES
from v2a_lightning.pipeline import V2APipeline

__all__ = ["media", "pipeline"]

# As long as a page may take on a machine that does much else.
PATIENCE = 150.0
SOUNDS = "document.querySelectorAll('.sample a[download$=\".wav\"]')"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The command in a process of its own, as soon as its page is there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "v2a_lightning", "demo", "--port", str(port), "--open_browser", "false"]
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(folder / "gradio")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        ends = time.monotonic() + PATIENCE
        while "http://" not in (folder / "log").read_text():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < ends, "the demo did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
        # Not by Ctrl-C's signal, which a process of a shell's background ignores.
        process.terminate()
        assert process.wait(timeout=60) in (0, 143)
        assert "Traceback" not in (folder / "log").read_text()
    finally:
        process.kill()


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    with running_browser() as one:
        one.resize(1280, 900)
        one.call("Page.navigate", url=address)
        one.wait_for("document.querySelectorAll('#examples img').length == 6", PATIENCE)
        yield one


def choose(browser: Browser, number: int) -> None:
    """Click on an example, and wait for its frames."""
    browser.evaluate(f"document.querySelectorAll('#examples button')[{number}].click()")
    browser.wait_for("document.querySelector('#frames img')", PATIENCE)


def press(browser: Browser, button: str) -> None:
    browser.evaluate(f"document.querySelector('#{button}').click()")


def test_an_example_becomes_its_sound(browser: Browser, address: str) -> None:
    choose(browser, 1)
    press(browser, "make")
    browser.wait_for(f"{SOUNDS}.length == 2", PATIENCE)
    referee, sounds = load_referee(), []
    for url in browser.evaluate(f"[...{SOUNDS}].map(one => one.href)"):
        assert url.startswith(address)
        with build_opener(ProxyHandler({})).open(url, timeout=30) as answer:
            waveform, rate = soundfile.read(io.BytesIO(answer.read()), dtype="float32")
        assert (rate, len(waveform)) == (16_000, 40_960)
        sounds.append(torch.from_numpy(waveform))
    with torch.inference_mode():
        named = referee(torch.stack(sounds)).argmax(1).tolist()
    assert [EVENT_NAMES[one] for one in named] == ["bell", "bell"]
    assert "bell ringing" in browser.text("#neighbours tbody tr")
    pictures = "[...document.querySelectorAll('.spectrogram img')].filter(one => one.naturalWidth > 300).length"
    browser.wait_for(f"{pictures} == 2")


def test_a_run_is_stopped_and_the_next_one_is_not(browser: Browser) -> None:
    choose(browser, 4)
    browser.wait_for("document.querySelectorAll('#frames img').length == 10", PATIENCE)
    shares = browser.evaluate("[...document.querySelectorAll('#frames .caption-label')].map(one => one.textContent)")
    assert sum(int(share.strip().removesuffix("%")) for share in shares) == pytest.approx(100, abs=5)
    press(browser, "make")
    browser.wait_for("document.querySelector('#status').textContent.includes('Making sound')", PATIENCE)
    press(browser, "stop")
    browser.wait_for("document.querySelector('#status').textContent.includes('Stopped.')", PATIENCE)


def test_an_input_that_cannot_be_used_is_one_line(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    browser.evaluate("document.querySelector('#source button[aria-label]')?.click()")
    browser.wait_for("document.querySelector('#source input[type=file]')")
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    node = browser.call("DOM.querySelector", nodeId=root, selector="#source input[type=file]")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(tmp_path / "notes.txt")])
    browser.wait_for("document.querySelector('#status').textContent.includes('Error: notes.txt')", PATIENCE)
    assert "\n" not in browser.text("#status")


def test_nothing_comes_from_elsewhere(browser: Browser, address: str) -> None:
    assert browser.problems == []
    assert not [url for url in browser.requests if not url.startswith((address, "data:", "blob:", "about:"))]


def test_a_video_is_given_back_with_the_sound(pipeline: V2APipeline, media: Path, tmp_path: Path) -> None:
    session = DemoSession(pipeline, None, tmp_path)
    one, other = session.make(media / "long.mp4", {"num_waveforms_per_prompt": 2})
    assert one.video is not None
    assert (probe(one.video).channels, probe(media / "long.mp4").channels) == (1, 0)
    assert other.sound.name == "long_1.wav"
    assert session.make(media / "still.png", {})[0].video is None
    assert session.nearest(media / "still.png", {}) == []
    # An average weighs no frame more than another, so their times stand there.
    assert [note for _, note in session.frames(media / "short.mp4")] == ["0.16 s", "0.48 s"]
    assert [note for _, note in session.frames(media / "still.png")] == [""]


def test_frames_count_as_the_aggregator_weighs_them(tmp_path: Path) -> None:
    pipeline = V2APipeline.from_pretrained("miniature")
    frames = read_frames(write_examples(tmp_path)[4].file, pipeline.frames)
    weights = frame_weights(pipeline, frames)
    assert weights is not None
    assert sum(weights) == pytest.approx(1)
    # On the last one the car stands behind a fence.
    assert weights.index(min(weights)) == 9
    captions = find_neighbours("miniature", pipeline)
    assert captions is not None
    assert captions.nearest(pipeline.generator.target_of_text(["dog barking"])[0])[0][0] == "dog barking"


def test_training_clips_are_those_of_the_runs_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = EmbeddingStore("data/store", "float32")
    fill(store, ["a", "b", "c"])
    Path("run/checkpoints").mkdir(parents=True)
    Path("run/config.yaml").write_text(json.dumps({"data": {"init_args": {"root": "data"}}}))
    found = find_neighbours("run/checkpoints/last.ckpt", V2APipeline.from_pretrained("miniature"))
    assert found is not None
    assert found.title == "Nearest training clips"
    names, embeddings = found.content
    (name, cosine), *_ = found.nearest(embeddings[names.index("dog (b)")])
    assert (name, cosine) == ("dog (b)", pytest.approx(1))


def test_spectrograms_have_one_scale() -> None:
    time = torch.arange(16_000) / 16_000
    loud = torch.sin(2 * np.pi * 1000 * time)
    one, other = spectrograms(torch.stack([loud, 0.1 * loud]), 16_000).astype(int).sum((1, 2, 3))
    assert one > other


def test_without_gradio_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("v2a_lightning.app.commands.demo.find_spec", lambda name: None)
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == "error: the demo needs Gradio: pip install 'v2a-lightning[demo]'\n"
