"""Recorded and drawn frames, one after another, whatever they come from."""
