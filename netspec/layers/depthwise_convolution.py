"""DepthwiseConvolution: a convolution whose groups are the channels, unless told."""

from __future__ import annotations

from netspec.layers.base import Shapes, layer
from netspec.layers.convolution import Convolution


@layer("DepthwiseConvolution", "ConvolutionDepthwise")
class DepthwiseConvolution(Convolution):
    """Two forks' names for a Convolution with as many groups as channels.

    ``num_output`` and ``group`` that the file does not give are the number of input
    channels.
    """

    def setup(self) -> None:
        """Read convolution_param; the rest waits for the channels."""
        self.message = self.proto.convolution_param
        self.filters, self.group = self.message.num_output, self.message.group

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """As Convolution, for these channels."""
        channels = bottom[0][self._axis(bottom[0])]
        given = self.message.HasField
        self.filters = self.message.num_output if given("num_output") else channels
        self.group = self.message.group if given("group") else channels
        self._check_groups()
        return super().infer_shapes(bottom)
