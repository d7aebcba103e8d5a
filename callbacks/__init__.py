"""What happens beside training: sound made and scored each epoch, pages and figures, embeddings written down."""

from callbacks.audio_evaluation import AudioEvaluation
from callbacks.averaging import ExponentialAverage
from callbacks.domain_gap import DomainGap
from callbacks.embedding_writer import EmbeddingWriter
from callbacks.run_report import RunReport
from callbacks.used_clips import UsedClips

__all__ = ["AudioEvaluation", "DomainGap", "EmbeddingWriter", "ExponentialAverage", "RunReport", "UsedClips"]
