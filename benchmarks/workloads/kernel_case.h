#pragma once

#include <functional>
#include <string>
#include <vector>

#include "benchmarks/measure/device_clock.h"
#include "benchmarks/workloads/cost.h"
#include "benchmarks/workloads/kernel_shape.h"
#include "engine/context.h"

namespace vox::bench {

/// One line of the table of kernels.
struct KernelSpec {
  Op op = Op::conv3d;
  Pass pass = Pass::forward;
  KernelShape shape;
  std::int64_t batch = 1;
  DType dtype = DType::f32;
};

enum class Cache : std::uint8_t { warm, flushed };  ///< is other data put into the level-2 cache before each call?

/// So many calls of some work on a device, and what they took together, on a GPU by its events.
[[nodiscard]] Times run_calls(DeviceClock&, Device, std::int64_t calls, Cache, const std::function<void()>& work);

/// How our kernels are to be run; the calling thread's queues when it is made. They are as before when it ends.
struct Way {
  Isa isa = cpu_queue().isa;
  ConvChoice conv = cpu_queue().conv;
};
class WayScope {
 public:
  explicit WayScope(const Way& way) { set(way); }
  ~WayScope() { set(before_); }
  WayScope(const WayScope&) = delete;
  WayScope& operator=(const WayScope&) = delete;

 private:
  static void set(const Way& way) {
    cpu_queue().isa = way.isa;
    cpu_queue().conv = way.conv;
  }
  Way before_;
};

/// An operator with operands in memory, called as the network calls it: what it allocates and packs is in its time.
class KernelCase {
 public:
  /// Throws Error where the operator refuses the shape, MemoryError where it does not fit.
  KernelCase(const KernelSpec&, Device);

  [[nodiscard]] const Cost& cost() const { return cost_; }
  /// How a convolution is done as the queues are now; empty for what has one way.
  [[nodiscard]] std::string algorithm() const;
  /// Products that add up to one value of what a convolution makes: its weights and inputs, or the voxels of a batch.
  [[nodiscard]] double products_per_value() const;
  /// So many calls of the pass, and what they took, on a GPU by its events. What comes before a gradient is run and not
  /// measured.
  [[nodiscard]] Times run(std::int64_t calls, Cache);
  /// One call, not measured; on_start is called when what comes before a gradient has run.
  void run_once(const std::function<void()>& on_start);
  /// What the pass makes: the result, or the gradients one after the other, as doubles.
  [[nodiscard]] std::vector<double> values() const;

 private:
  [[nodiscard]] Times run_forward(std::int64_t calls, Cache);
  [[nodiscard]] Times run_backward(Cache);
  [[nodiscard]] bool convolves() const { return has_pass(spec_.op, Pass::grad_weight); }
  void clear_grads() const;

  KernelSpec spec_;
  Device device_;
  DeviceClock clock_;
  std::vector<Tensor> inputs_;
  std::function<Tensor(const std::vector<Tensor>&)> apply_;
  Tensor dy_;  ///< any values of the result's shape
  Cost cost_;
};

[[nodiscard]] Op op_named(std::string_view);  ///< throws Error naming the nearest there are

/// Every operator at the shapes the network runs it, for images of size^3: each different one once.
[[nodiscard]] std::vector<KernelSpec> seed_rows(std::int64_t size, std::int64_t batch, DType,
                                                const std::vector<std::int64_t>& widths);

}  // namespace vox::bench
