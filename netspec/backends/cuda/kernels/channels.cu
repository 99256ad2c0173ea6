// What is done channel by channel, and sums that were made in parts.

// Add b[k] to channel k of y (N, K, positions).
extern "C" __global__ void channel_bias(const float* __restrict__ b,
                                        float* __restrict__ y, long long elements,
                                        int channels, int positions) {
  long long step = static_cast<long long>(gridDim.x) * blockDim.x;
  long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (; i < elements; i += step) y[i] += __ldg(b + i / positions % channels);
}

constexpr int WARPS = 8;
constexpr int RUN = 2048;  // positions that a warp sums at a time

// parts[p][k] = the p-th part of the sum of channel k of dy (N, K, positions).
// Warps take runs of positions in turn. Grid: channels, parts.
extern "C" __global__ void __launch_bounds__(WARPS * 32)
    channel_sums(const float* __restrict__ dy, float* __restrict__ parts, int images,
                 int positions) {
  __shared__ float sums[WARPS];
  int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  int channels = static_cast<int>(gridDim.x), channel = static_cast<int>(blockIdx.x);
  int runs = (positions + RUN - 1) / RUN;
  int step = static_cast<int>(gridDim.y) * WARPS;
  float total = 0.0f;
  for (int i = static_cast<int>(blockIdx.y) * WARPS + warp; i < images * runs; i += step) {
    int image = i / runs, start = i % runs * RUN;
    int end = min(start + RUN, positions);
    const float* plane =
        dy + (static_cast<long long>(image) * channels + channel) * positions;
    for (int p = start + lane; p < end; p += 32) total += plane[p];
  }
  for (int distance = 16; distance; distance /= 2)
    total += __shfl_xor_sync(0xffffffffu, total, distance);
  if (lane == 0) sums[warp] = total;
  __syncthreads();
  if (threadIdx.x) return;
  total = sums[0];
  for (int i = 1; i < WARPS; ++i) total += sums[i];
  parts[blockIdx.y * channels + channel] = total;
}

// Add to each number the sum of its parts, in their order.
extern "C" __global__ void add_parts(const float* __restrict__ parts,
                                     float* __restrict__ total, int numbers, int count) {
  int step = static_cast<int>(gridDim.x * blockDim.x);
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < numbers;
       i += step) {
    float sum = parts[i];
    for (int part = 1; part < count; ++part)
      sum += parts[static_cast<long long>(part) * numbers + i];
    total[i] += sum;
  }
}
