"""Train GAIN and package the result as a model folder: ``python -m training fit --config
training/configs/camvid_nano.yaml``.
"""
