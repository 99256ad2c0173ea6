#!/usr/bin/env python3
"""Caffe's resize_and_crop_images.py: netspec data resize."""

import sys

from mapping import go, resize_and_crop_images

sys.exit(go(resize_and_crop_images))
