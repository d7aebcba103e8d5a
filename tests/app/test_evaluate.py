import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.app.conftest import CLIPS
from tests.evaluation.conftest import RATE, sound
from v2a_lightning.app.cli import main
from v2a_lightning.evaluation import EvaluationSuite
from v2a_lightning.evaluation.score_files import read_score_file
from v2a_lightning.media import read_waveform, resample, write_clip, write_waveform


def run(folders: Path, extractors: dict[str, str], *options: str, made: str = "made", own: str = "own") -> int:
    ears = [word for name, path in extractors.items() for word in (f"--{name}", path)]
    paths = ["--generated", str(folders / made), "--output", str(folders / "scores.json")]
    reference = ["--reference", str(folders / own)] if own else []
    return main(["evaluate", *paths, *reference, *ears, "--resamples", "20", *options])


def scores(folders: Path) -> dict[str, dict[str, object]]:
    return json.loads((folders / "scores.json").read_text())["metrics"]


def test_same_numbers_as_the_suite_that_training_uses(folders: Path, extractors: dict[str, str]) -> None:
    assert run(folders, extractors) == 0
    suite = EvaluationSuite(**extractors)
    for clip in CLIPS:
        suite.add(clip, *(read_waveform(folders / side / f"{clip}.wav") for side in ("made", "own")))
    expected = suite.compute()
    found = scores(folders)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert abs(found[name]["value"] - value) <= 1e-6, name


def test_scores_have_cards_intervals_and_clips(
    folders: Path, extractors: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "made" / "generation.json").write_text(json.dumps({"steps": 10, "guidance": 2.5, "seed": 3}))
    assert run(folders, extractors, "--name", "ours") == 0
    content = json.loads((folders / "scores.json").read_text())
    assert content["name"] == "ours"
    for name, metric in content["metrics"].items():
        assert metric["card"]["metric"] == name
        assert metric["card"]["generation"] == {"steps": 10, "guidance": 2.5, "seed": 3}
        assert len(metric["card"]["weights_sha256"]) == 64
        assert metric["card"]["n_generated"] == 7
        assert metric["clip_ids"] == CLIPS
    low, high = content["metrics"]["kl"]["interval"]
    assert low < content["metrics"]["kl"]["value"] < high
    assert len(content["metrics"]["kl"]["replicates"]) == 20
    assert content["metrics"]["fd"]["interval"] is None
    printed = capsys.readouterr().out
    assert "FD ↓" in printed
    assert "95 % interval" in printed
    assert "no fad_infinity: needs at least 16 pairs; there are 7" in printed
    assert not list(folders.glob("*.tmp*"))


def test_sounds_against_themselves(folders: Path, extractors: dict[str, str]) -> None:
    assert run(folders, extractors, made="own") == 0
    found = scores(folders)
    for name in ("fd", "fad", "kl", "kad"):
        assert abs(found[name]["value"]) <= 1e-6, name


def test_any_rate_channels_and_format(folders: Path, extractors: dict[str, str]) -> None:
    for index in (2, 5):
        # Going to twice the rate and back loses the last hertz below the highest frequency, which random tags hear.
        there_and_back = resample(resample(sound(100 + index), RATE, 2 * RATE), 2 * RATE, RATE)
        soundfile.write(folders / "made" / f"{CLIPS[index]}.wav", there_and_back, RATE, subtype="FLOAT")
    assert run(folders, extractors) == 0
    plain = scores(folders)["kl"]["per_clip"]
    # The same sounds as 24-bit FLAC, as stereo whose mean they are, at twice the rate; and one in a lossy format.
    for index, clip in enumerate(CLIPS):
        (folders / "made" / f"{clip}.wav").unlink()
        waveform = sound(100 + index)
        if index == 0:
            soundfile.write(folders / "made" / f"{clip}.ogg", waveform, RATE)
        elif index % 3 == 0:
            soundfile.write(folders / "made" / f"{clip}.flac", waveform, RATE, subtype="PCM_24")
        elif index % 3 == 1:
            stereo = np.stack([waveform + 0.1, waveform - 0.1], axis=1)
            soundfile.write(folders / "made" / f"{clip}.wav", stereo, RATE, subtype="FLOAT")
        else:
            soundfile.write(
                folders / "made" / f"{clip}.wav", resample(waveform, RATE, 2 * RATE), 2 * RATE, subtype="FLOAT"
            )
    assert run(folders, extractors) == 0
    found = scores(folders)["kl"]["per_clip"]
    assert found[0] > 0
    assert found[1:] == pytest.approx(plain[1:], abs=0.02)


def test_options_may_come_from_a_file(folders: Path, extractors: dict[str, str]) -> None:
    options = {"generated": "made", "reference": "own", "resamples": 20, "output": "scores.json", **extractors}
    paths = {name: str(folders / options[name]) for name in ("generated", "reference", "output")}
    (folders / "options.yaml").write_text(json.dumps(options | paths | {"resamples": 10}))
    assert main(["evaluate", "--config", str(folders / "options.yaml"), "--resamples", "5", "--device", "cpu"]) == 0
    assert json.loads((folders / "scores.json").read_text())["resamples"] == 5
    by_file = scores(folders)
    assert run(folders, extractors) == 0
    assert {name: metric["value"] for name, metric in scores(folders).items()} == {
        name: metric["value"] for name, metric in by_file.items()
    }


def test_sounds_of_another_maker_are_told(
    folders: Path, extractors: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    made = {"seed": 3, "sounds": {clip: {"seed": 1} for clip in CLIPS[1:]}}
    (folders / "made" / "generation.json").write_text(json.dumps(made))
    assert run(folders, extractors) == 0
    assert scores(folders)["fd"]["card"]["generation"] == {"seed": 3}
    told = f"1 sounds are not in generation.json; what made them is not known: {CLIPS[0]}"
    assert told in capsys.readouterr().out


def test_unpaired_and_faulty_are_said(
    folders: Path, extractors: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "own" / f"{CLIPS[0]}.wav").unlink()
    (folders / "made" / f"{CLIPS[1]}.wav").unlink()
    write_waveform(folders / "made" / f"{CLIPS[2]}.wav", np.zeros(RATE, np.float32), RATE)
    assert run(folders, extractors) == 0
    printed = capsys.readouterr().out
    assert f"1 generated sounds have no reference and are left out: {CLIPS[0]}" in printed
    assert f"1 references have no generated sound and are left out: {CLIPS[1]}" in printed
    assert f"WARNING: 1 of 5 generated sounds are silent (20.0%): {CLIPS[2]}" in printed
    assert scores(folders)["fd"]["card"]["n_reference"] == 5
    assert scores(folders)["fd"]["card"]["silent_share"] == pytest.approx(0.2)


def test_features_are_kept_by_content(folders: Path, extractors: dict[str, str]) -> None:
    assert run(folders, extractors) == 0
    kept = list((folders / "cache").rglob("*.safetensors"))
    assert len(kept) == 7 * 3 + 7 * 2
    first = scores(folders)
    # The same names with other content must not be taken for the same.
    for index, clip in enumerate(CLIPS):
        write_waveform(folders / "made" / f"{clip}.wav", sound(500 + index), RATE)
    assert run(folders, extractors) == 0
    assert scores(folders)["fd"]["value"] != first["fd"]["value"]
    assert len(list((folders / "cache").rglob("*.safetensors"))) == 14 * 3 + 7 * 2
    assert run(folders, extractors, "--seconds", "1.5") == 0
    assert len(list((folders / "cache").rglob("*.safetensors"))) == 21 * 3 + 14 * 2


def test_films_give_clip_scores(folders: Path, extractors: dict[str, str], weights: Path) -> None:
    random = np.random.default_rng(0)
    for clip in CLIPS[:6]:
        frames = random.integers(0, 255, (12, 32, 32, 3), dtype=np.uint8)
        write_clip(folders / "media" / f"{clip}.mp4", frames, 8.0, None)
    options = ("--media", str(folders / "media"), "--clip", str(weights / "clip"), "--seconds", "1.5")
    assert run(folders, extractors, *options) == 0
    found = scores(folders)
    assert found["cs"]["card"]["n_generated"] == 6
    assert found["cs"]["card"]["frames"].startswith("4 a second of the first 1.5 s, clip:")
    assert abs(found["cs"]["value"]) <= abs(found["cs_mean_frame"]["value"]) <= 100
    # Without references, as for pictures that have no sound of their own.
    assert run(folders, extractors, *options, own="") == 0
    assert set(scores(folders)) == {"is", "cs", "cs_mean_frame"}


def test_labels_give_clap_scores(folders: Path, extractors: dict[str, str], weights: Path) -> None:
    (folders / "vggsound.csv").write_text("".join(f"{clip[:4]},10,a dog barks,test\n" for clip in CLIPS))
    options = ("--clap", str(weights / "clap"), "--csv", str(folders / "vggsound.csv"))
    assert run(folders, extractors, *options) == 0
    found = scores(folders)
    assert -100 <= found["clap_text"]["value"] <= 100
    assert found["clap_audio"]["card"]["extractor"] == "clap:clap"
    assert found["clap_text"]["clip_ids"] == CLIPS
    assert run(folders, extractors, *options, made="own") == 0
    assert scores(folders)["clap_audio"]["value"] == pytest.approx(100.0, abs=1e-4)


def bad_input(folders: Path, extractors: dict[str, str], case: str) -> int:
    if case == "missing folder":
        return run(folders, extractors, made="nowhere")
    if case == "no pair":
        write_waveform(folders / "others" / "x_000000.wav", sound(0), RATE)
        return run(folders, extractors, own="others")
    if case == "unreadable files":
        for clip in CLIPS[1:]:
            (folders / "made" / f"{clip}.wav").write_bytes(b"this is no sound")
        return run(folders, extractors)
    if case == "output is an input":
        return run(folders, extractors, "--output", str(folders / "made" / ".." / "made" / f"{CLIPS[3]}.wav"))
    if case == "output is the csv":
        (folders / "scores.csv").write_text("id00,10,dog,test\n")
        options = ("--output", str(folders / "scores.csv"), "--csv", str(folders / "scores.csv"), "--clap", "x")
        return run(folders, extractors, *options)
    if case == "one clip only":
        write_waveform(folders / "single" / f"{CLIPS[0]}.wav", sound(0), RATE)
        return run(folders, extractors, made="single")
    if case == "wrong weights":
        return run(folders, extractors | {"tagger": extractors["vggish"]})
    if case == "no weights":
        return run(folders, extractors | {"vggish": str(folders / "nothing.pth")})
    if case == "unknown metric":
        return run(folders, extractors, "--metrics=[pesq]")
    if case == "metric without its package":
        return run(folders, extractors, "--metrics=[fd_passt]")
    if case == "no such csv":
        return run(folders, extractors, "--csv", "labels.csv")
    if case == "bad csv":
        (folders / "labels.csv").write_text("clip,label\n")
        return run(folders, extractors, "--csv", str(folders / "labels.csv"), "--clap", "x")
    if case == "bad generation.json":
        (folders / "made" / "generation.json").write_text("{")
        return run(folders, extractors)
    if case == "unknown option in a file":
        (folders / "options.yaml").write_text("loudness: 3\n")
        return run(folders, extractors, "--config", str(folders / "options.yaml"))
    if case == "short seconds":
        return run(folders, extractors, "--seconds", "0.2")
    return run(folders, extractors, "--loudness", "3")


BAD_INPUT = {
    "missing folder": (2, "--generated {folder}/nowhere: there is no such folder"),
    "no pair": (2, "nothing to compare"),
    "unreadable files": (1, f"6 of 7 clips cannot be used; the first: {{folder}}/made/{CLIPS[1]}.wav: undecodable"),
    "output is an input": (2, f"made/{CLIPS[3]}.wav is an input and would be written over; give another --output"),
    "output is the csv": (2, "scores.csv is an input and would be written over; give another --output"),
    "one clip only": (2, f"only one clip to score ({CLIPS[0]})"),
    "wrong weights": (2, "config.json: holds a 'vggish', not a 'cnn14'"),
    "no weights": (2, "nothing.pth"),
    "unknown metric": (2, "metrics: there is no metric 'pesq'; there are default, fd, fad"),
    "metric without its package": (2, "PaSST needs the package hear21passt, which is not installed: pip install"),
    "no such csv": (2, "labels.csv"),
    "bad csv": (2, "labels.csv, line 1: 2 columns where 4 are expected"),
    "bad generation.json": (2, "generation.json: is no file of settings of generated sounds"),
    "short seconds": (2, "--seconds is 1 or more, not 0.2"),
    "unknown option": (2, "loudness"),
    "unknown option in a file": (
        2,
        "--config {folder}/options.yaml: there is no option 'loudness'; there are generated",
    ),
}


@pytest.mark.parametrize("case", list(BAD_INPUT))
def test_bad_input_gets_one_line_and_its_exit_code(
    folders: Path, extractors: dict[str, str], capsys: pytest.CaptureFixture[str], case: str
) -> None:
    code, message = BAD_INPUT[case]
    assert bad_input(folders, extractors, case) == code
    error = capsys.readouterr().err.strip()
    assert message.format(folder=folders) in error
    assert [line for line in error.splitlines() if not line.startswith("left out: ")] == [error.splitlines()[-1]]
    assert not (folders / "scores.json").exists()


def test_one_broken_sound_does_not_stop_the_others(
    folders: Path, extractors: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "made" / f"{CLIPS[0]}.wav").unlink()
    (folders / "own" / f"{CLIPS[3]}.wav").unlink()
    assert run(folders, extractors) == 0
    without = scores(folders)
    write_waveform(folders / "own" / f"{CLIPS[3]}.wav", sound(3), RATE)
    (folders / "made" / f"{CLIPS[0]}.wav").write_bytes(b"no")
    (folders / "own" / f"{CLIPS[3]}.wav").write_bytes(b"no")
    capsys.readouterr()
    assert run(folders, extractors) == 1
    told = capsys.readouterr()
    assert f"WARNING: 2 of 7 clips are left out: {CLIPS[0]}, {CLIPS[3]}" in told.out
    assert "2 of 7 clips were left out; " in told.err
    file = read_score_file(folders / "scores.json")
    assert list(file.left_out) == [CLIPS[0], CLIPS[3]]
    assert f"own/{CLIPS[3]}.wav: undecodable" in file.left_out[CLIPS[3]]
    assert scores(folders) == without, "the rest is scored as if nothing had been"


def test_labels_are_read_as_everywhere_and_counted(
    folders: Path, extractors: dict[str, str], weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "".join(f'{clip[:4]}, 10,"dog, {clip}",test\r\n\r\n' for clip in CLIPS[:5])
    (folders / "vggsound.csv").write_bytes(f"\ufeff{lines}".encode())
    options = ("--clap", str(weights / "clap"), "--csv", str(folders / "vggsound.csv"))
    assert run(folders, extractors, *options) == 0
    assert scores(folders)["clap_text"]["clip_ids"] == CLIPS[:5]
    told = f"5 of 7 clips have a label in {folders / 'vggsound.csv'}; without one, and without a CLAP-score to a text: "
    assert told + f"{CLIPS[5]}, {CLIPS[6]}" in capsys.readouterr().out


def test_help_imports_no_torch() -> None:
    modules = "v2a_lightning.app.commands.evaluate, v2a_lightning.app.commands.compare"
    program = f"import sys, {modules}; print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "False"
