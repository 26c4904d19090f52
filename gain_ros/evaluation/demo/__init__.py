"""``gain demo``: a real ROS graph on this machine, watched from outside, and what was seen as a page."""
