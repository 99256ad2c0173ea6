#!/usr/bin/env python3
"""Caffe's detect.py: netspec detect."""

import sys

from mapping import detect, go

sys.exit(go(detect))
