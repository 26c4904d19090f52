"""The ROS 2 lifecycle node: camera messages in, masks out, every frame accounted for."""
