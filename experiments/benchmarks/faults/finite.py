"""Numbers that are none: in the store, in a waveform, in the loss and in the weights."""

import math
import shutil
from pathlib import Path
from typing import Any

from processes import Command, run
from results import Row, difference
from subjects import CHECKPOINT, FIT, Bench, log_of

SOUND = ("--evaluation", "null")
VALUES = (math.nan, math.inf)


def numbers(bench: Bench) -> list[Row]:
    """Each must be noticed, in one line, by what meets it first."""
    return [_store(bench), _waveform(bench), _loss(bench), _weights(bench)]


def _fit(place: Path, *further: str) -> Command:
    return run([*FIT, "--run.name", "fitted", "--ckpt_path", "last", *SOUND, *further], place, log_of(place))


def _store(bench: Bench) -> Row:
    row = Row("NaN or infinity in a store", note="a training is refused in a line that names the clip")
    for value in VALUES:
        for column, part in (("frames", "frames-*"), ("audio", "audio-*")):
            place = bench.place(bench.subjects["fit"], "nan-store")
            path = next((place / "world/store").glob(f"{part}/*.parquet"))
            clip_id = _spoil(path, column, value)
            row.add(_refused(_fit(place), clip_id))
            shutil.rmtree(place)
    return row


def _spoil(path: Path, column: str, value: float) -> str:
    """Put a value into the embedding of a shard's first clip, whose id is given."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    lists = table[column].combine_chunks()
    numbers = lists.flatten().to_numpy(zero_copy_only=False).copy()
    numbers[3] = np.array(value, numbers.dtype)
    changed = pa.ListArray.from_arrays(lists.offsets, pa.array(numbers, lists.type.value_type))
    place = table.column_names.index(column)
    table = table.set_column(place, column, changed.cast(lists.type)).replace_schema_metadata(table.schema.metadata)
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    return str(table["clip_id"][0].as_py())


def _refused(command: Command, named: str) -> str:
    problem = command.complaint(named=named)
    command.left_running()
    # An index of checksums may notice first, and names the shard.
    return "" if problem.startswith("does not name") and ".parquet" in command.errors()[0] else problem


def _waveform(bench: Bench) -> Row:
    row = Row("NaN or infinity in a waveform", note="embed leaves out that clip with its reason; the others bit by bit")
    subject = bench.subjects["embed"]
    for value in VALUES:
        place = bench.place(subject, "nan-waveform")
        clip = sorted((place / "world/clips").glob("*.mp4"))[3]
        _with_sound(clip, clip.with_suffix(".mkv"), value)
        clip.unlink()
        command = run(subject.arguments, place, log_of(place))
        left = command.left_running()
        if not command.went_on():
            problem = f"exit code {command.code}: {(command.errors() or ['no line'])[-1][:100]}"
        else:
            parts = ("frames-", "audio-")
            others = {key: one for key, one in bench.whole["embed"].items() if key.startswith(parts)}
            found = {key: one for key, one in subject.result(place).items() if key.startswith(parts)}
            others = {key: one for key, one in others.items() if clip.stem not in key}
            problem = difference(others, found) or _reason(place, clip.stem) or (left[0] if left else "")
        row.add(problem)
        shutil.rmtree(place)
    return row


def _reason(place: Path, clip_id: str) -> str:
    listed = (place / "world/store/rejects.csv").read_text()
    return "" if clip_id in listed else "the clip is in no list of rejects"


def _with_sound(source: Path, target: Path, value: float) -> None:
    """The picture of a video with a sound of floating-point numbers of which one is `value`."""
    import av
    import numpy as np

    waveform = np.sin(np.arange(40960, dtype=np.float32) / 20)[None]
    waveform[0, 12345] = value
    with av.open(str(source)) as video, av.open(str(target), "w") as output:
        picture = output.add_stream_from_template(video.streams.video[0])
        sound = output.add_stream("pcm_f32le", rate=16000, layout="mono")
        for packet in video.demux(video.streams.video[0]):
            if packet.dts is not None:
                packet.stream = picture
                output.mux(packet)
        frame = av.AudioFrame.from_ndarray(waveform, format="fltp", layout="mono")
        frame.sample_rate = 16000
        resampler = av.AudioResampler(format="flt", layout="mono", rate=16000)
        for one in resampler.resample(frame):
            output.mux(sound.encode(one))
        output.mux(sound.encode(None))


def _loss(bench: Bench) -> Row:
    row = Row("a loss that is not finite", note="the training stops in one line; no checkpoint holds such weights")
    for rate in ("1e30", "1e20"):
        for averaging in ((), ("--averaging", "null")):
            place = bench.place(bench.subjects["fit"], "nan-loss")
            command = _fit(place, f"--model.optimizer.init_args.lr={rate}", "--trainer.gradient_clip_val=null",
                           "--trainer.limit_val_batches=0", *averaging)  # fmt: skip
            problem = command.complaint()
            command.left_running()
            bad = [path.name for path in place.rglob("*.ckpt") if not _finite(path)]
            row.add(problem or (f"{bad[0]} holds weights that are not finite" if bad else ""))
            shutil.rmtree(place)
    return row


def _finite(path: Path) -> bool:
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    return all(bool(one.isfinite().all()) for one in content["state_dict"].values() if one.is_floating_point())


def _weights(bench: Bench) -> Row:
    import torch

    row = Row("NaN or infinity in a mapper's weights", note="generate, test and a resumed fit refuse the file")
    for value in VALUES:
        for name in ("generate", "test", "fit"):
            subject = bench.subjects[name]
            place = bench.place(subject, "nan-weights")
            content: dict[str, Any] = torch.load(bench.template / CHECKPOINT, weights_only=True)
            for part in {"state_dict", "current_model_state"} & content.keys():
                key = next(key for key, one in content[part].items() if one.is_floating_point() and one.ndim == 2)
                content[part][key][0, 0] = value
            torch.save(content, place / CHECKPOINT)
            arguments = [*FIT, "--ckpt_path", CHECKPOINT] if name == "fit" else list(subject.arguments)
            row.add(_refused(run(arguments, place, log_of(place)), CHECKPOINT))
            shutil.rmtree(place)
    return row
