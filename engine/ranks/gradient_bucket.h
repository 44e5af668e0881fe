#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/device_memory.h"
#include "engine/dispatch.h"
#include "engine/ranks/case_tree.h"
#include "engine/ranks/rank_sums.h"
#include "engine/tensor.h"
#include "kernels/cuda/runtime.h"

namespace vox {

// What the two threads of rank_sums.h have in common.

inline std::size_t bytes_of(DType dtype, std::int64_t elements) {
  return static_cast<std::size_t>(elements) * size_of(dtype);
}

inline std::span<std::byte> all_bytes(Tensor& t) {
  std::span<std::byte> bytes;
  dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) { bytes = std::as_writable_bytes(t.mutable_values<T>()); });
  return bytes;
}
inline std::span<const std::byte> all_bytes(const Tensor& t) {
  std::span<const std::byte> bytes;
  dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) { bytes = std::as_bytes(t.values<T>()); });
  return bytes;
}

inline void copy_span(std::span<const std::byte> from, Device from_device, std::span<std::byte> to, Device to_device) {
  copy_bytes(to.data(), to_device, from.data(), from_device, from.size());
}

/// What all ranks have of a batch.
struct RankShares {
  std::vector<BatchShare> of_rank;
  std::vector<std::vector<CaseRange>> nodes;

  RankShares(std::int64_t whole, int ranks) {
    for (int r = 0; r < ranks; ++r) {
      of_rank.push_back(share_of(whole, r, ranks));
      nodes.push_back(tree_nodes({of_rank.back().first, of_rank.back().count}, whole));
    }
  }
};

/// Gradients that go together, one after another: a row of `elements` for each of this rank's nodes.
struct RankSums::Bucket {
  struct Part {
    Tensor mine;  ///< where the communicator's buffers are
    Tensor sum;   ///< likewise
    Tensor to;    ///< where the sum is wanted: `sum` itself, or a tensor of the simt device
    std::int64_t elements;
  };

  Bucket(const BatchShare& s, DType d) : share(s), dtype(d) {}
  static constexpr std::int64_t kAligned = 64;  ///< elements: where a rank's slice begins

  [[nodiscard]] std::int64_t slice_begin(int rank, int ranks) const {
    const std::int64_t even = (elements + ranks * kAligned - 1) / (ranks * kAligned) * kAligned;
    return std::min(elements, even * rank);
  }

  BatchShare share;
  DType dtype;
  std::vector<Part> parts;
  std::int64_t elements = 0;
  Tensor send;      ///< [ranks][nodes][slice]; of one part and one node: its `mine`, as it is; unused by Reduce::fast
  Tensor received;  ///< [nodes of all ranks][slice]
  Tensor slice;     ///< the sums of this rank's elements
  Tensor gathered;  ///< [elements]; of one part: its `sum`
  std::optional<cuda::Event> filled = {};
};

}  // namespace vox
