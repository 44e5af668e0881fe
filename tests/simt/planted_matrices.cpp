#include "tests/simt/planted_cases.h"

#include "tests/simt/convolution.cuh"
#include "tests/simt/gemm.cuh"
#include "tests/simt/ring.cuh"

namespace vox::planted {
namespace {

template <Gemm Bug> bool run_gemm() {
  constexpr int kM = 70;
  constexpr int kN = 45;
  constexpr int kK = 53;
  const auto a = uniform(kM * kK, 1);
  const auto b = uniform(kK * kN, 2);
  const DeviceArray<float> device_a(a, "A");
  const DeviceArray<float> device_b(b, "B");
  const DeviceArray<float> device_c(kM * kN, "C");
  VOX_LAUNCH(SimtQueue{}, gpu::gemm_kernel<Bug>, dim3((kN + 31) / 32, (kM + 31) / 32), dim3(16, 16), 0, device_a.data(),
             device_b.data(), device_c.data(), kM, kN, kK);
  std::vector<double> want;
  for (std::size_t i = 0; i < kM; ++i) {
    for (std::size_t j = 0; j < kN; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < kK; ++k) { sum += double{a[i * kK + k]} * b[k * kN + j]; }
      want.push_back(sum);
    }
  }
  return close(device_c.host(), want, 1e-4);
}

constexpr int kDepth = 5;
constexpr int kHeight = 6;
constexpr int kWidth = 7;

double convolved(const std::vector<Bf16>& x, const std::vector<Bf16>& w, int voxel, int out) {
  double sum = 0;
  for (int tap = 0; tap < 27; ++tap) {
    const int z = voxel / (kHeight * kWidth) + tap / 9 - 1;
    const int h = voxel / kWidth % kHeight + tap / 3 % 3 - 1;
    const int u = voxel % kWidth + tap % 3 - 1;
    if (z < 0 || z >= kDepth || h < 0 || h >= kHeight || u < 0 || u >= kWidth) { continue; }
    for (int c = 0; c < 16; ++c) {
      const auto at = static_cast<std::size_t>(((z * kHeight + h) * kWidth + u) * 16 + c);
      sum += double{load(x[at])} * load(w[static_cast<std::size_t>((tap * 32 + out) * 16 + c)]);
    }
  }
  return sum;
}

template <Convolution Bug> bool run_convolution() {
  constexpr int kVoxels = kDepth * kHeight * kWidth;
  std::vector<Bf16> x;
  std::vector<Bf16> w;
  for (const float v : uniform(kVoxels * 16, 5)) { x.push_back(to_bf16(v)); }
  for (const float v : uniform(27 * 32 * 16, 6)) { w.push_back(to_bf16(v)); }
  const DeviceArray<Bf16> device_x(x, "x");
  const DeviceArray<Bf16> device_w(w, "w");
  const DeviceArray<float> y(kVoxels * 32, "y");
  VOX_LAUNCH(SimtQueue{}, gpu::convolution_kernel<Bug>, (kVoxels + 63) / 64, 128, 0, device_x.data(), device_w.data(),
             y.data(), kDepth, kHeight, kWidth);
  std::vector<double> want;
  for (int v = 0; v < kVoxels; ++v) {
    for (int c = 0; c < 32; ++c) { want.push_back(convolved(x, w, v, c)); }
  }
  return close(y.host(), want, 1e-4);
}

template <Tf32 Bug> bool run_tf32() {
  const auto a = uniform(16 * 8, 7);
  auto b = uniform(8 * 8, 8);
  for (float& v : b) { v = v * 1.0001F; }  // more bits than tf32 has
  const DeviceArray<float> device_a(a, "A");
  const DeviceArray<float> device_b(b, "B");
  const DeviceArray<float> d(16 * 8, "D");
  VOX_LAUNCH(SimtQueue{}, gpu::tf32_kernel<Bug>, 1, 32, 0, device_a.data(), device_b.data(), d.data());
  std::vector<double> want;
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < 8; ++k) { sum += double{a[i * 8 + k]} * b[k * 8 + j]; }
      want.push_back(sum);
    }
  }
  return close(d.host(), want, 8 * 0x1p-11);
}

}  // namespace

#define VOX_CASE(kernel, Enum, bug) \
  { #kernel, static_cast < int>(Enum::bug), #bug, &run_##kernel < Enum::bug> }

std::vector<Case> matrix_cases() {
  return {
      VOX_CASE(gemm, Gemm, correct),
      VOX_CASE(gemm, Gemm, no_barrier_after_load),
      VOX_CASE(gemm, Gemm, no_barrier_before_next_load),
      VOX_CASE(gemm, Gemm, loads_row_past_the_end),
      VOX_CASE(gemm, Gemm, stores_row_past_the_end),
      VOX_CASE(gemm, Gemm, reads_the_pad_column),
      VOX_CASE(gemm, Gemm, tail_not_zero_filled),
      VOX_CASE(gemm, Gemm, tile_indexed_transposed),
      VOX_CASE(convolution, Convolution, correct),
      VOX_CASE(convolution, Convolution, never_waits_for_copies),
      VOX_CASE(convolution, Convolution, waits_for_too_few_groups),
      VOX_CASE(convolution, Convolution, no_barrier_after_wait),
      VOX_CASE(convolution, Convolution, no_barrier_before_refill),
      VOX_CASE(convolution, Convolution, wrong_result_column),
      VOX_CASE(convolution, Convolution, a_registers_swapped),
      VOX_CASE(convolution, Convolution, no_halo_test),
      VOX_CASE(convolution, Convolution, row_pitch_unaligned),
      VOX_CASE(convolution, Convolution, first_commit_missing),
      VOX_CASE(convolution, Convolution, loads_one_row_too_many),
      VOX_CASE(convolution, Convolution, mma_under_condition),
      VOX_CASE(tf32, Tf32, correct),
      VOX_CASE(tf32, Tf32, operands_not_rounded),
  };
}

}  // namespace vox::planted
