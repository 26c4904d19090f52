"""Frames in, class ids out. Knows no ROS; each engine's library is imported only when that engine is opened."""
