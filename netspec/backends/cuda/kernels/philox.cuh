// Philox-4x32-10: four random words of a counter and a key.  The same bits as
// netspec/random.py, which names the source.
#pragma once

struct Words {
  unsigned word[4];
};

__device__ inline Words philox(unsigned c0, unsigned c1, unsigned c2, unsigned c3,
                               unsigned k0, unsigned k1) {
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const unsigned a = __umulhi(0xD2511F53u, c0), b = __umulhi(0xCD9E8D57u, c2);
    const unsigned low = 0xCD9E8D57u * c2, other = 0xD2511F53u * c0;
    c0 = b ^ c1 ^ k0;
    c2 = a ^ c3 ^ k1;
    c1 = low;
    c3 = other;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return Words{{c0, c1, c2, c3}};
}
