#include <cmath>
#include <vector>

#include "tests/support/catch.h"

#include "kernels/base/check.h"
#include "kernels/cuda/gpu.h"
#include "kernels/simt/memory.h"
#include "kernels/simt/options.h"

/// The executor itself: what barriers, collectives and fragments do, and that its faults say where they happened.
namespace vox::gpu {

__global__ void barrier_kernel(int* y) {
  VOX_SHARED(int, s, [64]);
  const int t = static_cast<int>(threadIdx.x);
  s[t] = t;
  __syncthreads();
  const int sum = s[63 - t] + __syncthreads_count(t % 3 == 0);
  y[t] = sum + 1000 * __syncthreads_and(t < 64) + 10000 * __syncthreads_or(t == 5);
}

__global__ void shuffle_kernel(double* y) {
  const int t = static_cast<int>(threadIdx.x);
  const double v = t;
  double* out = y + 8 * t;
  out[0] = __shfl_sync(0xFFFFFFFFU, v, 5);
  out[1] = __shfl_sync(0xFFFFFFFFU, v, 3, 8);
  out[2] = __shfl_xor_sync(0xFFFFFFFFU, v, 17);
  out[3] = __shfl_down_sync(0xFFFFFFFFU, v, 3);
  out[4] = __shfl_up_sync(0xFFFFFFFFU, v, 3, 16);
  const unsigned half = t < 16 ? 0xFFFFU : 0xFFFF0000U;
  out[5] = __shfl_xor_sync(half, v, 1);
  out[6] = __ballot_sync(0xFFFFFFFFU, t % 5 == 0);
  out[7] = __any_sync(half, t == 20) + 2 * __all_sync(half, t < 16);
}

__global__ void copy_kernel(const float* x, float* y) {
  VOX_SHARED(float, s, [4][4]);
  const int t = static_cast<int>(threadIdx.x);
  cp_async<16>(s[0], x);
  cp_async_commit();
  cp_async_zfill<16>(s[1], x + 4, 8);
  cp_async_commit();
  cp_async_wait<1>();
  y[t] = s[0][t];
  y[4 + t] = s[1][t];  // in flight: NaN on purpose
  cp_async_wait<0>();
  y[8 + t] = s[1][t];
}

__global__ void fragment_kernel(const std::uint16_t* x, std::uint32_t* y) {
  VOX_SHARED(std::uint16_t, s, [32][8]);
  const int t = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 8; ++i) { s[t][i] = x[8 * t + i]; }
  __syncthreads();
  std::uint32_t plain[4];
  std::uint32_t transposed[4];
  ldmatrix_x4(plain, s[t]);
  ldmatrix_x4_trans(transposed, s[t]);
  for (int i = 0; i < 4; ++i) {
    y[8 * t + i] = plain[i];
    y[8 * t + 4 + i] = transposed[i];
  }
}

/// d[16][8] = c[16][8] + a[16][16] * b[16][8]
__global__ void multiply_kernel(const Bf16* a, const Bf16* b, const float* c, float* d) {
  VOX_SHARED(Bf16, s, [16][16]);
  const int t = static_cast<int>(threadIdx.x);
  const int row = t / 4;
  const int column = t % 4 * 2;
  for (int i = t; i < 256; i += 32) { s[i / 16][i % 16] = a[i]; }
  __syncthreads();
  std::uint32_t rows[4];
  ldmatrix_x4(rows, &s[t % 16][t / 16 * 8]);
  const auto pair = [&](int k) {
    return b[k * 8 + row].bits | static_cast<std::uint32_t>(b[(k + 1) * 8 + row].bits) << 16U;
  };
  const std::uint32_t columns[2] = {pair(column), pair(column + 8)};
  float sums[4];
  for (int i = 0; i < 4; ++i) { sums[i] = c[(row + i / 2 * 8) * 8 + column + i % 2]; }
  mma_m16n8k16_bf16(sums, rows, columns, sums);
  for (int i = 0; i < 4; ++i) { d[(row + i / 2 * 8) * 8 + column + i % 2] = sums[i]; }
}

__global__ void index_kernel(unsigned* y) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  y[block * blockDim.x * blockDim.y * blockDim.z + thread] += 1 + thread;
}

__global__ void divergent_kernel(int* y) {
  if (threadIdx.x < 32) {  // NOLINT(bugprone-branch-clone)
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = 1;
}

}  // namespace vox::gpu

namespace vox::test {
namespace {

template <class T> class OnDevice {
 public:
  explicit OnDevice(const std::vector<T>& v)
      : size_(v.size()), p_(static_cast<T*>(simt_device::allocate(v.size() * sizeof(T), "test"))) {
    simt_device::copy_in(p_, v.data(), size_ * sizeof(T));
  }
  ~OnDevice() { simt_device::release(p_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  [[nodiscard]] T* p() const { return p_; }
  [[nodiscard]] std::vector<T> host() const {
    std::vector<T> v(size_);
    simt_device::copy_out(v.data(), p_, size_ * sizeof(T));
    return v;
  }

 private:
  std::size_t size_;
  T* p_;
};

}  // namespace

TEST_CASE("a barrier shows every thread what the others wrote, and counts their votes", "[simt]") {
  const OnDevice<int> y(std::vector<int>(64));
  VOX_LAUNCH(SimtQueue{}, gpu::barrier_kernel, 1, 64, 0, y.p());
  for (int t = 0; t < 64; ++t) { CHECK(y.host()[static_cast<std::size_t>(t)] == 63 - t + 22 + 1000 + 10000); }
}

TEST_CASE("shuffles and votes take their values from the lanes that CUDA names", "[simt]") {
  const OnDevice<double> device(std::vector<double>(32 * 8));
  VOX_LAUNCH(SimtQueue{}, gpu::shuffle_kernel, 1, 32, 0, device.p());
  const auto y = device.host();
  for (unsigned t = 0; t < 32; ++t) {
    const auto got = [&](unsigned i) { return static_cast<unsigned>(y[8 * t + i]); };
    CHECK(got(0) == 5);
    CHECK(got(1) == t / 8 * 8 + 3);
    CHECK(got(2) == (t ^ 17U));
    CHECK(got(3) == (t + 3 < 32 ? t + 3 : t));
    CHECK(got(4) == (t % 16 >= 3 ? t - 3 : t));
    CHECK(got(5) == (t ^ 1U));
    CHECK(got(6) == 0x42108421U);
    CHECK(got(7) == (t < 16 ? 2 : 1));
  }
}

TEST_CASE("an asynchronous copy arrives when its group is waited for, and not before", "[simt]") {
  const OnDevice<float> x(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
  const OnDevice<float> y(std::vector<float>(12));
  VOX_LAUNCH(SimtQueue{}, gpu::copy_kernel, 1, 1, 0, x.p(), y.p());
  CHECK(y.host()[0] == 1);
  CHECK(std::isnan(y.host()[4]));
  CHECK(y.host()[8] == 5);
}

TEST_CASE("ldmatrix gives lane t elements 2(t%4) and 2(t%4)+1 of row t/4 of each matrix", "[simt]") {
  std::vector<std::uint16_t> x;
  for (unsigned i = 0; i < 256; ++i) { x.push_back(static_cast<std::uint16_t>(i * 3)); }
  const OnDevice<std::uint16_t> device_x(x);
  const OnDevice<std::uint32_t> device_y(std::vector<std::uint32_t>(32 * 8));
  VOX_LAUNCH(SimtQueue{}, gpu::fragment_kernel, 1, 32, 0, device_x.p(), device_y.p());
  const auto y = device_y.host();
  for (unsigned t = 0; t < 32; ++t) {
    const unsigned row = t / 4;
    const unsigned column = t % 4 * 2;
    for (unsigned m = 0; m < 4; ++m) {
      CHECK((y[8 * t + m] & 0xFFFFU) == x[64 * m + 8 * row + column]);
      CHECK(y[8 * t + m] >> 16U == x[64 * m + 8 * row + column + 1]);
      CHECK((y[8 * t + 4 + m] & 0xFFFFU) == x[64 * m + 8 * column + row]);
      CHECK(y[8 * t + 4 + m] >> 16U == x[64 * m + 8 * (column + 1) + row]);
    }
  }
}

TEST_CASE("mma.sync puts products where they belong and rounds as the tensor core that was chosen", "[simt]") {
  std::vector<Bf16> a;
  std::vector<Bf16> b;
  std::vector<float> c;
  std::vector<float> wants;
  for (int i = 0; i < 256; ++i) { a.push_back(to_bf16(static_cast<float>(i % 16 + i / 16 * 3))); }
  for (int i = 0; i < 128; ++i) { b.push_back(to_bf16(static_cast<float>(i % 8 * 2 - i / 8))); }
  for (std::size_t i = 0; i < 128; ++i) {
    c.push_back(static_cast<float>(i));
    float sum = c[i];
    for (std::size_t k = 0; k < 16; ++k) { sum += to_float(a[i / 8 * 16 + k]) * to_float(b[k * 8 + i % 8]); }
    wants.push_back(sum);
  }
  // The last row: 2^-25 eight times beside 1, four of them in either half of the products.
  for (std::size_t k = 0; k < 16; ++k) { a[240 + k] = to_bf16(k % 2 == 0 ? 0x1p-25F : 0); }
  for (std::size_t k = 0; k < 16; ++k) { b[k * 8 + 7] = to_bf16(1); }
  for (std::size_t row = 0; row < 16; ++row) {
    float sum = c[row * 8 + 7];
    for (std::size_t k = 0; k < 16; ++k) { sum += to_float(a[row * 16 + k]); }
    wants[row * 8 + 7] = sum;
  }
  c[127] = 1;
  const OnDevice<Bf16> device_a(a);
  const OnDevice<Bf16> device_b(b);
  const OnDevice<float> device_c(c);
  const simt::Options before = simt::options();
  for (const auto& [how, last] :
       {std::pair{simt::TensorCore::exact, 1 + 0x1p-22F}, std::pair{simt::TensorCore::sm_80, 1.0F},
        std::pair{simt::TensorCore::sm_90, 1 + 0x1p-22F}}) {
    simt::options().tensor_core = how;
    const OnDevice<float> d(std::vector<float>(128));
    VOX_LAUNCH(SimtQueue{}, gpu::multiply_kernel, 1, 32, 0, device_a.p(), device_b.p(), device_c.p(), d.p());
    const auto got = d.host();
    CHECK(got[127] == last);
    for (std::size_t i = 0; i < 120; ++i) { CHECK(got[i] == wants[i]); }
  }
  simt::options() = before;
}

TEST_CASE("every thread of every block runs once, on one OS thread and on four, in every order", "[simt]") {
  const simt::Options before = simt::options();
  for (const int threads : {1, 4}) {
    for (const simt::Order order : {simt::Order::forward, simt::Order::reverse, simt::Order::random}) {
      simt::options().os_threads = threads;
      simt::options().order = order;
      const OnDevice<unsigned> y(std::vector<unsigned>(7 * 5 * 3 * 150));
      VOX_LAUNCH(SimtQueue{}, gpu::index_kernel, dim3(7, 5, 3), dim3(10, 5, 3), 0, y.p());
      const auto got = y.host();
      for (unsigned i = 0; i < got.size(); ++i) {
        if (got[i] != 1 + i % 150) { FAIL("thread " << i << " ran " << got[i]); }
      }
    }
  }
  simt::options() = before;
}

TEST_CASE("a fault names the kernel, the source line, the block and the thread, and the next launch is clean",
          "[simt]") {
  const OnDevice<int> y(std::vector<int>(64));
  CHECK_THROWS_WITH(VOX_LAUNCH(SimtQueue{}, gpu::divergent_kernel, dim3(1, 2), 64, 0, y.p()),
                    ContainsSubstring("kernel gpu::divergent_kernel launched at simt_test.cpp:") &&
                        ContainsSubstring("divergent-barrier at simt_test.cpp:") &&
                        ContainsSubstring("block (0,0,0) thread (32,0,0)"));
  CHECK_NOTHROW(VOX_LAUNCH(SimtQueue{}, gpu::barrier_kernel, 1, 64, 0, y.p()));
}

TEST_CASE("a launch outside of CUDA's limits is refused", "[simt]") {
  const OnDevice<int> y(std::vector<int>(64));
  CHECK_THROWS_WITH(VOX_LAUNCH(SimtQueue{}, gpu::barrier_kernel, 1, 1025, 0, y.p()), ContainsSubstring("threads"));
  CHECK_THROWS_WITH(VOX_LAUNCH(SimtQueue{}, gpu::barrier_kernel, dim3(1, 65536), 64, 0, y.p()),
                    ContainsSubstring("blocks"));
  CHECK_THROWS_WITH(VOX_LAUNCH(SimtQueue{}, gpu::barrier_kernel, 1, 64, 240 * 1024, y.p()),
                    ContainsSubstring("shared memory"));
}

}  // namespace vox::test
