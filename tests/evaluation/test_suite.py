import dataclasses
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.evaluation.conftest import RATE, add_clips, sound
from v2a_lightning.distances import frechet_distance
from v2a_lightning.encoders import ClipEncoder
from v2a_lightning.errors import UsageError
from v2a_lightning.evaluation import CATALOGUE, EvaluationSuite, KullbackLeibler
from v2a_lightning.evaluation.extractors import Wav2CLIP, Wav2CLIPConfig, load_extractor
from v2a_lightning.evaluation.frames import FrameSampling, default_clip
from v2a_lightning.evaluation.reading import ClipFiles
from v2a_lightning.media import read_frames, resample, write_clip, write_waveform
from v2a_lightning.specs import FrameSpec

CLIPS = [f"clip{index:02d}_000000" for index in range(18)]
REFERENCES = [sound(index) for index in range(18)]
GENERATED = [sound(100 + index) for index in range(18)]


def frames(seed: int, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 512, generator=torch.Generator().manual_seed(seed))


FRAMES = [frames(index, 1 + index % 4) for index in range(18)]


@pytest.fixture(scope="module")
def suite(extractors: dict[str, str]) -> EvaluationSuite:
    """A suite that has all clips."""
    suite = EvaluationSuite(**extractors)
    add_clips(suite, CLIPS, GENERATED, RATE, REFERENCES, FRAMES, frames_described="4 a second")
    return suite


def test_everything_is_measured(suite: EvaluationSuite) -> None:
    values = suite.compute()
    optional = {"clap_audio", "clap_text", "fd_passt", "kl_passt", "is_passt", "imagebind", "desync"}
    assert set(values) == set(CATALOGUE) - optional
    assert set(suite.scores().missing) == {"clap_audio", "clap_text"}
    assert all(np.isfinite(list(values.values())))
    assert values["fd"] > 0 < values["fad"]
    assert values["kl"] > 0
    assert 1 <= values["is"] <= 12


def test_numbers_equal_extractors_and_formulas_by_hand(suite: EvaluationSuite, extractors: dict[str, str]) -> None:
    tagger, vggish = load_extractor("cnn14", extractors["tagger"]), load_extractor("vggish", extractors["vggish"])
    wav2clip = load_extractor("wav2clip", extractors["wav2clip"])
    made, own = (torch.from_numpy(np.stack(side)) for side in (GENERATED, REFERENCES))
    made, own = made - made.mean(1, keepdim=True), own - own.mean(1, keepdim=True)
    values = suite.compute()
    with torch.no_grad():
        made_tags, own_tags = tagger(made), tagger(own)
        assert values["fd"] == pytest.approx(frechet_distance(made_tags.embedding, own_tags.embedding), rel=1e-4)
        kl = KullbackLeibler()
        kl.update(made_tags.logits, own_tags.logits)
        assert values["kl"] == pytest.approx(float(kl.compute()), rel=1e-4)
        fad = frechet_distance(vggish(made).flatten(0, 1), vggish(own).flatten(0, 1))
        assert values["fad"] == pytest.approx(fad, rel=1e-4)
        cosines = [
            torch.nn.functional.cosine_similarity(audio[None], seen).mean()
            for audio, seen in zip(wav2clip(made), FRAMES, strict=True)
        ]
    assert values["cs"] == pytest.approx(100 * float(torch.stack(cosines).mean()), abs=1e-3)


def test_true_sounds_against_themselves(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    add_clips(suite, CLIPS, REFERENCES, RATE, REFERENCES)
    values = suite.compute()
    for name in ("fd", "fad", "kad", "kl", "kl_sigmoid", "fad_infinity"):
        assert abs(values[name]) <= 1e-6, name
    for name in ("precision", "recall", "coverage", "density"):
        assert values[name] == pytest.approx(1.0, abs=1e-12), name


def test_order_and_batches_do_not_matter(suite: EvaluationSuite, extractors: dict[str, str]) -> None:
    other = EvaluationSuite(**extractors)
    for index in reversed(range(18)):
        part = slice(index, index + 1)
        add_clips(other, CLIPS[part], GENERATED[part], RATE, REFERENCES[part], FRAMES[part])
    assert other.compute() == suite.compute()


def test_a_clip_that_comes_again_counts_once(suite: EvaluationSuite, extractors: dict[str, str]) -> None:
    other = EvaluationSuite(**extractors)
    add_clips(other, CLIPS[:2], REFERENCES[:2], RATE, REFERENCES[:2])
    add_clips(other, CLIPS, GENERATED, RATE, REFERENCES, FRAMES)
    assert other.compute() == suite.compute()


def test_features_of_references_are_extracted_once_and_outlive_a_reset(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    extracted = []
    extract = suite._extract
    suite._extract = lambda side, *sound: extracted.append(side) or extract(side, *sound)  # type: ignore[method-assign]
    for _ in range(2):
        add_clips(suite, CLIPS[:3], GENERATED[:3], RATE, REFERENCES[:3])
        suite.compute()
        suite.reset()
    assert extracted == ["generated", "reference"] * 3 + ["generated"] * 3


def test_without_references_only_what_needs_none(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    add_clips(suite, CLIPS[:4], GENERATED[:4], RATE, None, FRAMES[:4])
    assert set(suite.compute()) == {"is", "cs", "cs_mean_frame"}
    assert suite.scores().missing["fd"] == "needs at least 2 pairs; there are 0"
    assert suite.scores().missing["is_splits"] == "needs at least 10 sounds; there are 4"


def test_one_clip_has_no_distribution(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    add_clips(suite, CLIPS[:1], GENERATED[:1], RATE, REFERENCES[:1])
    assert set(suite.compute()) == {"kl", "kl_sigmoid"}
    assert suite.scores().missing["fad"] == "needs at least 2 pairs; there is 1"
    assert suite.scores().missing["is"] == "needs at least 2 sounds; there is 1"


def test_clips_of_one_and_the_same_sound_have_no_kernel_distance(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    add_clips(suite, CLIPS[:3], GENERATED[:3], RATE, GENERATED[3:4] * 3)
    values = suite.compute()
    assert values["fd"] > 0
    assert "kad" not in values
    assert "there is no bandwidth" in suite.scores().missing["kad"]


def test_faulty_sounds_are_counted_and_silence_warned_of(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    made = list(GENERATED[:6])
    made[0] = np.zeros_like(made[0])
    made[1] = np.full_like(made[1], np.nan)
    made[2] = made[2][:8000]
    made[3] = np.clip(50 * made[3], -1, 1)
    add_clips(suite, CLIPS[:6], made, RATE, REFERENCES[:6])
    with pytest.warns(UserWarning, match=r"1 of 6 generated sounds are silent \(16.7%\): clip00_000000"):
        values = suite.compute()
    assert all(np.isfinite(list(values.values())))
    faults = "\n".join(suite.faults())
    assert "1 of 6 generated sounds are not finite (16.7%): clip01_000000" in faults
    assert "1 of 6 generated sounds are short (16.7%): clip02_000000" in faults
    assert "1 of 6 generated sounds are clipped (16.7%): clip03_000000" in faults
    card = suite.card("kl")
    assert (card.n_generated, card.n_reference) == (5, 5), "a sound that is not finite has no features"
    assert card.silent_share == pytest.approx(1 / 6)
    assert card.clipped_share == pytest.approx(1 / 6)


def test_no_warning_without_silence(suite: EvaluationSuite) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        suite.compute()


def test_every_number_has_its_card(suite: EvaluationSuite, extractors: dict[str, str]) -> None:
    suite.compute()
    cards = suite.cards({"steps": 10})
    assert set(cards) == set(suite.compute())
    card = cards["fd"]
    assert card.weights_sha256 == load_extractor("cnn14", extractors["tagger"]).weights_sha256
    assert (card.sample_rate, card.n_generated, card.n_reference) == (16_000, 18, 18)
    assert card.generation == {"steps": 10}
    assert card.frames == ""
    assert cards["cs"].frames == f"4 a second, clip:{suite.clip.fingerprint[:16]}"
    assert cards["cs"].formula != cards["cs_mean_frame"].formula
    assert cards["fad"].extractor.startswith("vggish:")
    assert card.label == ""
    with pytest.raises(ValueError, match="no metric 'clap_text'"):
        suite.card("clap_text")


def test_seconds_are_part_of_the_card_and_of_the_number(suite: EvaluationSuite, extractors: dict[str, str]) -> None:
    cropped = EvaluationSuite(**extractors, seconds=1.0)
    add_clips(cropped, CLIPS, GENERATED, RATE, REFERENCES)
    assert cropped.compute()["fd"] != suite.compute()["fd"]
    assert cropped.card("fd").crop != suite.card("fd").crop
    shortened = EvaluationSuite(**extractors)
    first = [[waveform[:RATE] for waveform in side] for side in (GENERATED, REFERENCES)]
    add_clips(shortened, CLIPS, first[0], RATE, first[1])
    assert shortened.compute()["fd"] == pytest.approx(cropped.compute()["fd"], rel=1e-6)


def test_sides_may_have_their_own_rates(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    faster = [resample(waveform, RATE, 44_100) for waveform in REFERENCES[:4]]
    add_clips(suite, CLIPS[:4], REFERENCES[:4], RATE, faster, reference_rate=44_100)
    mismatched = EvaluationSuite(**extractors)
    add_clips(mismatched, CLIPS[:4], REFERENCES[:4], RATE, faster)
    assert suite.compute()["kl"] < mismatched.compute()["kl"] / 5


def test_intervals_hold_the_value(suite: EvaluationSuite) -> None:
    scores = suite.scores(resamples=100, seed=1).found
    for name, score in scores.items():
        interval = score.interval(CATALOGUE[name].floor)
        if name in ("fd", "fad", "is_splits", "fad_infinity"):
            assert interval is None
        else:
            assert interval is not None
            assert interval[0] <= score.value <= interval[1], name
    assert suite.scores(resamples=100, seed=1).found["kad"].replicates.equal(scores["kad"].replicates)
    assert scores["kl"].per_clip is not None
    assert float(scores["kl"].per_clip.mean()) == pytest.approx(scores["kl"].value)


def test_features_are_kept_by_content_and_extractor(tmp_path: Path, extractors: dict[str, str]) -> None:
    first = EvaluationSuite(**extractors, cache=tmp_path)
    add_clips(first, CLIPS[:3], GENERATED[:3], RATE, REFERENCES[:3])
    assert (first.cache.hits, first.cache.misses) == (0, 15), "references are in no CLIP-score"
    renamed = EvaluationSuite(**extractors, cache=tmp_path)
    add_clips(renamed, ["x", "y", "z"], GENERATED[:3], RATE, REFERENCES[:3])
    assert (renamed.cache.hits, renamed.cache.misses) == (15, 0)
    assert renamed.compute() == first.compute()
    changed = EvaluationSuite(**extractors, cache=tmp_path)
    add_clips(changed, CLIPS[:1], [GENERATED[0] * np.float32(0.5)], RATE)
    assert changed.cache.misses == 3
    cropped = EvaluationSuite(**extractors, cache=tmp_path, seconds=1.5)
    add_clips(cropped, CLIPS[:1], GENERATED[:1], RATE)
    assert cropped.cache.misses == 3
    # A damaged entry is made again.
    for path in tmp_path.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:20])
    again = EvaluationSuite(**extractors, cache=tmp_path)
    add_clips(again, CLIPS[:3], GENERATED[:3], RATE, REFERENCES[:3])
    assert again.cache.misses == 15
    assert again.compute() == first.compute()


def test_wrong_input_is_named(extractors: dict[str, str]) -> None:
    suite = EvaluationSuite(**extractors)
    with pytest.raises(ValueError, match=r"not \(2, 40960\)"):
        add_clips(suite, CLIPS[:1], [np.stack(GENERATED[:2])], RATE)


def test_construction_loads_nothing() -> None:
    suite = EvaluationSuite(tagger="/nowhere/at/all", vggish="/nowhere", wav2clip="/nowhere")
    assert dataclasses.asdict(suite.crop) == {"seconds": None}
    with pytest.raises(Exception, match="/nowhere/at/all"):
        add_clips(suite, CLIPS[:1], GENERATED[:1], RATE)


def test_the_miniatures_numbers_say_so() -> None:
    from v2a_lightning.miniature.world.scenes import describe_clip
    from v2a_lightning.miniature.world.sounds import synthesise

    waveforms = [synthesise(describe_clip(5, "test", index)).mean(0) for index in range(4)]
    suite = EvaluationSuite()
    add_clips(suite, CLIPS[:4], waveforms, RATE, waveforms)
    values = suite.compute()
    for name in ("fd", "fad", "kad", "kl"):
        assert abs(values[name]) <= 1e-6, name
    assert values["is"] > 2, "four sounds of four events"
    assert {card.label for card in suite.cards().values()} == {"miniature"}


def test_the_clip_scores_clip_is_the_suites_own(extractors: dict[str, str], tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), dtype=np.uint8)
    write_clip(tmp_path / "a.mp4", pictures, 8.0, None)
    write_waveform(tmp_path / "a.wav", GENERATED[0], RATE)
    suite = EvaluationSuite(["cs"], wav2clip=extractors["wav2clip"], clip=extractors["clip"])
    files = ClipFiles("a", tmp_path / "a.wav", video=tmp_path / "a.mp4", sampling=FrameSampling(2.0, 1.5))
    assert [error for _, error in suite.add_files([files])] == [None]
    encoder = ClipEncoder(extractors["clip"])
    given = EvaluationSuite(["cs"], wav2clip=extractors["wav2clip"], clip=extractors["clip"])
    embeddings = encoder.encode_frames(read_frames(tmp_path / "a.mp4", FrameSpec(2.0, 1.5)))
    assert [error for _, error in given.add_files([replace(files, embeddings=embeddings)])] == [None]
    assert given.card("cs").frames == suite.card("cs").frames
    assert not given.clip.encoder._parts, "no frame was embedded again"
    assert suite.compute() == given.compute(), "with the same CLIP the data's embeddings give the same number"
    assert suite.card("cs").frames == f"2 a second of the first 1.5 s, clip:{encoder.fingerprint[:16]}"
    assert default_clip("miniature") == "miniature"
    assert default_clip("Wav2CLIP.pt") == "openai/ViT-B-32"


def test_a_clip_of_another_width_than_wav2clips_space_is_refused(extractors: dict[str, str], tmp_path: Path) -> None:
    Wav2CLIP(Wav2CLIPConfig(width=4, embedding=768)).save_pretrained(tmp_path)
    suite = EvaluationSuite(["cs", "is"], wav2clip=str(tmp_path), clip=extractors["clip"], tagger=extractors["tagger"])
    suite.load(frames=False)
    with pytest.raises(UsageError, match="is 512 wide and Wav2CLIP's space 768; name the CLIP"):
        suite.load()


def test_a_run_computes_on_its_own_device_unless_one_was_named(extractors: dict[str, str]) -> None:
    suite, named = EvaluationSuite(["fd"], **extractors), EvaluationSuite(["fd"], **extractors, device="cpu")
    suite.load()
    for one in (suite, named):
        one.run_on(torch.device("meta"))
    assert [one.device for one in suite.extractors.values()] == [torch.device("meta")]
    assert next(suite.extractors["tagger"].network.parameters()).is_meta
    assert [one.device for one in named.extractors.values()] == ["cpu"]
    assert suite.options["device"] == "auto", "another machine has other devices"
