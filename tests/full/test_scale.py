"""docs/SCALE.md is arithmetic on what one clip takes."""

from tests.full.scale import PerClip, tables

CLIP = PerClip(
    stored_bytes=11_264,
    process_bytes=500,
    writing=2e-4,
    compacting=9e-5,
    opening=1e-6,
    loading=1e-5,
    decoding=0.17,
    embedding=0.002,
    training=2e-5,
)


def test_a_clip_times_clips() -> None:
    text = tables(CLIP)
    for line in (
        "| embeddings, GB | 2.3 | 23 | 1,126 |",
        "| decoding, processor hours | 9.4 | 94 | 4,722 |",
        "| CLIP and CLAP, GPU hours | 0.11 | 1.1 | 56 |",
        "| embedding on one machine of 16 processors and a GPU, hours | 0.59 | 5.9 | 295 |",
        "| such machines for one day | 1 | 1 | 13 |",
        "| memory of a node of 8 processes, not compacted, GB | 19 | 188 | 9,411 |",
        "| opening the compacted form, seconds | 0.2 | 2 | 100 |",
    ):
        assert line in text


def test_what_ends_first_is_first() -> None:
    limits = tables(CLIP).partition("| what ends first |")[2].splitlines()[2:]
    assert limits[0] == "| memory of 512 GB, 8 processes, not compacted | 5.4 |"
    millions = [float(line.split("|")[2].replace(",", "")) for line in limits]
    assert millions == sorted(millions)
