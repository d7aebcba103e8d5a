"""What trains: networks, objectives and aggregators, to be put together in any combination."""

from v2a_lightning.mapper.aggregators import (
    AttentionPooling,
    AverageFrames,
    JointAggregator,
    MaxFrames,
    MiddleFrame,
    RandomFrame,
)
from v2a_lightning.mapper.base import Aggregator, Network, Objective
from v2a_lightning.mapper.closed_form import Identity, NearestNeighbour, OrthogonalProcrustes, RidgeRegression
from v2a_lightning.mapper.diffusion import Diffusion
from v2a_lightning.mapper.flow_matching import FlowMatching
from v2a_lightning.mapper.mlp import MLPMapper, MLPRegressor
from v2a_lightning.mapper.optimization import WarmupCosine
from v2a_lightning.mapper.regression import Regression
from v2a_lightning.mapper.transformer import TransformerMapper, TransformerRegressor

__all__ = [
    "Aggregator", "AttentionPooling", "AverageFrames", "Diffusion", "FlowMatching", "Identity",
    "JointAggregator", "MLPMapper", "MLPRegressor", "MaxFrames", "MiddleFrame", "NearestNeighbour", "Network",
    "Objective", "OrthogonalProcrustes", "RandomFrame", "Regression", "RidgeRegression", "TransformerMapper",
    "TransformerRegressor", "WarmupCosine",
]  # fmt: skip
