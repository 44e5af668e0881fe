#include <algorithm>
#include <memory>
#include <numeric>

#include "tests/simt/planted_cases.h"

#include "tests/simt/edge.cuh"
#include "tests/simt/reduce.cuh"
#include "tests/simt/ring.cuh"

namespace vox::planted {
namespace {

std::vector<unsigned> numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<unsigned> v(count);
  for (unsigned& x : v) { x = static_cast<unsigned>(random() % 1000U); }
  return v;
}

template <Reduce Bug> bool run_reduce() {
  const bool leaves_threads_idle =
      Bug == Reduce::shuffle_in_divergent_branch || Bug == Reduce::early_return_before_barrier;
  const auto x = numbers(leaves_threads_idle ? 700 : 5000, 3);
  const DeviceArray<unsigned> device_x(x, "x");
  const DeviceArray<unsigned> out(1, "out");
  if (Bug != Reduce::output_not_zeroed) { simt_device::fill_zero(out.data(), sizeof(unsigned)); }
  VOX_LAUNCH(SimtQueue{}, gpu::reduce_kernel<Bug>, 3, 256, 0, device_x.data(), static_cast<int>(x.size()), out.data());
  return out.host()[0] == std::accumulate(x.begin(), x.end(), 0U);
}

template <Compact Bug> bool run_compact() {
  constexpr unsigned kLimit = 500;
  const auto x = numbers(1500, 4);
  const DeviceArray<unsigned> device_x(x, "x");
  const DeviceArray<unsigned> count(1, "count");
  const DeviceArray<int> list(x.size(), "list");
  simt_device::fill_zero(count.data(), sizeof(unsigned));
  VOX_LAUNCH(SimtQueue{}, gpu::compact_kernel<Bug>, 6, 256, 0, device_x.data(), static_cast<int>(x.size()), kLimit,
             count.data(), list.data());
  std::vector<int> want;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] > kLimit) { want.push_back(static_cast<int>(i)); }
  }
  if (count.host()[0] != want.size()) { return false; }
  auto got = list.host();
  got.resize(want.size());
  std::ranges::sort(got);
  return got == want;
}

template <Ring Bug> bool run_ring() {
  constexpr std::size_t kTiles = 11;
  const auto x = uniform(kTiles * gpu::kRingTile, 9);
  const DeviceArray<float> device_x(x, "x");
  const DeviceArray<float> y(x.size(), "y");
  VOX_LAUNCH(SimtQueue{}, gpu::ring_kernel<Bug>, 1, 32 + 128, gpu::kRingStages * gpu::kRingTile * sizeof(float),
             device_x.data(), y.data(), static_cast<int>(kTiles));
  std::vector<double> want;
  for (const float v : x) { want.push_back(2.0 * v + 1.0); }
  return close(y.host(), want, 1e-6);
}

template <Edge Bug> bool run_edge() {
  const auto x = uniform(64, 1);
  const DeviceArray<float> y(64, "y");
  std::vector<double> want(64);
  auto other = std::make_unique<DeviceArray<float>>(x, "other");
  const float* p = Bug == Edge::reads_host_memory ? x.data() : other->data();
  if (Bug == Edge::reads_freed_memory) { other.reset(); }
  VOX_LAUNCH(SimtQueue{}, gpu::edge_kernel<Bug>, 1, 64, 64 * sizeof(float), p, y.data());
  for (std::size_t i = 0; i < want.size(); ++i) { want[i] = 2.0 * static_cast<double>(i) + 1.0; }
  return close(y.host(), want, 0);
}

/// The correct one takes all that there is without asking, then all that there is.
template <Shared Bug> bool run_shared() {
  constexpr std::size_t kKiB = 1024;
  std::vector<double> want;
  for (int t = 0; t < 64; ++t) { want.push_back(t + 1.0); }
  const DeviceArray<float> y(64, "y");
  const std::size_t most = Bug == Shared::more_than_a_block_has ? 67 * kKiB + 16
                           : Bug == Shared::not_asked_for       ? 66 * kKiB
                                                                : 67 * kKiB;
  for (const std::size_t dynamic_bytes : {16 * kKiB, most}) {
    simt_device::fill_zero(y.data(), 64 * sizeof(float));
    VOX_LAUNCH(SimtQueue{}, gpu::shared_kernel<Bug>, 1, 64, dynamic_bytes, y.data());
    if (!close(y.host(), want, 0)) { return false; }
  }
  return true;
}

/// Two launches, the second writing what all blocks of the first have read.
template <Edge Bug> bool run_turns() {
  const DeviceArray<float> x(std::vector<float>(4, 1.0F), "x");
  const DeviceArray<float> y(4, "y");
  VOX_LAUNCH(SimtQueue{}, gpu::turns_kernel<Bug>, 4, 32, 0, x.data(), y.data());
  VOX_LAUNCH(SimtQueue{}, gpu::turns_kernel<Bug>, 4, 32, 0, y.data(), x.data());
  return close(x.host(), {16.0, 16.0, 16.0, 16.0}, 0);
}

template <Edge Bug> bool run_bytes() {
  const DeviceArray<unsigned char> y(64, "y");
  VOX_LAUNCH(SimtQueue{}, gpu::bytes_kernel<Bug>, 1, 64, 0, y.data());
  return y.host() == std::vector<unsigned char>(64, 1);
}

template <Edge Bug> bool run_last_block() {
  const DeviceArray<float> partial(4, "partial");
  const DeviceArray<float> y(1, "y");
  const DeviceArray<unsigned> count(1, "count");
  simt_device::fill_zero(count.data(), sizeof(unsigned));
  VOX_LAUNCH(SimtQueue{}, gpu::last_block_kernel<Bug>, 4, 32, 0, partial.data(), count.data(), y.data());
  return close(y.host(), {4.0}, 0);
}

}  // namespace

#define VOX_CASE(kernel, Enum, bug) \
  { #kernel, static_cast < int>(Enum::bug), #bug, &run_##kernel < Enum::bug> }

std::vector<Case> thread_cases() {
  return {
      VOX_CASE(reduce, Reduce, correct),
      VOX_CASE(reduce, Reduce, no_barrier_before_last_warp),
      VOX_CASE(reduce, Reduce, shuffle_in_divergent_branch),
      VOX_CASE(reduce, Reduce, reads_partials_nobody_wrote),
      VOX_CASE(reduce, Reduce, barrier_for_one_warp_only),
      VOX_CASE(reduce, Reduce, output_not_zeroed),
      VOX_CASE(reduce, Reduce, plain_add_instead_of_atomic),
      VOX_CASE(reduce, Reduce, shuffle_starts_at_8),
      VOX_CASE(reduce, Reduce, early_return_before_barrier),
      VOX_CASE(reduce, Reduce, two_barriers_in_two_branches),
      VOX_CASE(compact, Compact, correct),
      VOX_CASE(compact, Compact, no_barrier_after_zeroing),
      VOX_CASE(compact, Compact, plain_add_on_counter),
      VOX_CASE(shared, Shared, correct),
      VOX_CASE(shared, Shared, not_asked_for),
      VOX_CASE(shared, Shared, more_than_a_kernel_has),
      VOX_CASE(shared, Shared, more_than_a_block_has),
      VOX_CASE(ring, Ring, correct),
      VOX_CASE(ring, Ring, consumer_does_not_wait),
      VOX_CASE(ring, Ring, producer_does_not_wait),
      VOX_CASE(ring, Ring, phase_never_flips),
      VOX_CASE(ring, Ring, expects_too_few_bytes),
      VOX_CASE(ring, Ring, no_barrier_after_init),
      VOX_CASE(edge, Edge, correct),
      VOX_CASE(edge, Edge, reads_past_dynamic_shared),
      VOX_CASE(edge, Edge, reads_past_row_of_shared),
      VOX_CASE(edge, Edge, leaves_before_barrier),
      VOX_CASE(edge, Edge, reads_host_memory),
      VOX_CASE(edge, Edge, all_store_one_place),
      VOX_CASE(edge, Edge, loads_vector_unaligned),
      VOX_CASE(edge, Edge, shuffle_as_barrier),
      VOX_CASE(edge, Edge, reads_freed_memory),
      VOX_CASE(last_block, Edge, correct),
      VOX_CASE(last_block, Edge, publishes_without_fence),
      VOX_CASE(turns, Edge, correct),
      VOX_CASE(turns, Edge, writes_what_others_read),
      VOX_CASE(bytes, Edge, correct),
      VOX_CASE(bytes, Edge, writes_neighbours_byte),
  };
}

}  // namespace vox::planted
