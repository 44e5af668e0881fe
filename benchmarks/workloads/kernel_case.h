#pragma once

#include <functional>
#include <string>
#include <vector>

#include "benchmarks/measure/clocks.h"
#include "benchmarks/workloads/cost.h"
#include "benchmarks/workloads/kernel_shape.h"

namespace vox::bench {

/// One line of the table of kernels.
struct KernelSpec {
  Op op = Op::conv3d;
  Pass pass = Pass::forward;
  KernelShape shape;
  std::int64_t batch = 1;
  DType dtype = DType::f32;
};

enum class Cache : std::uint8_t { warm, flushed };  ///< is the level-2 cache written over before each call?

/// An operator with operands in memory, called as the network calls it: what it allocates and packs is in its time.
class KernelCase {
 public:
  /// Throws Error where the operator refuses the shape, MemoryError where it does not fit.
  KernelCase(const KernelSpec&, Device);

  [[nodiscard]] const Cost& cost() const { return cost_; }
  /// How a convolution is done; empty for what has one way.
  [[nodiscard]] const std::string& algorithm() const { return algorithm_; }
  /// So many calls of the pass, and what they took. What comes before a gradient is run and not measured.
  [[nodiscard]] Times run(std::int64_t calls, Cache) const;

 private:
  [[nodiscard]] Times run_forward(Cache) const;
  [[nodiscard]] Times run_backward(Cache) const;

  Device device_;
  Pass pass_;
  std::vector<Tensor> inputs_;
  std::function<Tensor(const std::vector<Tensor>&)> apply_;
  Tensor dy_;  ///< any values of the result's shape
  Cost cost_;
  std::string algorithm_;
};

[[nodiscard]] Op op_named(std::string_view);  ///< throws Error naming the nearest there are

/// Every operator at the shapes the network runs it, for images of size^3: each different one once.
[[nodiscard]] std::vector<KernelSpec> seed_rows(std::int64_t size, std::int64_t batch, DType);

}  // namespace vox::bench
