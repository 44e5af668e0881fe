#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/table.cuh"
#include "kernels/gradient_squares.h"

/// What an optimiser does to a whole network: one launch takes up to 64 tensors, a thread block each chunk of one.
namespace vox::gpu {

inline constexpr int kTableThreads = 256;
inline constexpr int kTableTensors =
    64;  // of one launch: their table is its parameter, of which there are 4 KB at most

/// Entry: pointers, `std::int64_t count` of their values, and `unsigned first_chunk`.
template <class Entry> struct TensorTable {
  Entry of[kTableTensors];
  int tensors;
};

/// Calls body(table, chunks, first tensor, first chunk of all) for kTableTensors tensors at a time. entry_of gives the
/// entry of an item of the list, but for first_chunk.
template <class Entry, class Item, class EntryOf, class Body>
void for_tables(std::span<const Item> items, const EntryOf& entry_of, const Body& body) {
  std::int64_t chunks_before = 0;
  for (std::size_t begin = 0; begin < items.size(); begin += kTableTensors) {
    TensorTable<Entry> table{};
    unsigned chunks = 0;
    for (const Item& item : items.subspan(begin, std::min<std::size_t>(kTableTensors, items.size() - begin))) {
      Entry& entry = table.of[table.tensors++];
      entry = entry_of(item);
      entry.first_chunk = chunks;
      chunks += static_cast<unsigned>((entry.count + kTensorChunk - 1) / kTensorChunk);
    }
    body(table, chunks, begin, chunks_before);
    chunks_before += chunks;
  }
}

/// The chunk of this thread block: elements [first, first + size) of a tensor of the table.
struct ChunkOfTensor {
  int entry;
  std::int64_t first;
  int size;
};
template <class Entry> __device__ __forceinline__ ChunkOfTensor this_chunk(const TensorTable<Entry>& table) {
  const int entry = this_entry(table.of, table.tensors);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x - table.of[entry].first_chunk) * kTensorChunk;
  const std::int64_t left = table.of[entry].count - first;
  return {.entry = entry, .first = first, .size = static_cast<int>(left < kTensorChunk ? left : kTensorChunk)};
}

/// Calls packed(e) where this thread takes the kWide<T> elements from e on, and single(e) for each at the end of a
/// chunk that is no multiple of them.
template <class T, class Packed, class Single>
__device__ __forceinline__ void for_packs(int size, const Packed& packed, const Single& single) {
  constexpr int kLane = kWide<T>;
  for (int e = static_cast<int>(threadIdx.x) * kLane; e < size; e += kTableThreads * kLane) {
    if (e + kLane <= size) {
      packed(e);
    } else {
      for (int i = e; i < size; ++i) { single(i); }
    }
  }
}

/// The 2-norm of all gradients. Every thread block adds up the squares in the same order, so that all clip alike, or do
/// nothing alike.
__device__ __forceinline__ double gradient_norm(const double* squares, int count) {
  VOX_SHARED(double, total, [1]);
  double sum[1] = {0};
  for (int k = static_cast<int>(threadIdx.x); k < count; k += kTableThreads) { sum[0] += squares[k]; }
  block_sum(sum);
  if (threadIdx.x == 0) { total[0] = sum[0]; }
  __syncthreads();
  return std::sqrt(total[0]);
}
__device__ __forceinline__ bool is_finite(double norm) { return norm - norm == 0; }

}  // namespace vox::gpu
