#pragma once

#include <cstdint>
#include <thread>

#include "engine/storage.h"
#include "engine/tensor.h"

namespace vox {

/// What stands beside the values of a weight (engine/packed_weights.h).
struct Packed {
  Tensor correlate;
  Tensor spread;                ///< undefined where nobody wants it
  std::uint64_t writes = 0;     ///< Storage::writes() when it was packed
  std::thread::id thread = {};  ///< whose stream packed it; nobody's at first

  [[nodiscard]] bool is_of(const Storage& s) const {
    return writes == s.writes() && thread == std::this_thread::get_id();
  }
};

}  // namespace vox
