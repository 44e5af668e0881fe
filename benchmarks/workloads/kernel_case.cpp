#include "benchmarks/workloads/kernel_case.h"

#include <fmt/format.h>

#include <utility>

#include "benchmarks/measure/probes.h"
#include "benchmarks/workloads/kernel_operands.h"
#include "benchmarks/workloads/lab.h"
#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/tape.h"
#include "kernels/base/parallel.h"
#include "kernels/conv3d.h"

namespace vox::bench {
namespace {

/// Which algorithm the engine takes for a pass of a convolution.
std::string algorithm_of(const KernelSpec& spec, Device device, const std::vector<Tensor>& inputs) {
  const Conv3dGeometry g = geometry_of(spec, inputs);
  const bool transposed = spec.op == Op::conv_transpose3d;
  const Conv3dPass pass = spec.pass == Pass::grad_weight               ? Conv3dPass::grad_weight
                          : (spec.pass == Pass::forward) != transposed ? Conv3dPass::correlate
                                                                       : Conv3dPass::spread;
  std::string found;
  dispatch(device, spec.dtype, [&]<class T>(auto& queue, TypeTag<T>) { found = name(choose<T>(queue, pass, g)); });
  return found;
}

}  // namespace

KernelCase::KernelCase(const KernelSpec& spec, Device device) : device_(device), pass_(spec.pass) {
  VOX_CHECK(has_pass(spec.op, spec.pass), "{} has no pass {}", name(spec.op), name(spec.pass));
  Operands operands = operands_of(spec, device);
  inputs_ = std::move(operands.inputs);
  apply_ = operands.sample.call;
  Tensor y;
  {
    const NoGradScope no_grad;
    y = apply_(inputs_);
    if (pass_ != Pass::forward) { dy_ = random_like(y); }
  }
  const bool convolves = has_pass(spec.op, Pass::grad_weight);
  if (convolves) { algorithm_ = algorithm_of(spec, device, inputs_); }
  for (std::size_t i = 0; pass_ != Pass::forward && i < inputs_.size(); ++i) {
    if (!inputs_[i].defined() || inputs_[i].dtype() == DType::u8) { continue; }
    const bool wanted = (pass_ == Pass::grad_weight) == (convolves && inputs_[i].layout() == Layout::plain);
    if (wanted && operands.sample.inputs[i].differentiable) { inputs_[i] = inputs_[i].detached().requires_grad(); }
  }
  cost_ = cost_of(spec.op, pass_, inputs_, y);
}

Times KernelCase::run(std::int64_t calls, Cache cache) const {
  const SleepyWorkers sleepy;
  Times total;
  for (std::int64_t i = 0; i < calls; ++i) {
    total += pass_ == Pass::forward ? run_forward(cache) : run_backward(cache);
  }
  return total;
}

Times KernelCase::run_forward(Cache cache) const {
  const NoGradScope no_grad;
  if (cache == Cache::flushed) { flush_level2(device_); }
  wait_for(device_);
  return measured([&] {
    static_cast<void>(apply_(inputs_));
    wait_for(device_);
  });
}

Times KernelCase::run_backward(Cache cache) const {
  const Tensor y = apply_(inputs_);
  if (cache == Cache::flushed) { flush_level2(device_); }
  wait_for(device_);
  const Times t = measured([&] {
    backward(y, dy_);
    wait_for(device_);
  });
  for (Tensor input : inputs_) {
    if (input.defined() && input.wants_grad()) { input.clear_grad(); }
  }
  return t;
}

Op op_named(std::string_view text) {
  for (std::size_t i = 0; i < kOpNames.size(); ++i) {
    if (kOpNames.at(i) == text) { return static_cast<Op>(i); }
  }
  VOX_FAIL("operator '{}': there are {}", text, fmt::join(kOpNames, ", "));
}

}  // namespace vox::bench
