"""A command line that works for every plain command, as its `--help` shows it and a test reads it."""

# What comes after a command that does not say it itself.
NEXT = {
    "generate": "evaluate --generated FOLDER --reference CLIPS",
    "report": "test --config RUN/config.yaml --ckpt_path best",
    "listen build": "listen analyse ANSWERS.json --key KEY.json --output analysis",
    "miniature render": "fit --config quickstart",
}
CHECKPOINT = "runs/quickstart/NAME/checkpoints/last.ckpt"
EXAMPLES = {
    "demo": f"demo --checkpoint {CHECKPOINT}",
    "generate": f"generate picture.jpg clip.mp4 --checkpoint {CHECKPOINT} --output sounds",
    "evaluate": "evaluate --generated sounds --reference clips --media clips --output scores.json",
    "compare": "compare baseline.json scores.json --output differences.json",
    "report": "report runs/quickstart",
    "experiment": "experiment ablation-aggregation --size tiny --seeds 1",
    "listen build": "listen build --system ours=sounds theirs=others --media clips --output test.html",
    "listen analyse": "listen analyse answers-1.json answers-2.json --key test.key.json --output analysis",
    "embed": "embed --config quickstart --devices 1",
    "manifest": "manifest --csv vggsound.csv --media clips --output manifest.parquet",
    "download": "download --csv vggsound.csv --output clips --limit 10",
    "doctor": "doctor --config quickstart",
    "miniature render": "miniature render --clips 100 --output data/few",
    "miniature check": f"miniature check --mapper {CHECKPOINT}",
    "miniature mapper": f"miniature mapper --checkpoint {CHECKPOINT}",
    "miniature train": "miniature train --work runs/miniature-training --output weights",
    "miniature contact-sheet": "miniature contact-sheet --output classes.png",
    "init": "init my-videos",
    "completion": "completion bash",
}
