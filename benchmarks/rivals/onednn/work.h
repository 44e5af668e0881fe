#pragma once

#include <dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "benchmarks/workloads/kernel_case.h"

namespace vox::onednn {

/// Primitives with their memory, made outside of every measurement, to be executed one after the other.
class Work {
 public:
  Work();

  using Arguments = std::unordered_map<int, dnnl::memory>;
  /// Memory of this layout, its values small random numbers; zeros for what holds no f32.
  [[nodiscard]] dnnl::memory make(const dnnl::memory::desc&);
  /// In the layout that a primitive wants: itself, or a copy that a reorder of this work makes.
  [[nodiscard]] dnnl::memory as(const dnnl::memory&, const dnnl::memory::desc& wanted);
  void then(const dnnl::primitive&, Arguments);

  [[nodiscard]] bench::Times run(std::int64_t calls, bench::Cache);
  [[nodiscard]] const dnnl::engine& engine() const { return engine_; }
  std::string way;  ///< names of the implementations that were chosen

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<std::pair<dnnl::primitive, Arguments>> steps_;
};

/// One pass of one operator in oneDNN's best layouts; false where it has no such operator.
[[nodiscard]] bool prepare_kernel(Work&, const bench::KernelSpec&);

/// The convolutions and poolings of the network as one chain, ReLU fused into the convolutions, batch norm folded away.
/// Skip connections are where the decoder's convolutions read them: nothing is spent on concatenation.
void prepare_network(Work&, std::int64_t size, std::int64_t batch, const std::vector<std::int64_t>& widths);

}  // namespace vox::onednn
