#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/ops.h"
#include "engine/storage.h"
#include "engine/tape.h"

namespace vox {

struct Node;

/// The gradient's side of a tensor. The tape holds slots, not tensors: a recorded op keeps alive what its rule reads
/// and no other values.
struct GradSlot {
  Shape shape;
  DType dtype = DType::f32;
  Layout layout = Layout::plain;
  Tensor grad;
  std::shared_ptr<Node> node;  ///< the op that made the tensor; null for a leaf, and once backward() is past it
  bool leaf = true;            ///< made by requires_grad(), not by an op
  int uses = 0;                ///< by recorded ops, each of which gives it a gradient
  std::shared_ptr<GradientSums> sums = {};  ///< wants_sums(); null once backward() is past it
};

/// One recorded op. Its serial number is its creation order, which is a topological order for free.
struct Node {
  Op op;
  std::uint64_t serial;
  std::vector<std::shared_ptr<GradSlot>> inputs;  ///< null where an input wants no gradient
  Backward backward;
};

struct TensorBody {
  Shape shape;
  DType dtype = DType::f32;
  Device device = Device::cpu;
  Layout layout = Layout::plain;
  std::int64_t stored_count = 0;
  std::uint8_t largest_label = 0;  ///< of u8 values that are not on the CPU
  std::shared_ptr<Storage> storage;
  std::shared_ptr<GradSlot> slot;  ///< null: wants no gradient
  std::function<Tensor()> remake;  ///< engine/kept.h; empty: the values are nowhere else
};

}  // namespace vox
