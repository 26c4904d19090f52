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

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from gain_ros.class_output import ClassOutput, read_min_confidence, read_remap
from gain_ros.errors import ClassOutputError, GainError
from gain_ros.messages import decode_compressed, read_image
from gain_ros.model_folder import find_model
from gain_ros.node.camera_info import camera_info_topic
from gain_ros.node.diagnostics import CameraMonitor, Health, Limits, status
from gain_ros.node.latency_topics import LatencyTopics
from gain_ros.node.latest_frames import FrameCounts, LatestFrames, Outcome, ReceivedFrame
from gain_ros.node.loading import Loading, Model
from gain_ros.node.logs import forward_logs
from gain_ros.node.outputs import CameraOutputs
from gain_ros.node.parameters import (
    OPENING,
    camera_names,
    declare_parameters,
    opening_values,
    parameter_value,
    refusal,
)
from gain_ros.node.process import BAD_INPUT, ShutdownRequestedError
from gain_ros.node.qos import OVERRIDABLE
from gain_ros.node.worker import FrameTimes, LiveSettings, Worker
from gain_ros.runtime import opening
from gain_ros.runtime.tensorrt.progress import BuildProgress

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

if TYPE_CHECKING:
    from rclpy.publisher import Publisher
    from rclpy.subscription import Subscription

    from gain_ros.runtime.segmenter import EngineInfo, Segmenter

_LOG_PERIOD_S, _DIAGNOSTICS_PERIOD_S = 5.0, 1.0
# How often to ask for subscribers where nothing tells of them: below the period of any camera.
_ASK_PERIOD_S = 0.02
# A model that takes longer to load is worth a warning: on a slow machine most take seconds.
_SLOW_LOADING_S = 60.0
_WAIT_S = 0.05
# Well below the two seconds in which the process must be gone after a signal.
_STOP_TIMEOUT_S, _CLOSE_TIMEOUT_S = 1.0, 0.2


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

    configure loads and warms up the model, activate listens to the cameras whose results somebody subscribes to,
    deactivate stops taking frames and lets the one at work finish, cleanup frees the model. Topics are relative and
    listed in README.md, parameters in config/segmentation.yaml.

    Args:
        open_segmenter: called with the arguments of :func:`gain_ros.runtime.opening.open_segmenter`, by name.
        observer: what follows every frame, or None.
        find_model: raises GainError at once where the parameter ``model`` names nothing that could be opened.
        **node_arguments: passed on to rclpy's node.

    """

    def __init__(
        self,
        open_segmenter: Callable[..., Segmenter] = opening.open_segmenter,
        observer: Observer | None = None,
        find_model: Callable[[str], object] = find_model,
        **node_arguments: Any,
    ) -> None:
        super().__init__("segmentation_node", **node_arguments)
        self._open_segmenter = open_segmenter
        self._observer = observer
        self._find_model = find_model
        self._state = "unconfigured"
        self._enabled = True
        self._error = ""
        self._loading: Loading | None = None
        self._abandoned: list[Loading] = []
        self._model: Model | None = None
        self._retired: list[Model] = []
        self._stop_logs = forward_logs(self.get_logger())
        self._worker: Worker | None = None
        self._stuck_workers: list[Worker] = []
        self._frames = LatestFrames(())
        self._monitors: dict[str, CameraMonitor] = {}
        self._outputs: dict[str, CameraOutputs] = {}
        self._latency: dict[str, LatencyTopics] = {}
        self._inputs: dict[str, Subscription[Any]] = {}
        self._changed = self.create_guard_condition(self._follow_changes)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        declare_parameters(self)
        self._diagnostics = self._diagnostics_publisher()
        self._diagnosed_at = 0.0
        self._enable = self.create_service(SetBool, "~/enable", self._on_enable)
        # Not the node's clock: with use_sim_time and no /clock yet that one stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics_timer = self.create_timer(_DIAGNOSTICS_PERIOD_S, self._on_diagnostics_timer, clock=steady)
        self._ask_timer = self.create_timer(_ASK_PERIOD_S, self._follow_changes, clock=steady)
        self._ask_timer.cancel()
        self._autostart_timer = self.create_timer(0.0, self._on_autostart, clock=steady)

    def _diagnostics_publisher(self) -> Publisher[DiagnosticArray]:
        try:
            return self.create_publisher(
                DiagnosticArray, "/diagnostics", QoSProfile(depth=10), qos_overriding_options=OVERRIDABLE
            )
        except RuntimeError as error:  # what rclpy makes of an override that it does not know
            raise ParameterException(str(error), "qos_overrides./diagnostics") from error

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
        self._error = ""
        self._model = self._load()
        cameras = camera_names(self._value("cameras"))
        self._frames = LatestFrames(cameras, self._observer.ended if self._observer else None)
        self._frames.limit_rate(self._value("max_rate"))
        self._monitors = monitors = {camera: CameraMonitor(self._input_topic(camera)) for camera in cameras}
        for camera in cameras:
            self._outputs[camera] = CameraOutputs(
                self, _prefix(camera), camera_info_topic(self, camera), self._follow_changes
            )
            self._latency[camera] = LatencyTopics(self, camera)
        latency = self._latency
        self._worker = Worker(
            self._frames,
            decode_compressed if self._compressed else read_image,
            self._outputs,
            settings=self._live_settings,
            clock_ns=lambda: self.get_clock().now().nanoseconds,
            on_published=lambda camera, times: self._on_published(monitors[camera], latency[camera], times),
            on_error=lambda camera, reason: self._on_frame_error(camera, monitors[camera], reason),
        )
        self._worker.start()
        self._check(super().on_configure(state))
        self._enter("inactive")
        self.get_logger().info(_what_serves(self._model))

    @_transition
    def on_activate(self, state: LifecycleState) -> None:
        self._check(super().on_activate(state))
        assert self._model is not None
        for outputs in self._outputs.values():
            outputs.publish_label_info(self._classes(self._model))
        self._enter("active")
        self._follow_changes()
        if not all(outputs.tells_matches for outputs in self._outputs.values()):
            self._ask_timer.reset()
        for camera in self._monitors.keys() - self._inputs.keys() if self._enabled else ():
            self.get_logger().info(f"active, idle: nobody subscribes to {self._mask_topic(camera)} or its neighbours")

    @_transition
    def on_deactivate(self, state: LifecycleState) -> None:
        self._stop_listening()
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
        self._stop_listening()
        self._release()
        self._check(super().on_shutdown(state))
        self._enter("finalized")

    def transition_failed(self, transition: str, error: Exception) -> None:
        """Say why a transition was refused, and undo what it had begun."""
        self._error = f"cannot {transition}: {error}"
        if transition == "configure":
            self._release()
        elif transition == "activate":
            self._stop_listening()
            self._state = "inactive"
        self.publish_diagnostics()

    def frame_counts(self, camera: str = "") -> FrameCounts:
        """How the frames of one camera ended since configure."""
        return self._frames.counts(camera)

    def close(self) -> bool:
        """Free everything before the node is destroyed; False when an engine is still busy and cannot be stopped."""
        released = self._release()
        self._stop_logs()
        ended = [
            *(worker.stop(0) for worker in self._stuck_workers),
            *(loading.ended() for loading in self._abandoned),
            *(model.closed(_CLOSE_TIMEOUT_S) for model in self._retired),
        ]
        return released and all(ended)

    def _enter(self, state: str) -> None:
        self._state, self._error = state, ""

    @staticmethod
    def _check(result: TransitionCallbackReturn) -> None:
        if result != TransitionCallbackReturn.SUCCESS:
            raise RuntimeError("a publisher refused the transition")

    def _load(self) -> Model:
        """Wait for the model in the executor's thread, where a signal must still end the process within seconds."""
        self._loading = loading = Loading(self._opening(), self._open_and_warm_up)
        while not loading.ended(_WAIT_S):
            if self._interrupted() and not loading.ended():
                raise ShutdownRequestedError("the process was ordered to end")
        self._loading = None
        return self._ready(loading)

    def _ready(self, loading: Loading) -> Model:
        """Take what has loaded. Raises what opening it has raised, and ClassOutputError where remap does not fit it."""
        segmenter, asked = loading.take(), self._asked()
        try:
            return Model(loading.opening, segmenter, loading.build, (asked, _class_output(segmenter, *asked)))
        except ClassOutputError:
            segmenter.close()
            raise

    def _interrupted(self) -> bool:
        """Tell whether to give up a wait in the executor's thread, whose timer stands still: keep reporting."""
        if self.context.ok() and time.monotonic() - self._diagnosed_at > _DIAGNOSTICS_PERIOD_S:
            self.publish_diagnostics()
        return not self.context.ok()

    def _opening(self) -> dict[str, Any]:
        """Return what the parameters ask a model to be opened with."""
        return opening_values({name: self._value(name) for name in OPENING})

    def _open_and_warm_up(self, asked: Mapping[str, Any], build: BuildProgress) -> Segmenter:
        options = dict(asked) | {
            "threads": asked["threads"] or None,
            "fit": None if asked["fit"] == "model" else asked["fit"],
        }
        segmenter = self._open_segmenter(options.pop("model"), build=build, **options)
        segmenter.warm_up(len(camera_names(self._value("cameras"))))  # several cameras make larger batches
        return segmenter

    def _release(self) -> bool:
        if self._loading is not None:
            self._loading.abandon()
            self._abandoned = [loading for loading in self._abandoned if not loading.ended()] + [self._loading]
            self._loading = None
        if self._model is not None:
            self._model.build.cancel()
        stopped = self._worker is None or self._worker.stop(_STOP_TIMEOUT_S)
        if self._worker is not None and not stopped:
            self._stuck_workers.append(self._worker)
        self._worker = None
        for outputs in self._outputs.values():
            outputs.destroy()
        for latency in self._latency.values():
            latency.destroy()
        self._outputs, self._latency = {}, {}
        self._monitors = {}
        if self._model is not None:
            if stopped:
                self._model.segmenter.close()
            self._retired.append(self._model)
        self._model = None
        return stopped

    # Another model while one serves

    def _follow_model(self) -> None:
        """Load the model that the parameters ask for beside the one that serves, and change over once it is there."""
        self._retired = [model for model in self._retired if not model.closed()]
        if self._model is None:
            return
        if self._loading is not None and self._loading.ended():
            loading, self._loading = self._loading, None
            self._change_over(loading, self._model)
        asked = self._opening()
        if self._loading is None and asked != self._model.opening:  # one at a time: each takes memory and cores
            self.get_logger().info(f"loading {_differences(asked, self._model)}; {self._model.name} serves until then")
            self._loading = Loading(asked, self._open_and_warm_up, self._changed.trigger)

    def _change_over(self, loading: Loading, old: Model) -> None:
        """Let what has loaded serve from the worker's next round on; what cannot, or is no longer asked for, goes."""
        if loading.opening != self._opening():
            loading.abandon()
            return
        try:
            self._model = self._ready(loading)
        except BaseException as error:  # whatever a library raises: the old model goes on
            self._refuse_change(loading, old, str(error) or repr(error))
            return
        old.build.cancel()
        old.close_after(self._frames.wait_round)
        self._retired.append(old)
        self.get_logger().info(_what_serves(self._model))

    def _refuse_change(self, loading: Loading, old: Model, reason: str) -> None:
        """Say why there is no change, and set the parameters back to what is true."""
        text = f"cannot change to {_differences(loading.opening, old)}: {reason}; {old.name} goes on"
        self.get_logger().error(text)
        for monitor in self._monitors.values():
            monitor.error(text)
        remap, min_confidence = old.class_output[0]
        now = {**self._opening(), **dict(zip(("remap", "min_confidence"), self._asked(), strict=True))}
        true = {**old.opening, "remap": remap, "min_confidence": min_confidence}
        back = [name for name in true if true[name] != now[name]]
        values = {name: list(true[name]) if isinstance(true[name], tuple) else true[name] for name in back}
        self.set_parameters_atomically(
            [Parameter(name, value=[""] if value == [] else value) for name, value in values.items()]
        )

    def _changing(self, model: Model) -> bool:
        """Whether another model is asked for, or serves already."""
        return model is not self._model or self._opening() != model.opening

    # Frames

    @property
    def _compressed(self) -> bool:
        return self._value("transport") == "compressed"

    def _input_topic(self, camera: str) -> str:
        """Return the topic to read; as image_transport does, /compressed is appended to the remapped name."""
        base = self.resolve_topic_name(f"{camera}/image" if camera else "image")
        return f"{base}/compressed" if self._compressed else base

    def _mask_topic(self, camera: str) -> str:
        return self.resolve_topic_name(f"{_prefix(camera)}/mask")

    def _follow_changes(self) -> None:
        """Do as parameters and subscribers ask now."""
        self._frames.limit_rate(self._value("max_rate"))
        self._follow_model()
        self._follow_subscribers()

    def _follow_subscribers(self) -> None:
        """Listen to the cameras whose results somebody wants, while active and enabled, and to no others."""
        if self._state != "active":
            return
        for camera, outputs in self._outputs.items():
            wanted = self._enabled and (self._value("always_on") or outputs.wanted)
            if wanted and camera not in self._inputs:
                self._subscribe(camera, self._monitors[camera])
            elif not wanted and camera in self._inputs:
                self._unsubscribe(camera)
            if wanted:
                outputs.follow_camera_info()

    def _subscribe(self, camera: str, monitor: CameraMonitor) -> None:
        monitor.received()  # silence counts from now
        try:
            events = SubscriptionEventCallbacks(
                message_lost=lambda event, add=monitor.lost: add(event.total_count_change)
            )
            subscription = self._subscribe_to(camera, monitor.topic, events)
        except UnsupportedEventTypeError:
            monitor.lost(None)
            subscription = self._subscribe_to(camera, monitor.topic, None)
        self._inputs[camera] = subscription
        transport, mask = self._value("transport"), self._mask_topic(camera)
        self.get_logger().info(f"active: listening to {monitor.topic} ({transport}), publishing {mask}")

    def _unsubscribe(self, camera: str) -> None:
        """Stop taking frames of one camera; its frame at work goes its way."""
        self.destroy_subscription(self._inputs.pop(camera))
        self._outputs[camera].leave_camera_info()
        self._frames.drop_waiting([camera])
        why = "nobody subscribes any more" if self._enabled else "disabled"
        self.get_logger().info(f"{why}: no longer listening to {self._monitors[camera].topic}")

    def _subscribe_to(
        self, camera: str, topic: str, events: SubscriptionEventCallbacks | None
    ) -> Subscription[Image | CompressedImage]:
        return self.create_subscription(
            CompressedImage if self._compressed else Image,
            topic,
            functools.partial(self._on_image, camera),
            QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
            qos_overriding_options=OVERRIDABLE,
            event_callbacks=events,
        )

    def _stop_listening(self) -> None:
        """Stop taking frames and wait for the one at work, so that its mask still goes out, unless that takes long."""
        self._ask_timer.cancel()
        for subscription in self._inputs.values():
            self.destroy_subscription(subscription)
        self._inputs.clear()
        self._frames.drop_waiting()
        self._await_worker()
        for outputs in self._outputs.values():
            outputs.leave_camera_info()

    def _await_worker(self) -> None:
        while self._worker is not None and not self._frames.wait_idle(0.05):
            if self._interrupted() or self._frames.busy_s() > self._value("engine_timeout"):
                return

    def _on_image(self, camera: str, message: Image | CompressedImage) -> None:
        self._frames.put(ReceivedFrame(camera, message, time.monotonic_ns()))
        self._monitors[camera].received()

    def _on_published(self, monitor: CameraMonitor, latency: LatencyTopics, times: FrameTimes) -> None:
        monitor.published(times)
        latency.published(times)
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
        self._follow_changes()
        response.success = True
        response.message = f"{'enabled' if self._enabled else 'disabled'} ({self._state})"
        return response

    # Parameters and diagnostics

    def _value(self, name: str) -> Any:
        return parameter_value(self, name)

    def _live_settings(self) -> LiveSettings:
        model = self._model
        assert model is not None  # released after the worker has stopped
        names = ("max_frame_age", "max_pixels", "max_side", "overlay_alpha")
        return LiveSettings(*[model.segmenter, *map(self._value, names), self._classes(model)])

    def _asked(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return tuple(self._value("remap")), tuple(self._value("min_confidence"))

    def _classes(self, model: Model) -> ClassOutput:
        """Return what masks hold; the same object while the parameters say the same.

        Those given while another model loads are for that one.
        """
        asked = self._asked()
        if model.class_output[0] != asked and not self._changing(model):
            with contextlib.suppress(ClassOutputError):  # the model they are for is being set at this very moment
                model.class_output = asked, _class_output(model.segmenter, *asked)
        return model.class_output[1]

    def _model_refusal(self, parameters: list[Parameter]) -> str | None:
        """Return why these parameters fit neither the model that serves nor any that could be loaded, or None."""
        given = {parameter.name: parameter.value for parameter in parameters}
        if self._model is None or not given.keys() & {*OPENING, "remap", "min_confidence"}:
            return None
        asked = [given[name] or () if name in given else self._value(name) for name in ("remap", "min_confidence")]
        try:
            if given.get("model", self._model.opening["model"]) != self._model.opening["model"]:
                self._find_model(given["model"])
            if {**self._opening(), **opening_values(given)} == self._model.opening:
                _class_output(self._model.segmenter, *asked)
        except GainError as error:
            return str(error)
        return None

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        configured = self._state in ("inactive", "active")
        reasons = [refusal(parameter.name, parameter.value, configured=configured) for parameter in parameters]
        if not any(reasons):
            reasons.append(self._model_refusal(parameters))
        reason = "; ".join(filter(None, reasons))
        self._changed.trigger()  # the executor comes to it when the values are set
        return SetParametersResult(successful=not reason, reason=reason)

    def _on_diagnostics_timer(self) -> None:
        self._follow_changes()
        self.publish_diagnostics()

    def publish_diagnostics(self) -> None:
        """Publish one status per camera, or one for the node while no model is loaded."""
        self._diagnosed_at = time.monotonic()
        if self._model is not None and self._model.build.text:
            self.get_logger().info(self._model.build.text, throttle_duration_sec=_LOG_PERIOD_S)
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        if self._model is None or not self._monitors:
            model = self._value("model")
            values = {"state": self._state, "model": model, "engine": "", "provider": "", "last_error": self._error}
            message.status = [status("segmentation", model, self._health_without_model(), values)]
        else:
            message.status = [self._camera_status(camera, self._model) for camera in self._monitors]
        self._diagnostics.publish(message)
        self._log_silence()

    def _log_error(self, text: str) -> None:
        """Say what is wrong with the node, and say it again while it is."""
        self.get_logger().error(text, throttle_duration_sec=_LOG_PERIOD_S)

    def _health_without_model(self) -> Health:
        if self._error:
            self._log_error(self._error)
            return Health(DiagnosticStatus.ERROR, self._error)
        if self._loading is None:
            return Health(DiagnosticStatus.OK, self._state)
        return _loading_health(self._loading, "loading the model")

    def _log_silence(self) -> None:
        """Say once that a camera is silent, and what else there is to listen to: most often a topic is misspelt."""
        listening = [monitor for camera, monitor in self._monitors.items() if camera in self._inputs]
        silent = [monitor.topic for monitor in listening if monitor.fell_silent()]
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

    def _camera_status(self, camera: str, model: Model) -> DiagnosticStatus:
        info = model.segmenter.info
        limits = Limits(self._value("warn_mask_age"), self._value("warn_superseded"))
        health, values = self._monitors[camera].report(self._frames.counts(camera), limits)
        if self._monitors[camera].fell_behind:
            self.get_logger().warning(health.message, throttle_duration_sec=_LOG_PERIOD_S)
        engine = Health(DiagnosticStatus.ERROR, self._error) if self._error else self._engine_health(info, model)
        if engine.level == DiagnosticStatus.ERROR:
            self._log_error(engine.message)
        if engine.level >= health.level and engine.level != DiagnosticStatus.OK:
            health = engine
        elif self._state != "active" or not self._enabled:
            health = Health(DiagnosticStatus.OK, self._state if self._enabled else f"{self._state}, disabled")
        elif camera not in self._inputs:
            health = Health(DiagnosticStatus.OK, "idle: nobody subscribes")
        loading = "" if self._loading is None else _differences(self._loading.opening, model)
        if self._loading is not None and health.level == DiagnosticStatus.OK:
            health = _loading_health(self._loading, f"{health.message}; {model.name} serves, loading {loading}")
        shared = {
            "state": self._state,
            "enabled": str(self._enabled).lower(),
            "idle": str(camera not in self._inputs).lower(),
            "model": model.name,
            "loading": loading,
            "engine": info.engine,
            "engine_asked": model.opening["engine"],
            "precision": info.precision,
            "provider": info.provider,
            "device": info.device,
            "engine_build": model.build.text,
            "topic": self._monitors[camera].topic,
        }
        return status(_prefix(camera), model.name, health, shared | values)

    def _engine_health(self, info: EngineInfo, model: Model) -> Health:
        """Judge whether the engine answers, and whether it is the one that was asked for."""
        busy_s, asked = self._frames.busy_s(), model.opening["engine"]
        hangs = busy_s > self._value("engine_timeout")
        if hangs or busy_s > self._value("warn_mask_age"):
            text = f"nothing has come out for {busy_s:.1f} s: {info.engine} is still at the frames it got then"
            return Health(DiagnosticStatus.ERROR if hangs else DiagnosticStatus.WARN, text)
        if info.failure:
            level = DiagnosticStatus.WARN if asked == "auto" else DiagnosticStatus.ERROR
            return Health(level, f"{info.engine} runs, engine is {asked}: {info.failure}")
        if asked not in ("auto", info.engine):
            text = f"{info.engine} runs until {asked} is ready; {model.build.text or 'nothing is built'}"
            return Health(DiagnosticStatus.WARN, text)
        return Health(DiagnosticStatus.OK, "")


def _class_output(segmenter: Segmenter, remap: Sequence[str], min_confidence: Sequence[str]) -> ClassOutput:
    """Return what masks hold by these parameters, and by model.yaml where they say nothing. Raises ClassOutputError."""
    return segmenter.model_folder.class_output(read_remap(remap), read_min_confidence(min_confidence))


def _loading_health(loading: Loading, text: str) -> Health:
    level = DiagnosticStatus.WARN if loading.loading_s > _SLOW_LOADING_S else DiagnosticStatus.OK
    return Health(level, f"{text} for {loading.loading_s:.0f} s")


def _differences(opening: Mapping[str, Any], model: Model) -> str:
    """Return the parameters in which ``opening`` differs from those of a model, in words."""
    return ", ".join(f"{name} {value}" for name, value in opening.items() if value != model.opening.get(name))


def _what_serves(model: Model) -> str:
    info = model.segmenter.info
    return f"model {model.name} on {info.engine} ({info.provider}, {info.device}): {info.reason}"


def _prefix(camera: str) -> str:
    """Where the results of a camera go: the prefix of its topics, and the name of its status."""
    return f"segmentation/{camera}" if camera else "segmentation"
