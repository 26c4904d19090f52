"""Labelled data sets, read once for training and for evaluation: CamVid, Cityscapes, and maps between class sets."""
