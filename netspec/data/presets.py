"""The conventions under which published ImageNet models were trained, by name.

A model that was carried from one library to another keeps the convention of its
training: which of these it wants is a property of its weights, not of their format.
"""

from __future__ import annotations

from netspec.data.preprocess import Preprocess
from netspec.data.rescale import Resize
from netspec.errors import UsageError
from netspec.registry import Registry

_VGG_MEAN = (103.939, 116.779, 123.68)  # blue, green, red
_CROP = (224, 224)

PRESETS: Registry[Preprocess] = Registry("preprocessing", UsageError)

# The models of the VGG paper's authors: mean pixel of the training set, no scale.
PRESETS("caffe-vgg")(
    Preprocess("bgr", mean=_VGG_MEAN, resize=Resize("short-side", (256,)), crop=_CROP)
)
# torchvision's: RGB in 0 to 1, then mean and deviation of each channel.
PRESETS("torchvision")(
    Preprocess(
        "rgb",
        range=1,
        mean=(0.485, 0.456, 0.406),
        scale=(1 / 0.229, 1 / 0.224, 1 / 0.225),
        resize=Resize("short-side", (256,), "pil-bilinear"),
        crop=_CROP,
    )
)
# Keras' mode "caffe" (VGG, ResNet), with load_img(target_size=...), which squashes.
PRESETS("keras-caffe")(
    Preprocess(
        "bgr",
        mean=_VGG_MEAN,
        resize=Resize("squash", _CROP, "pil-nearest"),
        crop=_CROP,
    )
)
# Keras' mode "tf" (Inception, MobileNet, ResNet V2): RGB in -1 to 1.
PRESETS("tf")(
    Preprocess(
        "rgb",
        mean=(127.5,),
        scale=(1 / 127.5,),
        resize=Resize("squash", _CROP, "pil-nearest"),
        crop=_CROP,
    )
)
