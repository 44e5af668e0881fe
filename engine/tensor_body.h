#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/ops.h"
#include "engine/storage.h"
#include "engine/tape.h"

namespace vox {

/// One recorded op. Its serial number is its creation order, which is a topological order for free.
struct Node {
  Op op;
  std::uint64_t serial;
  std::vector<Tensor> inputs;
  Backward backward;
};

struct TensorBody {
  Shape shape;
  DType dtype = DType::f32;
  Device device = Device::cpu;
  Layout layout = Layout::plain;
  std::int64_t stored_count = 0;
  std::shared_ptr<Storage> storage;
  bool wants_grad = false;
  Tensor grad;
  std::shared_ptr<Node> node;  ///< null for a leaf
};

}  // namespace vox
