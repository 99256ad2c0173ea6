#!/usr/bin/env python3
"""Caffe's plot_training_log.py: netspec log plot."""

import sys

from mapping import go, plot_training_log

sys.exit(go(plot_training_log))
