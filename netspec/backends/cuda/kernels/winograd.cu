// Winograd's F(4x4, 3x3): the transforms around products of matrices, one thread a tile
// of one channel. The formulas and their source are in
// netspec/backends/cpu/winograd/formulas.py; planes are the 6 x 6 places of a tile.
#include "epilogue.cuh"

constexpr int TILE = 4, SPAN = 6, TAPS = 3;
constexpr float P = 0.75f, Q = 1.5f, PP = P * P, QQ = Q * Q;
constexpr float FIRST = 1.0f / (PP * QQ);
constexpr float NEAR = 0.5f / (PP * (PP - QQ)), FAR = 0.5f / (QQ * (QQ - PP));

// Each formula has IN numbers, a *step* apart, and makes OUT of them, a *jump* apart.
struct Inputs {
  static constexpr int IN = SPAN, OUT = SPAN;

  static __device__ __forceinline__ void apply(const float* d, int s, float* v, int j) {
    float near = d[4 * s] - QQ * d[2 * s], near_odd = P * (d[3 * s] - QQ * d[s]);
    float far = d[4 * s] - PP * d[2 * s], far_odd = Q * (d[3 * s] - PP * d[s]);
    v[0] = PP * QQ * d[0] - (PP + QQ) * d[2 * s] + d[4 * s];
    v[j] = near + near_odd, v[2 * j] = near - near_odd;
    v[3 * j] = far + far_odd, v[4 * j] = far - far_odd;
    v[5 * j] = PP * QQ * d[s] - (PP + QQ) * d[3 * s] + d[5 * s];
  }
};

struct Outputs {
  static constexpr int IN = SPAN, OUT = TILE;

  static __device__ __forceinline__ void apply(const float* m, int s, float* y, int j) {
    float near = m[s] + m[2 * s], near_odd = m[s] - m[2 * s];
    float far = m[3 * s] + m[4 * s], far_odd = m[3 * s] - m[4 * s];
    y[0] = m[0] + near + far;
    y[j] = P * near_odd + Q * far_odd;
    y[2 * j] = PP * near + QQ * far;
    y[3 * j] = P * PP * near_odd + Q * QQ * far_odd + m[5 * s];
  }
};

struct OutputGradients {
  static constexpr int IN = TILE, OUT = SPAN;

  static __device__ __forceinline__ void apply(const float* y, int s, float* d, int j) {
    float near = y[0] + PP * y[2 * s], near_odd = P * y[s] + P * PP * y[3 * s];
    float far = y[0] + QQ * y[2 * s], far_odd = Q * y[s] + Q * QQ * y[3 * s];
    d[0] = y[0], d[5 * j] = y[3 * s];
    d[j] = near + near_odd, d[2 * j] = near - near_odd;
    d[3 * j] = far + far_odd, d[4 * j] = far - far_odd;
  }
};

struct Weights {
  static constexpr int IN = TAPS, OUT = SPAN;

  static __device__ __forceinline__ void apply(const float* w, int s, float* u, int j) {
    float near = NEAR * w[0] + NEAR * PP * w[2 * s], near_odd = NEAR * P * w[s];
    float far = FAR * w[0] + FAR * QQ * w[2 * s], far_odd = FAR * Q * w[s];
    u[0] = FIRST * w[0], u[5 * j] = w[2 * s];
    u[j] = near + near_odd, u[2 * j] = near - near_odd;
    u[3 * j] = far + far_odd, u[4 * j] = far - far_odd;
  }
};

struct WeightGradients {
  static constexpr int IN = SPAN, OUT = TAPS;

  static __device__ __forceinline__ void apply(const float* u, int s, float* w, int j) {
    float near = u[s] + u[2 * s], near_odd = u[s] - u[2 * s];
    float far = u[3 * s] + u[4 * s], far_odd = u[3 * s] - u[4 * s];
    w[0] = FIRST * u[0] + NEAR * near + FAR * far;
    w[j] = NEAR * P * near_odd + FAR * Q * far_odd;
    w[2 * j] = NEAR * PP * near + FAR * QQ * far + u[5 * s];
  }
};

// A formula along the columns of a square, then along the rows of what comes of it.
template <class Formula>
__device__ __forceinline__ void transform(const float (&square)[Formula::IN][Formula::IN],
                                          float (&out)[Formula::OUT][Formula::OUT]) {
  float half[Formula::OUT][Formula::IN];
#pragma unroll
  for (int i = 0; i < Formula::IN; ++i)
    Formula::apply(&square[0][i], Formula::IN, &half[0][i], Formula::IN);
#pragma unroll
  for (int i = 0; i < Formula::OUT; ++i) Formula::apply(half[i], 1, out[i], 1);
}

// Of the images' tiles, numbered over images, rows of tiles and along the row.
struct Tile {
  int image, h, w;

  __device__ __forceinline__ Tile(int number, int high, int wide) {
    image = number / (high * wide);
    int rest = number - image * high * wide;
    h = rest / wide * TILE;
    w = rest % wide * TILE;
  }
};

// One line of a source's plane, of which tiles see SIZE pixels from *first* on.
struct Line {
  const float* pixels;
  bool is_there;
  int wide, first;

  __device__ __forceinline__ float pixel(int j) const {
    int w = first + j;
    return is_there && w >= 0 && w < wide ? pixels[w] : 0.0f;
  }
};

// The tile's own four pixels, *before* of what it sees, at once. Neighbouring lanes have
// neighbouring tiles: they know the others, but for the first lane's and the last's.
template <int SIZE, int BEFORE>
__device__ __forceinline__ void load_vector(const Line& line, float (&out)[SIZE]) {
  float4 own = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  if (line.is_there)
    own = *reinterpret_cast<const float4*>(line.pixels + line.first + BEFORE);
  out[BEFORE] = own.x, out[BEFORE + 1] = own.y;
  out[BEFORE + 2] = own.z, out[BEFORE + 3] = own.w;
  if constexpr (BEFORE == 1) {
    int lane = static_cast<int>(threadIdx.x) % 32;
    float left = __shfl_up_sync(0xffffffffu, own.w, 1);
    float right = __shfl_down_sync(0xffffffffu, own.x, 1);
    bool is_first = line.first < 0, is_last = line.first + SIZE > line.wide;
    out[0] = lane == 0 ? line.pixel(0) : is_first ? 0.0f : left;
    out[SIZE - 1] = lane == 31 ? line.pixel(SIZE - 1) : is_last ? 0.0f : right;
  }
}

// planes (36, channels, tiles) of tiles of *all* channels' images, whose first pixels
// lie *pad* before the tile's. Tiles beyond *last* are zeros. Grid: tiles, channels.
// Whole warps of tiles where *vectors*: lines are whole vectors, and aligned.
template <class Formula>
__device__ __forceinline__ void transform_tiles(
    const float* source, float* planes, int tiles, int first, int last, int high,
    int wide, int all, int first_channel, int source_h, int source_w, int pad_h,
    int pad_w, int vectors) {
  constexpr int SIZE = Formula::IN, BEFORE = (SIZE - TILE) / 2;
  int number = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  int channel = static_cast<int>(blockIdx.y), channels = static_cast<int>(gridDim.y);
  if (number >= tiles) return;
  bool is_there = first + number < last;
  Tile tile(is_there ? first + number : first, high, wide);
  long long plane = static_cast<long long>(tile.image) * all + first_channel + channel;
  const float* from = source + plane * source_h * source_w;
  float square[SIZE][SIZE], out[SPAN][SPAN];
#pragma unroll
  for (int i = 0; i < SIZE; ++i) {
    int h = tile.h - pad_h + i;
    bool inside = is_there && h >= 0 && h < source_h;
    Line line{from + (inside ? h * source_w : 0), inside, source_w, tile.w - pad_w};
    if (vectors) {
      load_vector<SIZE, BEFORE>(line, square[i]);
    } else {
#pragma unroll
      for (int j = 0; j < SIZE; ++j) square[i][j] = line.pixel(j);
    }
  }
  transform<Formula>(square, out);
  float* to = planes + static_cast<long long>(channel) * tiles + number;
  long long step = static_cast<long long>(channels) * tiles;
#pragma unroll
  for (int i = 0; i < SPAN; ++i)
#pragma unroll
    for (int j = 0; j < SPAN; ++j) to[(i * SPAN + j) * step] = out[i][j];
}

extern "C" __global__ void __launch_bounds__(128)
    transform_inputs(const float* __restrict__ x, float* __restrict__ planes, int tiles,
                     int first, int last, int high, int wide, int all,
                     int first_channel, int source_h, int source_w, int pad_h,
                     int pad_w, int vectors) {
  transform_tiles<Inputs>(x, planes, tiles, first, last, high, wide, all,
                          first_channel, source_h, source_w, pad_h, pad_w, vectors);
}

extern "C" __global__ void __launch_bounds__(128)
    transform_output_gradients(const float* __restrict__ dy, float* __restrict__ planes,
                               int tiles, int first, int last, int high, int wide,
                               int all, int first_channel, int source_h, int source_w,
                               int pad_h, int pad_w, int vectors) {
  transform_tiles<OutputGradients>(dy, planes, tiles, first, last, high, wide, all,
                                   first_channel, source_h, source_w, pad_h, pad_w,
                                   vectors);
}

// The result of planes (36, filters of a group, tiles), finished. Grid: tiles, filters.
extern "C" __global__ void __launch_bounds__(128)
    transform_outputs(const float* __restrict__ planes, const float* __restrict__ bias,
                      const float* __restrict__ terms, float* __restrict__ y, int tiles,
                      int first, int last, int high, int wide, int all,
                      int first_filter, int out_h, int out_w, int flags) {
  int number = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (number >= tiles || first + number >= last) return;
  int filter = first_filter + static_cast<int>(blockIdx.y);
  const float* from = planes + static_cast<long long>(blockIdx.y) * tiles + number;
  long long step = static_cast<long long>(gridDim.y) * tiles;
  float square[SPAN][SPAN], out[TILE][TILE];
#pragma unroll
  for (int i = 0; i < SPAN; ++i)
#pragma unroll
    for (int j = 0; j < SPAN; ++j) square[i][j] = from[(i * SPAN + j) * step];
  transform<Outputs>(square, out);
  Epilogue finish{bias, terms, all, flags};
#pragma unroll
  for (int i = 0; i < TILE; ++i)
#pragma unroll
    for (int j = 0; j < TILE; ++j) out[i][j] = finish(out[i][j], filter);
  Tile tile(first + number, high, wide);
  long long plane = static_cast<long long>(tile.image) * all + filter;
  if (flags & POOLED) {
    float* to = y + plane * (out_h / 2) * (out_w / 2);
#pragma unroll
    for (int i = 0; i < TILE; i += 2)
#pragma unroll
      for (int j = 0; j < TILE; j += 2) {
        float best = larger(larger(LOWEST, out[i][j]), out[i][j + 1]);
        best = larger(larger(best, out[i + 1][j]), out[i + 1][j + 1]);
        int h = (tile.h + i) / 2, w = (tile.w + j) / 2;
        if (h < out_h / 2 && w < out_w / 2) to[h * (out_w / 2) + w] = best;
      }
    return;
  }
  float* to = y + (plane * out_h + tile.h) * out_w + tile.w;
#pragma unroll
  for (int i = 0; i < TILE; ++i) {
    if (tile.h + i >= out_h) return;
    if (flags & VECTORS) {
      *reinterpret_cast<float4*>(to + i * out_w) =
          make_float4(out[i][0], out[i][1], out[i][2], out[i][3]);
    } else {
#pragma unroll
      for (int j = 0; j < TILE; ++j)
        if (tile.w + j < out_w) to[i * out_w + j] = out[i][j];
    }
  }
}

// planes (36, rows, columns) of kernels that lie *row_step* and *column_step* weights
// apart, turned by half a turn where *turned*.
extern "C" __global__ void __launch_bounds__(128)
    transform_weights(const float* __restrict__ w, float* __restrict__ planes, int rows,
                      int columns, int row_step, int column_step, int turned) {
  int number = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (number >= rows * columns) return;
  const float* from = w + static_cast<long long>(number / columns) * row_step +
                      static_cast<long long>(number % columns) * column_step;
  float square[TAPS][TAPS], out[SPAN][SPAN];
#pragma unroll
  for (int i = 0; i < TAPS * TAPS; ++i)
    square[i / TAPS][i % TAPS] = from[turned ? TAPS * TAPS - 1 - i : i];
  transform<Weights>(square, out);
#pragma unroll
  for (int i = 0; i < SPAN * SPAN; ++i)
    planes[static_cast<long long>(i) * rows * columns + number] =
        out[i / SPAN][i % SPAN];
}

// Add to dw (kernels, 3, 3) what planes (36, kernels) come to.
extern "C" __global__ void __launch_bounds__(128)
    add_weight_gradients(const float* __restrict__ planes, float* __restrict__ dw,
                         int kernels) {
  int number = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (number >= kernels) return;
  float square[SPAN][SPAN], out[TAPS][TAPS];
#pragma unroll
  for (int i = 0; i < SPAN * SPAN; ++i)
    square[i / SPAN][i % SPAN] = planes[static_cast<long long>(i) * kernels + number];
  transform<WeightGradients>(square, out);
  float* to = dw + static_cast<long long>(number) * TAPS * TAPS;
#pragma unroll
  for (int i = 0; i < TAPS * TAPS; ++i) to[i] += out[i / TAPS][i % TAPS];
}
