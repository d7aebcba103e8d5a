"""From folders to a page that tells raters nothing, and a key that tells everything."""

import base64
import io
import json
import re
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from tests.listening.conftest import CLIPS, SYSTEMS, folders_of, settings
from v2a_lightning.errors import UsageError
from v2a_lightning.listening.building import build_test
from v2a_lightning.listening.key import Key, read_key
from v2a_lightning.listening.loudness import loudness
from v2a_lightning.listening.plan import find_folders, make_plan
from v2a_lightning.listening.stimuli import low_anchor, read_sounds, silent_video
from v2a_lightning.media import MediaError, probe, read_waveform, write_waveform


def content_of(page: Path) -> dict:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page.read_text(), re.S)
    assert found is not None
    return json.loads(found.group(1))


def heard(content: dict, code: str) -> tuple[np.ndarray, int]:
    """The sound behind a code of a page in one file."""
    return soundfile.read(io.BytesIO(base64.b64decode(content["sounds"][code]["source"].split(",")[1])))


def test_the_page_names_no_system_no_clip_and_no_file(built: tuple[Path, Path, Key], sounds_folder: Path) -> None:
    text = built[0].read_text()
    assert not [name for name in (*SYSTEMS, *CLIPS, "anchor", str(sounds_folder)) if name in text]
    assert "http:" not in text.replace("http://www.w3.org", "")
    assert "https:" not in text


def test_the_key_knows_every_code(built: tuple[Path, Path, Key]) -> None:
    page, key_path, key = built
    content = content_of(page)
    assert read_key(key_path) == key
    assert key_path == page.with_name("page.key.json")
    assert content["test"] == key.test
    assert set(content["sounds"]) == set(key.sounds)
    assert Counter(sound.name for sound in key.sounds.values()) == Counter(
        {"quartz": 4, "basalt": 4, "pumice": 4, "high anchor": 2, "low anchor": 2}
    )
    for code, sound in key.sounds.items():
        assert content["sounds"][code]["clip"] == key.clips[sound.clip_id]
        assert (sound.clip_id in sound.source) == (sound.role != "low")


def test_pairs_are_of_one_clip_and_rotate(built: tuple[Path, Path, Key]) -> None:
    key = built[2]
    assert len(key.blocks) == 3
    met: Counter[tuple[str, frozenset[str]]] = Counter()
    for block in key.blocks:
        assert len(block) == 4 + 1
        for first, second in block:
            assert key.sounds[first].clip_id == key.sounds[second].clip_id
            met[key.sounds[first].clip_id, frozenset((key.sounds[first].name, key.sounds[second].name))] += 1
    systems = {pair: count for pair, count in met.items() if "high anchor" not in pair[1]}
    assert len(systems) == 4 * 3
    assert set(systems.values()) == {1}
    assert sum(met.values()) - len(systems) == 3


def test_sounds_of_a_clip_differ_in_nothing_but_their_sound(built: tuple[Path, Path, Key]) -> None:
    content, key = content_of(built[0]), built[2]
    lengths: dict[str, set[tuple[int, int]]] = {}
    for code, sound in key.sounds.items():
        waveform, rate = heard(content, code)
        lengths.setdefault(sound.clip_id, set()).add((len(waveform), rate))
        assert loudness(waveform.astype(np.float32), rate) == pytest.approx(-23.0, abs=0.6)
    assert list(lengths.values()) == [{(9600, 16_000)}] * 4


def test_videos_lose_their_sound(sounds_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(silent_video(sounds_folder / "media" / f"{CLIPS[0]}.mp4", 0.6))
    info = probe(tmp_path / "video.mp4")
    assert (info.sample_rate, info.width, info.height) == (0, 64, 48)
    assert info.duration == pytest.approx(0.6, abs=0.11)
    with av.open(str(tmp_path / "video.mp4")) as container:
        assert "title" not in container.metadata


def test_the_same_seed_gives_the_same_test(built: tuple[Path, Path, Key], sounds_folder: Path) -> None:
    folders, key = folders_of(sounds_folder, *SYSTEMS), built[2]
    plan = make_plan(folders, 4, 2, 3)
    assert (plan.clips, plan.blocks, list(plan.sounds)) == (key.clips, key.blocks, list(key.sounds))
    assert make_plan(folders, 4, 2, 4).blocks != key.blocks


def test_a_folder_has_page_and_media_and_its_key_beside(sounds_folder: Path, tmp_path: Path) -> None:
    folders = folders_of(sounds_folder, "quartz")
    page, key_path, key = build_test(folders, settings(clips=2, anchors=0), tmp_path / "out")
    content = content_of(page)
    assert page == tmp_path / "out" / "index.html"
    assert key_path == tmp_path / "out.key.json"
    assert key.blocks == ()
    assert {path.name for path in (tmp_path / "out" / "media").iterdir()} == {
        *(f"{code}.flac" for code in key.sounds),
        *(f"{code}.mp4" for code in key.clips.values()),
        "volume.flac",
    }
    assert all((page.parent / sound["source"]).is_file() for sound in content["sounds"].values())
    # The same test again is no harm; another one would make its answers unreadable.
    build_test(folders, settings(clips=2, anchors=0), tmp_path / "out")
    with pytest.raises(UsageError, match="key of another test"):
        build_test(folders, settings(clips=2, anchors=0, seed=9), tmp_path / "out")


def test_without_pictures_relevance_is_not_asked(sounds_folder: Path, tmp_path: Path) -> None:
    folders = find_folders([f"quartz={sounds_folder / 'quartz'}"], None, None)
    page, _, key = build_test(folders, settings(anchors=1, loudness=None), tmp_path / "page.html")
    assert key.asks == ("fidelity",)
    assert content_of(page)["pictures"] == {}
    assert {sound.name for sound in key.sounds.values()} == {"quartz", "low anchor"}
    assert {sound.gain_db for sound in key.sounds.values()} == {0.0}


def test_a_folder_in_use_is_refused(sounds_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        build_test(folders_of(sounds_folder, "quartz"), settings(), tmp_path)


@pytest.mark.parametrize(
    ("systems", "message"),
    [
        (["quartz"], "NAME=DIR"),
        (["a={root}/quartz", "a={root}/basalt"], "given twice"),
        (["a={root}/nowhere"], "--system a .*no such folder"),
        (["a={root}/quartz", "b={root}/other"], "no clip is in every folder"),
    ],
)
def test_wrong_systems_are_named(systems: list[str], message: str, sounds_folder: Path, tmp_path: Path) -> None:
    write_waveform(tmp_path / "other" / "elsewhere_000000.wav", np.zeros(100, np.float32), 16_000)
    roots = [text.replace("{root}/other", str(tmp_path / "other")) for text in systems]
    with pytest.raises(UsageError, match=message):
        find_folders([text.replace("{root}", str(sounds_folder)) for text in roots], None, None)


def test_a_changed_key_is_refused(built: tuple[Path, Path, Key], tmp_path: Path) -> None:
    changed = tmp_path / "key.json"
    changed.write_text(built[1].read_text().replace('"system": "quartz"', '"system": "basalt"'))
    with pytest.raises(UsageError, match="was changed"):
        read_key(changed)
    changed.write_text("[]")
    with pytest.raises(UsageError, match="is no key"):
        read_key(changed)


def test_the_low_anchor_is_dull_and_noisy(sounds_folder: Path) -> None:
    waveform, rate = read_waveform(sounds_folder / "reference" / f"{CLIPS[4]}.wav")
    spoilt = low_anchor(waveform, rate, 1)
    assert spoilt.shape == waveform.shape
    assert np.array_equal(spoilt, low_anchor(waveform, rate, 1))
    assert abs(np.corrcoef(waveform, spoilt)[0, 1]) < 0.8


def test_an_unreadable_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    with pytest.raises(MediaError, match=r"broken\.wav"):
        read_sounds({"a": tmp_path / "broken.wav"}, None)
