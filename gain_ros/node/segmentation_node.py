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

"""The lifecycle node: wires camera topics, the worker and the outputs together."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from gain_ros.class_output import ClassOutput, read_min_confidence, read_remap
from gain_ros.errors import ClassOutputError
from gain_ros.messages import decode_compressed, read_image
from gain_ros.node.diagnostics import CameraMonitor, Health, Limits, status
from gain_ros.node.latest_frames import FrameCounts, LatestFrames, Outcome, ReceivedFrame
from gain_ros.node.logs import forward_logs
from gain_ros.node.outputs import CameraOutputs
from gain_ros.node.parameters import camera_names, declare_parameters, parameter_value, refusal
from gain_ros.node.process import BAD_INPUT, ShutdownRequestedError, run_interruptible
from gain_ros.node.worker import FrameTimes, LiveSettings, Worker
from gain_ros.runtime import opening
from gain_ros.runtime.tensorrt.progress import BuildProgress

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

if TYPE_CHECKING:
    from rclpy.parameter import Parameter
    from rclpy.subscription import Subscription

    from gain_ros.runtime.segmenter import EngineInfo, Segmenter

_LOG_PERIOD_S, _DIAGNOSTICS_PERIOD_S = 5.0, 1.0
# A model that takes longer to load is worth a warning: on a slow machine most take seconds.
_SLOW_LOADING_S = 60.0
# Well below the two seconds in which the process must be gone after a signal.
_STOP_TIMEOUT_S = 1.0


def _transition(method: Callable[..., None]) -> Callable[..., TransitionCallbackReturn]:
    """Make a lifecycle callback: what ``method`` raises is logged, kept for /diagnostics and refuses the transition."""

    @functools.wraps(method)
    def callback(node: SegmentationNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            method(node, state)
        except ShutdownRequestedError:
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # the node must live on, in the state it was in, and say why
            node.transition_failed(method.__name__.removeprefix("on_"), error)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    return callback


class Observer(Protocol):
    """Follows every frame; called from both threads, so it has to be quick."""

    def ended(self, frame: ReceivedFrame, outcome: Outcome) -> None: ...

    def timed(self, times: FrameTimes) -> None: ...


class SegmentationNode(LifecycleNode):
    """Semantic segmentation of camera topics.

    configure loads and warms up the model, activate subscribes, deactivate stops taking frames and lets the one at
    work finish, cleanup frees the model. Topics are relative and listed in README.md, parameters in
    config/segmentation.yaml.

    Args:
        open_segmenter: called with the arguments of :func:`gain_ros.runtime.opening.open_segmenter`, by name.
        observer: what follows every frame, or None.
        **node_arguments: passed on to rclpy's node.

    """

    def __init__(
        self,
        open_segmenter: Callable[..., Segmenter] = opening.open_segmenter,
        observer: Observer | None = None,
        **node_arguments: Any,
    ) -> None:
        super().__init__("segmentation_node", **node_arguments)
        self._open_segmenter = open_segmenter
        self._observer = observer
        self._state = "unconfigured"
        self._enabled = True
        self._error = ""
        self._loading_since: float | None = None
        self._segmenter: Segmenter | None = None
        self._class_output: tuple[object, ClassOutput] | None = None
        self._build = BuildProgress()
        self._stop_logs = forward_logs(self.get_logger())
        self._worker: Worker | None = None
        self._stuck_workers: list[Worker] = []
        self._frames = LatestFrames(())
        self._monitors: dict[str, CameraMonitor] = {}
        self._outputs: dict[str, CameraOutputs] = {}
        self._inputs: list[Subscription[Any]] = []
        self.add_on_set_parameters_callback(self._on_set_parameters)
        declare_parameters(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._diagnosed_at = 0.0
        self._enable = self.create_service(SetBool, "~/enable", self._on_enable)
        # Not the node's clock: with use_sim_time and no /clock yet that one stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics_timer = self.create_timer(_DIAGNOSTICS_PERIOD_S, self.publish_diagnostics, clock=steady)
        self._autostart_timer = self.create_timer(0.0, self._on_autostart, clock=steady)

    # Lifecycle

    def _on_autostart(self) -> None:
        self._autostart_timer.cancel()
        if not self._value("autostart"):
            return
        done = TransitionCallbackReturn.SUCCESS
        if (self.trigger_configure() != done or self.trigger_activate() != done) and self.context.ok():
            sys.exit(BAD_INPUT)  # nobody manages this node, so nobody would see it idle

    @_transition
    def on_configure(self, state: LifecycleState) -> None:
        self.get_logger().info(f"loading model {self._value('model')}")
        self._segmenter = segmenter = self._load()
        self._classes(segmenter)  # raises for a remap that does not fit this model
        cameras = camera_names(self._value("cameras"))
        self._frames = LatestFrames(cameras, self._observer.ended if self._observer else None)
        self._monitors = monitors = {camera: CameraMonitor(self._input_topic(camera)) for camera in cameras}
        for camera in cameras:
            self._outputs[camera] = CameraOutputs(self, _prefix(camera))
        self._worker = Worker(
            self._frames,
            segmenter,
            decode_compressed if self._compressed else read_image,
            self._outputs,
            settings=lambda: self._live_settings(segmenter),
            clock_ns=lambda: self.get_clock().now().nanoseconds,
            on_published=lambda camera, times: self._on_published(monitors[camera], times),
            on_error=lambda camera, reason: self._on_frame_error(camera, monitors[camera], reason),
        )
        self._worker.start()
        self._check(super().on_configure(state))
        self._enter("inactive")
        name, info = segmenter.model_folder.name, segmenter.info
        self.get_logger().info(f"model {name} on {info.engine} ({info.provider}, {info.device}): {info.reason}")

    @_transition
    def on_activate(self, state: LifecycleState) -> None:
        self._check(super().on_activate(state))
        assert self._segmenter is not None
        for outputs in self._outputs.values():
            outputs.publish_label_info(self._classes(self._segmenter))
        self._enter("active")
        if self._enabled:
            self._subscribe()

    @_transition
    def on_deactivate(self, state: LifecycleState) -> None:
        self._unsubscribe()
        self._check(super().on_deactivate(state))
        self._enter("inactive")

    @_transition
    def on_cleanup(self, state: LifecycleState) -> None:
        if not self._release():
            self.get_logger().error("the engine is still at work; what it holds is freed when the process ends")
        self._check(super().on_cleanup(state))
        self._enter("unconfigured")

    @_transition
    def on_shutdown(self, state: LifecycleState) -> None:
        self._unsubscribe()
        self._release()
        self._check(super().on_shutdown(state))
        self._enter("finalized")

    def transition_failed(self, transition: str, error: Exception) -> None:
        """Say why a transition was refused, and undo what it had begun."""
        self._error = f"cannot {transition}: {error}"
        if transition == "configure":
            self._release()
        elif transition == "activate":
            self._unsubscribe()
            self._state = "inactive"
        self.publish_diagnostics()

    def frame_counts(self, camera: str = "") -> FrameCounts:
        """How the frames of one camera ended since configure."""
        return self._frames.counts(camera)

    def close(self) -> bool:
        """Free everything before the node is destroyed; False when an engine is still busy and cannot be stopped."""
        released = self._release()
        self._stop_logs()
        idle = all(worker.stop(0) for worker in self._stuck_workers)
        return released and idle and self._loading_since is None and not self._build.text

    def _enter(self, state: str) -> None:
        self._state, self._error = state, ""

    @staticmethod
    def _check(result: TransitionCallbackReturn) -> None:
        if result != TransitionCallbackReturn.SUCCESS:
            raise RuntimeError("a publisher refused the transition")

    def _load(self) -> Segmenter:
        """Open the model in a thread of its own: it takes seconds, in which a signal must still end the process."""
        self._error, self._loading_since = "", time.monotonic()
        return run_interruptible(self._open_and_warm_up, self._interrupted)

    def _interrupted(self) -> bool:
        """Tell whether to give up a wait in the executor's thread, whose timer stands still: keep reporting."""
        if self.context.ok() and time.monotonic() - self._diagnosed_at > _DIAGNOSTICS_PERIOD_S:
            self.publish_diagnostics()
        return not self.context.ok()

    def _open_and_warm_up(self) -> Segmenter:
        self._build = BuildProgress()
        try:
            segmenter = self._open_segmenter(
                self._value("model"),
                engine=self._value("engine"),
                device=self._value("device"),
                precision=self._value("precision"),
                threads=self._value("threads") or None,
                cuda_graph=self._value("cuda_graph"),
                build=self._build,
                fit=None if (fit := self._value("fit")) == "model" else fit,
                roi=self._value("roi"),
            )
            segmenter.warm_up(len(camera_names(self._value("cameras"))))  # several cameras make larger batches
            return segmenter
        finally:
            self._loading_since = None

    def _release(self) -> bool:
        self._build.cancel()
        stopped = self._worker is None or self._worker.stop(_STOP_TIMEOUT_S)
        if self._worker is not None and not stopped:
            self._stuck_workers.append(self._worker)
        self._worker = None
        for outputs in self._outputs.values():
            outputs.destroy()
        self._outputs = {}
        self._monitors = {}
        if self._segmenter is not None and stopped:
            self._segmenter.close()
        self._segmenter = self._class_output = None
        return stopped

    # Frames

    @property
    def _compressed(self) -> bool:
        return self._value("transport") == "compressed"

    def _input_topic(self, camera: str) -> str:
        """Return the topic to read; as image_transport does, /compressed is appended to the remapped name."""
        base = self.resolve_topic_name(f"{camera}/image" if camera else "image")
        return f"{base}/compressed" if self._compressed else base

    def _subscribe(self) -> None:
        for camera, monitor in self._monitors.items():
            monitor.received()  # silence counts from now
            try:
                events = SubscriptionEventCallbacks(
                    message_lost=lambda event, add=monitor.lost: add(event.total_count_change)
                )
                subscription = self._subscribe_to(camera, monitor.topic, events)
            except UnsupportedEventTypeError:
                monitor.lost(None)
                subscription = self._subscribe_to(camera, monitor.topic, None)
            self._inputs.append(subscription)
            mask = self.resolve_topic_name(f"{_prefix(camera)}/mask")
            transport = self._value("transport")
            self.get_logger().info(f"active: listening to {monitor.topic} ({transport}), publishing {mask}")

    def _subscribe_to(
        self, camera: str, topic: str, events: SubscriptionEventCallbacks | None
    ) -> Subscription[Image | CompressedImage]:
        return self.create_subscription(
            CompressedImage if self._compressed else Image,
            topic,
            functools.partial(self._on_image, camera),
            QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=events,
        )

    def _unsubscribe(self) -> None:
        """Stop taking frames and wait for the one at work, so that its mask still goes out, unless that takes long."""
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs.clear()
        self._frames.drop_waiting()
        while self._worker is not None and not self._frames.wait_idle(0.05):
            if self._interrupted() or self._frames.busy_s() > self._value("engine_timeout"):
                return

    def _on_image(self, camera: str, message: Image | CompressedImage) -> None:
        self._frames.put(ReceivedFrame(camera, message, time.monotonic_ns()))
        self._monitors[camera].received()

    def _on_published(self, monitor: CameraMonitor, times: FrameTimes) -> None:
        monitor.published(times)
        if self._observer:
            self._observer.timed(times)

    def _on_frame_error(self, camera: str, monitor: CameraMonitor, reason: str) -> None:
        if not self.context.ok():  # a signal took the graph from the frame at work
            return
        monitor.error(reason)
        self.get_logger().error(f"{camera or 'camera'}: {reason}", throttle_duration_sec=_LOG_PERIOD_S)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Subscribe or unsubscribe: while disabled no frame is received, none is counted and none costs anything."""
        self._enabled = request.data
        if self._state == "active":
            if self._enabled and not self._inputs:
                self._subscribe()
            elif not self._enabled:
                self._unsubscribe()
        response.success = True
        response.message = f"{'enabled' if self._enabled else 'disabled'} ({self._state})"
        return response

    # Parameters and diagnostics

    def _value(self, name: str) -> Any:
        return parameter_value(self, name)

    def _live_settings(self, segmenter: Segmenter) -> LiveSettings:
        names = ("max_frame_age", "max_pixels", "max_side", "overlay_alpha")
        return LiveSettings(*[*map(self._value, names), self._classes(segmenter)])

    def _classes(self, segmenter: Segmenter) -> ClassOutput:
        """Return what masks hold; the same object while the parameters say the same. Raises ClassOutputError."""
        asked, known = (tuple(self._value("remap")), tuple(self._value("min_confidence"))), self._class_output
        if known is None or known[0] != asked:
            self._class_output = known = asked, _class_output(segmenter, *asked)
        return known[1]

    def _class_refusal(self, parameters: list[Parameter]) -> str | None:
        """Return why remap and min_confidence do not fit the loaded model, or None."""
        given = {parameter.name: parameter.value for parameter in parameters}
        if self._segmenter is None or not given.keys() & {"remap", "min_confidence"}:
            return None
        asked = [given[name] or () if name in given else self._value(name) for name in ("remap", "min_confidence")]
        try:
            _class_output(self._segmenter, *asked)
        except ClassOutputError as error:
            return str(error)
        return None

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        configured = self._state in ("inactive", "active")
        reasons = [refusal(parameter.name, parameter.value, configured=configured) for parameter in parameters]
        if not any(reasons):
            reasons.append(self._class_refusal(parameters))
        reason = "; ".join(filter(None, reasons))
        return SetParametersResult(successful=not reason, reason=reason)

    def publish_diagnostics(self) -> None:
        """Publish one status per camera, or one for the node while no model is loaded."""
        self._diagnosed_at = time.monotonic()
        if self._build.text:
            self.get_logger().info(self._build.text, throttle_duration_sec=_LOG_PERIOD_S)
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        if self._segmenter is None or not self._monitors:
            model = self._value("model")
            values = {"state": self._state, "model": model, "engine": "", "provider": "", "last_error": self._error}
            message.status = [status("segmentation", model, self._health_without_model(), values)]
        else:
            message.status = [self._camera_status(camera, self._segmenter) for camera in self._monitors]
        self._diagnostics.publish(message)
        self._log_silence()

    def _log_error(self, text: str) -> None:
        """Say what is wrong with the node, and say it again while it is."""
        self.get_logger().error(text, throttle_duration_sec=_LOG_PERIOD_S)

    def _health_without_model(self) -> Health:
        if self._error:
            self._log_error(self._error)
            return Health(DiagnosticStatus.ERROR, self._error)
        since = self._loading_since  # the thread that loads takes it away
        if since is None:
            return Health(DiagnosticStatus.OK, self._state)
        loading_s = time.monotonic() - since
        level = DiagnosticStatus.WARN if loading_s > _SLOW_LOADING_S else DiagnosticStatus.OK
        return Health(level, f"loading the model for {loading_s:.0f} s")

    def _log_silence(self) -> None:
        """Say once that a camera is silent, and what else there is to listen to: most often a topic is misspelt."""
        silent = [monitor.topic for monitor in self._monitors.values() if self._inputs and monitor.fell_silent()]
        if silent:
            others = ", ".join(self._image_topics()) or "none"
            self.get_logger().warning(
                f"no frame on {', '.join(silent)} for 5 s; image topics with a publisher: {others}"
            )

    def _image_topics(self) -> list[str]:
        """Topics of images that somebody else publishes."""
        own = {publisher.topic_name for publisher in self.publishers}
        kinds = {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"}
        images = [name for name, types in self.get_topic_names_and_types() if kinds & {*types} and name not in own]
        return sorted(name for name in images if self.count_publishers(name))

    def _camera_status(self, camera: str, segmenter: Segmenter) -> DiagnosticStatus:
        info = segmenter.info
        limits = Limits(self._value("warn_mask_age"), self._value("warn_superseded"))
        health, values = self._monitors[camera].report(self._frames.counts(camera), limits)
        if self._monitors[camera].fell_behind:
            self.get_logger().warning(health.message, throttle_duration_sec=_LOG_PERIOD_S)
        engine = Health(DiagnosticStatus.ERROR, self._error) if self._error else self._engine_health(info)
        if engine.level == DiagnosticStatus.ERROR:
            self._log_error(engine.message)
        if engine.level >= health.level and engine.level != DiagnosticStatus.OK:
            health = engine
        elif self._state != "active" or not self._enabled:
            health = Health(DiagnosticStatus.OK, self._state if self._enabled else f"{self._state}, disabled")
        shared = {
            "state": self._state,
            "enabled": str(self._enabled).lower(),
            "model": segmenter.model_folder.name,
            "engine": info.engine,
            "engine_asked": self._value("engine"),
            "precision": info.precision,
            "provider": info.provider,
            "device": info.device,
            "engine_build": self._build.text,
            "topic": self._monitors[camera].topic,
        }
        return status(_prefix(camera), segmenter.model_folder.name, health, shared | values)

    def _engine_health(self, info: EngineInfo) -> Health:
        """Judge whether the engine answers, and whether it is the one that was asked for."""
        busy_s, asked = self._frames.busy_s(), self._value("engine")
        hangs = busy_s > self._value("engine_timeout")
        if hangs or busy_s > self._value("warn_mask_age"):
            text = f"nothing has come out for {busy_s:.1f} s: {info.engine} is still at the frames it got then"
            return Health(DiagnosticStatus.ERROR if hangs else DiagnosticStatus.WARN, text)
        if info.failure:
            level = DiagnosticStatus.WARN if asked == "auto" else DiagnosticStatus.ERROR
            return Health(level, f"{info.engine} runs, engine is {asked}: {info.failure}")
        if asked not in ("auto", info.engine):
            text = f"{info.engine} runs until {asked} is ready; {self._build.text or 'nothing is built'}"
            return Health(DiagnosticStatus.WARN, text)
        return Health(DiagnosticStatus.OK, "")


def _class_output(segmenter: Segmenter, remap: Sequence[str], min_confidence: Sequence[str]) -> ClassOutput:
    """Return what masks hold by these parameters, and by model.yaml where they say nothing. Raises ClassOutputError."""
    return segmenter.model_folder.class_output(read_remap(remap), read_min_confidence(min_confidence))


def _prefix(camera: str) -> str:
    """Where the results of a camera go: the prefix of its topics, and the name of its status."""
    return f"segmentation/{camera}" if camera else "segmentation"
