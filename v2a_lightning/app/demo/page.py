"""The demo's page. Nothing on it is loaded from elsewhere, and nothing is sent anywhere."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from v2a_lightning.app.demo.examples import Example
from v2a_lightning.app.demo.session import DemoSession, Sample
from v2a_lightning.app.messages import one_line
from v2a_lightning.errors import UsageError, V2AError
from v2a_lightning.generators import Generator
from v2a_lightning.pipeline.steering import NEGATIVE_STRENGTH, STRENGTH

# Read by Gradio and the Hub's client when they are imported.
os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}

TITLE = "Sound for pictures and videos"
MOST_SAMPLES = 4
# Pictures are drawn large, pixel by pixel; Gradio leaves room for rows that are not there.
CSS = """
.gradio-container {max-width: 1200px !important}
#status {min-height: 3rem}
.pixels img {image-rendering: pixelated}
.pixels .grid-wrap {min-height: 0; height: auto; max-height: none; overflow: visible}
.pixels .grid-container {height: auto !important}
.spectrogram .image-container, .spectrogram .image-frame, .spectrogram button {width: 100% !important}
.spectrogram img {width: 100% !important; object-fit: fill !important}
#frames .grid-container {grid-template-columns: repeat(5, minmax(0, 1fr)) !important}
"""


class Stopped(Exception):  # noqa: N818 (no error)
    """Somebody pressed the button."""


def build_page(session: DemoSession, examples: Sequence[Example], about: str) -> Any:
    """Gradio's page.

    Args:
        session: what it shows.
        examples: to begin with.
        about: a line of Markdown on the checkpoint.
    """
    import gradio as gr

    pictures: dict[str, Any] = {
        "height": "auto", "allow_preview": False, "elem_classes": "pixels", "interactive": False, "buttons": [],
    }  # fmt: skip
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.Markdown(f"# {TITLE}\n{about}")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                source = gr.File(label="A picture or a video", height=120, elem_id="source")
                shown = [(str(one.picture), one.title) for one in examples]
                chosen = gr.Gallery(shown, label="Or an example", columns=3, elem_id="examples", **pictures)
                fields = _fields(gr, session.pipeline.generator)
            with gr.Column(scale=3, min_width=300):
                with gr.Row():
                    button = gr.Button("Make sound", variant="primary", elem_id="make")
                    stop = gr.Button("Stop", elem_id="stop")
                status = gr.Markdown("Choose a picture or a video, or one of the examples.", elem_id="status")
                frames = gr.Gallery(columns=5, object_fit="contain", visible=False, elem_id="frames", **pictures)
                slots = [part for number in range(MOST_SAMPLES) for part in _slot(gr, number + 1)]
                neighbours = gr.Markdown(elem_id="neighbours")
        start, set_stop = _start_and_stop(gr, session, list(fields))
        own: dict[str, Any] = {"api_visibility": "private"}
        models = {**own, "concurrency_id": "models", "concurrency_limit": 1}
        page.load(session.load, show_progress="hidden", **own)
        page.unload(set_stop)
        chosen.select(_pick(gr, examples), outputs=source, **own)
        source.change(_show_frames(gr, session), source, [frames, status], show_progress="minimal", **models)
        inputs, outputs = [source, *fields.values()], [status, *slots, neighbours]
        button.click(start, inputs, outputs, show_progress_on=status, trigger_mode="once", **models)
        stop.click(set_stop, queue=False, **own)
    return page


def serve(page: Any, port: int | None, share: bool, open_browser: bool) -> None:
    """Serve a page on this machine until Ctrl-C; UsageError when the port is taken."""
    import gradio as gr

    # No fonts of Google's.
    theme = gr.themes.Default(font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace"))
    own: dict[str, Any] = {"theme": theme, "css": CSS, "footer_links": [], "max_file_size": "1gb"}
    try:
        page.launch(server_name="127.0.0.1", server_port=port, share=share, inbrowser=open_browser, **own)
    except OSError as error:
        taken = "no port from 7860 on is free" if port is None else f"--port {port} is taken"
        raise UsageError(f"{taken}; give another --port") from error


def _fields(gr: Any, generator: Generator) -> dict[str, Any]:
    """What is set on the page, by the names of the pipeline's arguments."""
    usual = generator.sampling()
    fields = {"prompt": gr.Textbox(label="Text", placeholder="mixed with what is seen", elem_id="prompt")}
    with gr.Accordion("More about the texts", open=False):
        fields |= {
            "prompt_strength": gr.Slider(0, 1, STRENGTH, step=0.05, label="Strength of the text", info="1: text alone"),
            "negative_prompt": gr.Textbox(label="Negative text", placeholder="guided away from"),
            "negative_strength": gr.Slider(0, 4, NEGATIVE_STRENGTH, step=0.1, label="Strength of the negative text"),
            "prompt_space": gr.Radio(["clip", "clap"], value="clip", label="Space", info="clip: before the mapper"),
        }
    fields["num_waveforms_per_prompt"] = gr.Slider(1, MOST_SAMPLES, 2, step=1, label="Samples")
    with gr.Accordion("Sampling", open=False):
        fields["best_of"] = gr.Slider(1, 8, 1, step=1, label="Best of", info="candidates for each sample")
        if "steps" in usual:
            fields["num_inference_steps"] = gr.Slider(1, 200, usual["steps"], step=1, label="Steps")
        if "guidance" in usual:
            fields["guidance_scale"] = gr.Slider(0, 10, usual["guidance"], step=0.1, label="Guidance")
        fields["seed"] = gr.Number(0, label="Seed", precision=0)
    return fields


def _slot(gr: Any, number: int) -> list[Any]:
    """Where a sample is shown."""
    own: dict[str, Any] = {"interactive": False, "buttons": ["download"]}
    with gr.Column(visible=False, elem_classes="sample") as column:
        video = gr.Video(label=f"Sample {number}, under its picture", height=240, visible=False, **own)
        sound = gr.Audio(label=f"Sample {number}", **own)
        picture = gr.Image(show_label=False, interactive=False, buttons=[], height=110, elem_classes="spectrogram")
    return [column, video, sound, picture]


def _filled(gr: Any, samples: Sequence[Sample]) -> list[Any]:
    """The values of all slots."""
    values = []
    for one in samples:
        video = gr.update(value=one.video, visible=one.video is not None)
        values += [gr.update(visible=True), video, one.sound, one.spectrogram]
    empty = [gr.update(visible=False), gr.update(value=None, visible=False), None, None]
    return values + empty * (MOST_SAMPLES - len(samples))


def _start_and_stop(gr: Any, session: DemoSession, names: Sequence[str]) -> tuple[Callable[..., Any], ...]:
    """What the two buttons do; `names` are those of the values the first is given."""
    stops: dict[str | None, Event] = {}

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
            samples = session.make(Path(source), options, on_progress)
            return [f"{len(samples)} made.", *_filled(gr, samples), _table(session, Path(source), options)]
        except Stopped:
            message = "Stopped."
        except V2AError as error:
            message = _problem(error, source)
        return [message, *[gr.skip()] * (4 * MOST_SAMPLES + 1)]

    def set_stop(request: gr.Request) -> None:
        stops.pop(request.session_hash, Event()).set()

    return start, set_stop


def _show_frames(gr: Any, session: DemoSession) -> Callable[[str | None], tuple[Any, str]]:
    def show_frames(source: str | None) -> tuple[Any, str]:
        hidden = gr.update(value=None, visible=False)
        try:
            frames = [] if source is None else session.frames(Path(source))
        except V2AError as error:
            return hidden, _problem(error, source)
        label = f"What each frame of {session.pipeline.frames.duration:g} s counts" if len(frames) > 1 else "Picture"
        return gr.update(value=frames, visible=True, label=label) if frames else hidden, ""

    return show_frames


def _pick(gr: Any, examples: Sequence[Example]) -> Callable[..., str]:
    def pick(event: gr.SelectData) -> str:
        return str(examples[event.index].file)

    return pick


def _problem(error: V2AError, source: str | None) -> str:
    """An error as one line, with the file's name for the place it was uploaded to."""
    line = one_line(error)
    return f"**Error:** {line if source is None else line.replace(source, Path(source).name)}"


def _table(session: DemoSession, source: Path, options: dict[str, Any]) -> str:
    if session.neighbours is None:
        return ""
    rows = "\n".join(f"| {name} | {cosine:.2f} |" for name, cosine in session.nearest(source, options))
    return f"**{session.neighbours.title}** to what the mapper aimed at\n\n| | cosine |\n|---|---|\n{rows}"
