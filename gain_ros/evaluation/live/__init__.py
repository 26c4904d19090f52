"""The real node on a graph of its own on this machine: what plays to it, what listens, and what keeps them together."""
