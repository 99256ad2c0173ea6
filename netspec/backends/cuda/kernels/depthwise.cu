// Convolution whose groups have so few channels that a tile of weights would be empty:
// plain sums, one thread an output. Tables are those of implicit.cuh.
#include "implicit.cuh"
#include "reduce.cuh"

// y = weights * source, finished. Grid: blocks of columns, filters. *origins* has for
// each of the *elements* of the reduction where the first row's weight stands.
extern "C" __global__ void __launch_bounds__(256, 4)
    convolve_plainly(const float* __restrict__ source, const float* __restrict__ w,
                     const int* __restrict__ table, const int* __restrict__ origins,
                     const float* __restrict__ bias, const float* __restrict__ terms,
                     float* __restrict__ y, int elements, int filters, int row_step,
                     int group_step, int flags) {
  const Shape& shape = *reinterpret_cast<const Shape*>(table);
  auto list = reinterpret_cast<const Entry*>(table + sizeof(Shape) / sizeof(int));
  int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= shape.columns) return;
  Position at(shape, column, false);
  int h = at.down * shape.step_h + shape.first_h;
  int w0 = at.across * shape.step_w + shape.first_w;
  int origin = h * shape.source_w + w0;
  Window window(h, w0, shape.source_h, shape.source_w);
  int out_h = at.down * shape.out_step_h + shape.out_first_h;
  int out_w = at.across * shape.out_step_w + shape.out_first_w;
  Epilogue finish{bias, terms, filters, flags};
  for (int filter = static_cast<int>(blockIdx.y); filter < filters;
       filter += static_cast<int>(gridDim.y)) {
    int group = filter / shape.rows, row = filter % shape.rows;
    const float* own = w + static_cast<long long>(group) * group_step + row * row_step;
    const float* from = source + static_cast<long long>(at.image) * shape.source_image +
                        static_cast<long long>(group) * shape.source_group;
    float sum = 0.0f;
    for (int e = 0; e < elements; ++e) {
      Entry entry = list[e];
      if (window.has(entry))
        sum += own[origins[e]] * from[origin + entry.offset];
    }
    long long plane = static_cast<long long>(at.image) * filters + filter;
    y[(plane * shape.out_h + out_h) * shape.out_w + out_w] = finish(sum, filter);
  }
}

// parts[p][i] = the p-th part of the gradient of weight i. Grid: weights, parts.
extern "C" __global__ void __launch_bounds__(256)
    correlate_plainly(const float* __restrict__ x, const float* __restrict__ dy,
                      const int* __restrict__ table, float* __restrict__ parts,
                      int elements, int filters, int positions) {
  const Shape& shape = *reinterpret_cast<const Shape*>(table);
  auto list = reinterpret_cast<const Entry*>(table + sizeof(Shape) / sizeof(int));
  int filter = static_cast<int>(blockIdx.x) / elements;
  Entry entry = list[static_cast<int>(blockIdx.x) % elements];
  int group = filter / shape.rows, plane = shape.high * shape.wide;
  int start = static_cast<int>(blockIdx.y) * positions;
  int end = min(start + positions, shape.columns);
  int position = start + static_cast<int>(threadIdx.x);
  Position at(shape, position, false);
  float sum = 0.0f;
  for (; position < end; position += static_cast<int>(blockDim.x)) {
    int h = at.down * shape.step_h + shape.first_h;
    int w = at.across * shape.step_w + shape.first_w;
    if (Window(h, w, shape.source_h, shape.source_w).has(entry)) {
      const float* source = x + static_cast<long long>(at.image) * shape.source_image +
                            static_cast<long long>(group) * shape.source_group;
      long long above = static_cast<long long>(at.image) * filters + filter;
      sum += dy[above * plane + at.down * shape.wide + at.across] *
             source[h * shape.source_w + w + entry.offset];
    }
    at.advance(shape, static_cast<int>(blockDim.x));
  }
  sum = row_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.y * gridDim.x + blockIdx.x] = sum;
}
