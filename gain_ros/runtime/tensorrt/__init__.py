"""TensorRT: everything that knows it, from the typed graph to frames in flight."""
