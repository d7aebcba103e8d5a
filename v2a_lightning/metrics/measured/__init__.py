"""What EVALUATION.md reports: how metrics respond, what conventions cost, measured and written by one command.

python -m v2a_lightning.metrics.measured
"""
