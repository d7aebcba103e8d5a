"""What happens beside training: sound made and scored each epoch, pages and figures, embeddings written down."""

from v2a_lightning.callbacks.audio_evaluation import AudioEvaluation
from v2a_lightning.callbacks.averaging import ExponentialAverage
from v2a_lightning.callbacks.domain_gap import DomainGap
from v2a_lightning.callbacks.embedding_writer import EmbeddingWriter
from v2a_lightning.callbacks.last_checkpoint import LastCheckpoint
from v2a_lightning.callbacks.progress_bar import RunProgressBar
from v2a_lightning.callbacks.run_files import RunReport, UsedClips

__all__ = [
    "AudioEvaluation",
    "DomainGap",
    "EmbeddingWriter",
    "ExponentialAverage",
    "LastCheckpoint",
    "RunProgressBar",
    "RunReport",
    "UsedClips",
]
