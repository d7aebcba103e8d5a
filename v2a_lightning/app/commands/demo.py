"""`demo`: a page in a browser on which pictures and videos become sound."""

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from v2a_lightning.checkpoints.registry import MINIATURE
from v2a_lightning.devices import choose_device
from v2a_lightning.errors import UsageError

FONTS = {"font": ("system-ui", "sans-serif"), "font_mono": ("ui-monospace", "monospace")}
ABOUT = "The miniature's models know a drawn world of 28 sound events, and nothing else. Other models: `--checkpoint`."


def demo(
    checkpoint: str = MINIATURE,
    port: int | None = None,
    share: bool = False,
    generator: str | None = None,
    encoder: str | None = None,
    device: str = "auto",
    open_browser: bool = True,
) -> int:
    """Open a page in a browser on which a picture or a video becomes sound.

    The page is for this machine alone (127.0.0.1), loads nothing from elsewhere and works without a network. It shows
    what the mapper made of each frame and what the sound's target lies near: clips the mapper was trained on, where
    the store of the checkpoint's run is there. Ctrl-C ends it.

    Args:
        checkpoint: a checkpoint that `fit` wrote, or a folder of V2APipeline.save_pretrained; by default the mapper
            that comes with the miniature.
        port: of the page; the first free one from 7860 on when not given.
        share: make the page public for three days, through Gradio's servers.
        generator: another checkpoint for the config's generator; a class path where the config has none.
        encoder: another checkpoint for the config's visual encoder.
        device: where to compute; "auto" takes a GPU when there is one.
        open_browser: open the page in the browser.
    """
    if find_spec("gradio") is None:
        raise UsageError("the demo needs Gradio: pip install 'v2a-lightning[demo]'")
    from v2a_lightning.app.demo.examples import write_examples
    from v2a_lightning.app.demo.explanation import find_neighbours
    from v2a_lightning.app.demo.page import CSS, build_page
    from v2a_lightning.app.demo.session import DemoSession
    from v2a_lightning.pipeline import V2APipeline

    import gradio  # isort: skip (the page's module says what it may not do)

    pipeline = V2APipeline.from_pretrained(checkpoint, encoder, generator, choose_device(device))
    pipeline.set_progress_bar_config(disable=True)
    with TemporaryDirectory(prefix="v2a-demo-") as folder:
        session = DemoSession(pipeline, find_neighbours(checkpoint, pipeline), Path(folder))
        about = ABOUT if checkpoint == MINIATURE else f"`{checkpoint}`"
        page = build_page(session, write_examples(Path(folder)), about)
        try:
            page.launch(
                server_name="127.0.0.1",
                server_port=port,
                share=share,
                inbrowser=open_browser,
                theme=gradio.themes.Default(**FONTS),
                css=CSS,
                footer_links=[],
                max_file_size="1gb",
                run_history=False,
                ssr_mode=False,
                mcp_server=False,
            )
        except OSError as error:
            raise UsageError(f"--port {port}: {error}") from error
    return 0
