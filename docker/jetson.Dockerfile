# gain_ros with TensorRT on a Jetson; docs/tensorrt.md says which arguments belong to which JetPack. Build it on the Jetson:
#   docker build -f docker/jetson.Dockerfile -t gain_ros .
#   docker build -f docker/jetson.Dockerfile -t gain_ros --build-arg BASE=nvcr.io/nvidia/tensorrt:25.08-py3 --build-arg ROS_DISTRO=jazzy .
ARG BASE=nvcr.io/nvidia/l4t-jetpack:r36.4.0
FROM ${BASE}
ARG ROS_DISTRO=humble
ENV ROS_DISTRO=${ROS_DISTRO} DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1

RUN apt-get update && apt-get install -y --no-install-recommends curl ca-certificates \
 && curl -fsSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key -o /usr/share/keyrings/ros.gpg \
 && . /etc/os-release \
 && echo "deb [signed-by=/usr/share/keyrings/ros.gpg] http://packages.ros.org/ros2/ubuntu ${VERSION_CODENAME} main" \
    > /etc/apt/sources.list.d/ros2.list \
 && apt-get update && apt-get install -y --no-install-recommends \
    ros-${ROS_DISTRO}-ros-base python3-colcon-common-extensions python3-rosdep python3-pip \
 && rosdep init && rosdep update \
 && rm -rf /var/lib/apt/lists/*

# onnxslim, with the onnx that it brings, makes the typed graph that TensorRT builds from; onnxruntime serves while it builds, and checks
# what it built.
# ROS up to Jazzy is compiled for NumPy 1.
RUN python3 -m pip install "numpy<2" onnxslim onnxruntime safetensors

WORKDIR /ws
COPY . src/gain_ros
RUN apt-get update && rosdep install --from-paths src --ignore-src -y && rm -rf /var/lib/apt/lists/* \
 && . /opt/ros/${ROS_DISTRO}/setup.sh && colcon build --packages-select gain_ros

# Built engines outlive the container in this volume.
ENV XDG_CACHE_HOME=/cache
VOLUME /cache
CMD ["bash", "-c", "source install/setup.bash && exec ros2 launch gain_ros segment.launch.py image:=/camera/image_raw"]
