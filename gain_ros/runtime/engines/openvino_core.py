# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The one ``openvino.Core`` of a process, never freed.

With the last of its kind OpenVINO unloads its CPU plugin, and that unmaps the signal stack which the plugin gave the
thread that loaded it, without telling that thread unless it is the one that frees. So a node that opened on one thread
and freed on another died of the next signal, Ctrl-C among them.
"""

from typing import Final

import openvino

CORE: Final = openvino.Core()
