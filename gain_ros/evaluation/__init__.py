"""Recordings in, verdicts out.

What is read   sources (images, videos, scenes), bags and cut_mcap, datasets (CamVid, Cityscapes)
Its truth      truth (where from, which frame), classes (what the ids mean)
Evaluation     offline (one bag), fleet (many), realtime and attach (the real node, by live/)
What is found  unlabelled (without truth), gallery (frames to show), result (result.json, frames.jsonl)
For people     report and charts (by page/), compare (two results)
Back again     recording (any source to a bag)
"""
