"""The demo's page. Nothing on it is loaded from elsewhere, and nothing is sent anywhere."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from v2a_lightning.app.demo.explanation import Neighbours
from v2a_lightning.app.demo.session import DemoSession, Sample
from v2a_lightning.app.messages import one_line
from v2a_lightning.errors import UsageError, V2AError
from v2a_lightning.generators import Generator
from v2a_lightning.steering import NEGATIVE_STRENGTH, STRENGTH

# Read by Gradio and the Hub's client when they are imported.
os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}

TITLE = "Sound for pictures and videos"
MOST_SAMPLES = 4
CSS = """
.gradio-container {max-width: 1200px !important}
.pixels img {image-rendering: pixelated}
#status {min-height: 3rem}
/* Gradio leaves room for a second row of pictures. */
#examples .grid-wrap, #frames .grid-wrap {min-height: 0; height: auto; max-height: none; overflow: visible}
.grid-container {height: auto !important}
.spectrogram .image-container, .spectrogram .image-frame, .spectrogram button {width: 100% !important}
.spectrogram img {width: 100% !important; object-fit: fill !important}
@media (max-width: 600px) {#frames .grid-container {grid-template-columns: repeat(5, 1fr) !important}}
"""


class Stopped(Exception):  # noqa: N818 (no error)
    """Somebody pressed the button."""


def build_page(session: DemoSession, examples: Mapping[str, Path], about: str) -> Any:
    """Gradio's page.

    Args:
        session: what it shows.
        examples: files to begin with, by title.
        about: a line of Markdown on the checkpoint.
    """
    import gradio as gr

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.Markdown(f"# {TITLE}\n{about}")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                source = gr.File(label="A picture or a video", height=120, elem_id="source")
                shown = [(str(_thumbnail(path)), title) for title, path in examples.items()]
                chosen = gr.Gallery(
                    shown, label="Or an example", columns=3, height="auto", allow_preview=False, elem_id="examples",
                    elem_classes="pixels", interactive=False, buttons=[],
                )  # fmt: skip
                fields = _fields(gr, session.pipeline.generator)
            with gr.Column(scale=3, min_width=300):
                with gr.Row():
                    button = gr.Button("Make sound", variant="primary", elem_id="make")
                    stop = gr.Button("Stop", elem_id="stop")
                status = gr.Markdown("Choose a picture or a video, or one of the examples.", elem_id="status")
                frames = gr.Gallery(
                    label="Frames", columns=5, height="auto", object_fit="contain", visible=False, elem_id="frames",
                    elem_classes="pixels", interactive=False, buttons=[],
                )  # fmt: skip
                slots = [part for number in range(MOST_SAMPLES) for part in _slot(gr, number)]
                neighbours = gr.Markdown(elem_id="neighbours")
        stops: dict[str | None, Event] = {}
        start = _start(gr, session, list(fields), stops)
        paths = list(examples.values())
        models = {"concurrency_id": "models", "concurrency_limit": 1, "api_visibility": "private"}
        page.load(session.load, show_progress="hidden", api_visibility="private")
        chosen.select(_pick(gr, paths), outputs=source, api_visibility="private")
        source.change(_show_frames(gr, session), source, [frames, status], show_progress="minimal", **models)
        button.click(
            start, [source, *fields.values()], [status, *slots, neighbours], show_progress_on=status,
            trigger_mode="once", **models,
        )  # fmt: skip

        def set_stop(request: gr.Request) -> None:
            if request.session_hash in stops:
                stops[request.session_hash].set()

        stop.click(set_stop, queue=False, api_visibility="private")
        page.unload(set_stop)
    return page


def _fields(gr: Any, generator: Generator) -> dict[str, Any]:
    """What is set on the page, by the names of the pipeline's arguments."""
    usual = generator.sampling()
    prompt = gr.Textbox(label="Text", placeholder="mixed with what is seen", elem_id="prompt")
    with gr.Accordion("More about the texts", open=False):
        texts = {
            "prompt_strength": gr.Slider(0, 1, STRENGTH, step=0.05, label="Strength of the text", info="1: text alone"),
            "negative_prompt": gr.Textbox(label="Negative text", placeholder="guided away from"),
            "negative_strength": gr.Slider(0, 4, NEGATIVE_STRENGTH, step=0.1, label="Strength of the negative text"),
            "prompt_space": gr.Radio(["clap", "clip"], value="clap", label="Space", info="clip: before the mapper"),
        }
    samples = gr.Slider(1, MOST_SAMPLES, 2, step=1, label="Samples")
    with gr.Accordion("Sampling", open=False):
        sampling = {
            "best_of": gr.Slider(1, 8, 1, step=1, label="Best of", info="candidates for each sample"),
            "num_inference_steps": gr.Slider(
                1, 200, usual.get("steps", 1), step=1, label="Steps", visible="steps" in usual
            ),
            "guidance_scale": gr.Slider(
                0, 10, usual.get("guidance", 1), step=0.1, label="Guidance", visible="guidance" in usual
            ),
            "seed": gr.Number(0, label="Seed", precision=0),
        }
    return {"prompt": prompt, "num_waveforms_per_prompt": samples, **texts, **sampling}


def _slot(gr: Any, number: int) -> list[Any]:
    """Where a sample is shown."""
    with gr.Column(visible=False, elem_classes="sample") as group:
        video = gr.Video(
            label=f"Sample {number + 1}, under its picture", height=240, interactive=False, visible=False,
            buttons=["download"],
        )  # fmt: skip
        sound = gr.Audio(label=f"Sample {number + 1}", interactive=False, buttons=["download"])
        picture = gr.Image(show_label=False, interactive=False, buttons=[], height=110, elem_classes="spectrogram")
    return [group, video, sound, picture]


def _filled(gr: Any, samples: Sequence[Sample]) -> list[Any]:
    """The values of all slots."""
    values = []
    for one in samples:
        video = gr.update(value=one.video, visible=one.video is not None)
        values += [gr.update(visible=True), video, one.sound, one.spectrogram]
    empty = [gr.update(visible=False), gr.update(value=None, visible=False), None, None]
    return values + empty * (MOST_SAMPLES - len(samples))


def _start(gr: Any, session: DemoSession, names: Sequence[str], stops: dict[str | None, Event]) -> Callable[..., Any]:
    """What the button does. `names` are those of the values that it is given."""

    def start(source: str | None, request: gr.Request, progress: Any = gr.Progress(), *values: Any) -> list[Any]:  # noqa: B008
        stop = stops[request.session_hash] = Event()

        def on_progress(done: int, total: int) -> None:
            if stop.is_set():
                raise Stopped
            progress((done, total), desc="Making sound")

        try:
            if source is None:
                raise UsageError("choose a picture or a video first")
            progress(0, desc="Reading the picture")
            options = {name: None if value == "" else value for name, value in zip(names, values, strict=True)}
            samples = session.make(Path(source), _allowed(session, options), on_progress)
            lines = _table(session.neighbours, session.nearest(Path(source), options))
            return [f"{len(samples)} made.", *_filled(gr, samples), lines]
        except Stopped:
            message = "Stopped."
        except V2AError as error:
            message = _problem(error, source)
        return [message, *[gr.skip()] * (4 * MOST_SAMPLES + 1)]

    return start


def _allowed(session: DemoSession, options: Mapping[str, Any]) -> dict[str, Any]:
    """Without steps and guidance for a generator that has none."""
    own = session.pipeline.generator.sampling()
    hidden = {"num_inference_steps": "steps", "guidance_scale": "guidance"}
    return {name: value for name, value in options.items() if name not in hidden or hidden[name] in own}


def _show_frames(gr: Any, session: DemoSession) -> Callable[[str | None], tuple[Any, str]]:
    def show_frames(source: str | None) -> tuple[Any, str]:
        if source is None:
            return gr.update(value=None, visible=False), ""
        try:
            frames = session.frames(Path(source))
        except V2AError as error:
            return gr.update(value=None, visible=False), _problem(error, source)
        label = f"What each frame of {session.pipeline.frames.duration:g} s counts"
        return gr.update(value=frames, visible=True, label=label if len(frames) > 1 else "Picture"), ""

    return show_frames


def _pick(gr: Any, paths: Sequence[Path]) -> Callable[..., str]:
    def pick(event: gr.SelectData) -> str:
        return str(paths[event.index])

    return pick


def _problem(error: V2AError, source: str | None) -> str:
    """An error as one line, with the file's name for the place it was uploaded to."""
    line = one_line(error)
    return f"**Error:** {line if source is None else line.replace(source, Path(source).name)}"


def _table(neighbours: Neighbours | None, nearest: Sequence[tuple[str, float]]) -> str:
    if neighbours is None:
        return ""
    rows = "\n".join(f"| {name} | {cosine:.2f} |" for name, cosine in nearest)
    return f"**{neighbours.title}** to what the mapper aimed at\n\n| | cosine |\n|---|---|\n{rows}"


def _thumbnail(path: Path) -> Path:
    """A picture that stands for an example: its own file, or beside a clip the PNG of the same name."""
    return path if path.suffix == ".png" else path.with_suffix(".png")
