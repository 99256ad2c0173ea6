#!/usr/bin/env python3
"""Caffe's draw_net.py: netspec draw."""

import sys

from mapping import draw_net, go

sys.exit(go(draw_net))
