#!/usr/bin/env python3
"""Caffe's parse_log.py: netspec log parse."""

import sys

from mapping import go, parse_log

sys.exit(go(parse_log))
