"""Semantic segmentation of camera streams for ROS 2 with GAIN (arXiv 2601.01167)."""

__version__ = "0.1.0"
