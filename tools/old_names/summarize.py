#!/usr/bin/env python3
"""Caffe's summarize.py: netspec summary."""

import sys

from mapping import go, summarize

sys.exit(go(summarize))
