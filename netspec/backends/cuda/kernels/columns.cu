// What every output position of a convolution meets, laid out, and back; any number of
// spatial axes. *axes* has six numbers for each of them, the first axis first.

struct Axis {
  int input, output, kernel, stride, pad, dilation;
};

// The values of *rows* rows (image, channel, tap) of *positions* each. Grid: blocks of
// positions, rows.
extern "C" __global__ void __launch_bounds__(256)
    image_to_columns(const float* __restrict__ x, float* __restrict__ y,
                     const int* __restrict__ axes, int count, long long rows, int taps,
                     int positions, int plane) {
  auto list = reinterpret_cast<const Axis*>(axes);
  int step = static_cast<int>(gridDim.x * blockDim.x);
  for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
    const float* from = x + row / taps * plane;
    for (int p = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
         p < positions; p += step) {
      int tap = static_cast<int>(row % taps), place = p, offset = 0, size = 1;
      bool inside = true;
      for (int i = count - 1; i >= 0; --i) {
        const Axis axis = list[i];
        int at = place % axis.output * axis.stride - axis.pad +
                 tap % axis.kernel * axis.dilation;
        place /= axis.output, tap /= axis.kernel;
        inside = inside && at >= 0 && at < axis.input;
        offset += at * size, size *= axis.input;
      }
      y[row * positions + p] = inside ? from[offset] : 0.0f;
    }
  }
}

// dx of *planes* planes (image, channel) of *plane* pixels, each the sum of what met
// it, tap by tap. Grid: blocks of pixels, planes.
extern "C" __global__ void __launch_bounds__(256)
    columns_to_image(const float* __restrict__ dy, float* __restrict__ dx,
                     const int* __restrict__ axes, int count, int planes, int taps,
                     int positions, int plane) {
  auto list = reinterpret_cast<const Axis*>(axes);
  int step = static_cast<int>(gridDim.x * blockDim.x);
  for (int row = static_cast<int>(blockIdx.y); row < planes;
       row += static_cast<int>(gridDim.y)) {
    const float* from = dy + static_cast<long long>(row) * taps * positions;
    for (int p = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); p < plane;
         p += step) {
      float sum = 0.0f;
      for (int t = 0; t < taps; ++t) {
        int tap = t, pixel = p, offset = 0, size = 1;
        bool inside = true;
        for (int i = count - 1; i >= 0 && inside; --i) {
          const Axis axis = list[i];
          int at = pixel % axis.input + axis.pad - tap % axis.kernel * axis.dilation;
          pixel /= axis.input, tap /= axis.kernel;
          int place = at / axis.stride;
          inside = at >= 0 && place * axis.stride == at && place < axis.output;
          offset += place * size, size *= axis.output;
        }
        if (inside) sum += from[static_cast<long long>(t) * positions + offset];
      }
      dx[static_cast<long long>(row) * plane + p] = sum;
    }
  }
}
