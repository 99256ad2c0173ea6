// One step of an LSTM's cell; see reference/recurrent.py.  Cells are (N, D), gates
// (N, 4 D): input, forget, output, new value.
#include "map.cuh"

__device__ inline float logistic(float v) { return 0.5f * tanhf(0.5f * v) + 0.5f; }

struct Gates {
  float input, forget, output, value;
};

__device__ inline Gates gates_at(const float* gates, long long row, long long column,
                                 long long width) {
  const float* own = gates + row * 4 * width + column;
  return {logistic(own[0]), logistic(own[width]), logistic(own[2 * width]),
          tanhf(own[3 * width])};
}

extern "C" __global__ void lstm_unit(const float* before, const float* gates,
                                     const float* cont, float* c, float* h, long long n,
                                     long long width) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long row = quotient(i, width);
    const Gates g = gates_at(gates, row, i - row * width, width);
    const float cell = cont[row] * g.forget * before[i] + g.input * g.value;
    c[i] = cell;
    h[i] = g.output * tanhf(cell);
  }
}

extern "C" __global__ void lstm_unit_backward(const float* before, const float* gates,
                                              const float* cont, const float* c,
                                              const float* dc, const float* dh,
                                              float* dbefore, float* dgates,
                                              long long n, long long width) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long row = quotient(i, width), column = i - row * width;
    const Gates g = gates_at(gates, row, column, width);
    const float out = tanhf(c[i]), kept = cont[row] * g.forget, slope = dh[i];
    const float cell = dc[i] + slope * g.output * (1.f - out * out);
    float* own = dgates + row * 4 * width + column;
    own[0] = cell * g.value * g.input * (1.f - g.input);
    own[width] = cell * before[i] * kept * (1.f - g.forget);
    own[2 * width] = slope * out * g.output * (1.f - g.output);
    own[3 * width] = cell * g.input * (1.f - g.value * g.value);
    dbefore[i] = cell * kept;
  }
}
