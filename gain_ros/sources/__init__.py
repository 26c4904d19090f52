"""Streams of frames with their stamps: bags, videos, folders, data sets, cameras; and writing bags."""
