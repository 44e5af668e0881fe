#include "benchmarks/workloads/kernel_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "benchmarks/measure/probes.h"
#include "benchmarks/workloads/kernel_operands.h"
#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/tape.h"
#include "kernels/base/parallel.h"
#include "kernels/conv3d.h"

namespace vox::bench {
namespace {

/// Which algorithm the engine takes for a pass of a convolution.
std::string algorithm_of(const KernelSpec& spec, Device device) {
  const Conv3dGeometry g = geometry_of(spec);
  const Conv3dPass pass = conv_pass_of(spec);
  std::string found;
  dispatch(device, spec.dtype, [&]<class T>(auto& queue, TypeTag<T>) { found = name(choose<T>(queue, pass, g)); });
  return found;
}

}  // namespace

KernelCase::KernelCase(const KernelSpec& spec, Device device) : spec_(spec), device_(device), clock_(device) {
  VOX_CHECK(has_pass(spec.op, spec.pass), "{} has no pass {}", name(spec.op), name(spec.pass));
  Operands operands = operands_of(spec, device);
  inputs_ = std::move(operands.inputs);
  apply_ = operands.sample.call;
  Tensor y;
  {
    const NoGradScope no_grad;
    y = apply_(inputs_);
    if (spec.pass != Pass::forward) { dy_ = random_like(y, 99); }
  }
  for (std::size_t i = 0; spec.pass != Pass::forward && i < inputs_.size(); ++i) {
    if (!inputs_[i].defined() || inputs_[i].dtype() == DType::u8) { continue; }
    const bool wanted = (spec.pass == Pass::grad_weight) == (convolves() && inputs_[i].layout() == Layout::plain);
    if (wanted && operands.sample.inputs[i].differentiable) { inputs_[i] = inputs_[i].detached().requires_grad(); }
  }
  cost_ = cost_of(spec.op, spec.pass, inputs_, y);
}

std::string KernelCase::algorithm() const { return convolves() ? algorithm_of(spec_, device_) : ""; }

double KernelCase::products_per_value() const {
  if (!convolves()) { return 1; }
  const Conv3dGeometry g = geometry_of(spec_);
  const std::int64_t weights = g.y.c * g.x.c * g.kernel * g.kernel * g.kernel;
  const std::int64_t products = g.y.n * g.y.voxels() * weights;
  const Conv3dPass pass = conv_pass_of(spec_);
  const std::int64_t values = pass == Conv3dPass::grad_weight ? weights
                              : pass == Conv3dPass::correlate ? g.y.count()
                                                              : g.x.count();
  return std::max(1.0, static_cast<double>(products) / static_cast<double>(values));
}

Times KernelCase::run(std::int64_t calls, Cache cache) {
  const SleepyWorkers sleepy;
  if (spec_.pass == Pass::forward) { return run_forward(calls, cache); }
  Times total;
  for (std::int64_t i = 0; i < calls; ++i) { total += run_backward(cache); }
  return total;
}

Times run_calls(DeviceClock& clock, Device device, std::int64_t calls, Cache cache, const std::function<void()>& work) {
  if (cache == Cache::warm) {  // in a row: between two calls a GPU would wait for the next
    return measured_on(clock, [&] {
      for (std::int64_t i = 0; i < calls; ++i) { work(); }
    });
  }
  Times total;
  for (std::int64_t i = 0; i < calls; ++i) {
    flush_level2(device);  // nobody waits for a GPU here: while it does this, the work that is measured is submitted
    total += measured_on(clock, work);
  }
  return total;
}

Times KernelCase::run_forward(std::int64_t calls, Cache cache) {
  const NoGradScope no_grad;
  return run_calls(clock_, device_, calls, cache, [&] { static_cast<void>(apply_(inputs_)); });
}

Times KernelCase::run_backward(Cache cache) {
  const Tensor y = apply_(inputs_);
  if (cache == Cache::flushed) { flush_level2(device_); }
  const Times t = measured_on(clock_, [&] { backward(y, dy_); });
  clear_grads();
  return t;
}

void KernelCase::run_once(const std::function<void()>& on_start) {
  if (spec_.pass == Pass::forward) {
    const NoGradScope no_grad;
    on_start();
    static_cast<void>(apply_(inputs_));
    return;
  }
  const Tensor y = apply_(inputs_);
  on_start();
  backward(y, dy_);
  clear_grads();
}

void KernelCase::clear_grads() const {
  for (Tensor input : inputs_) {
    if (input.defined() && input.wants_grad()) { input.clear_grad(); }
  }
}

std::vector<double> KernelCase::values() const {
  if (spec_.pass == Pass::forward) {
    const NoGradScope no_grad;
    return apply_(inputs_).to_doubles();
  }
  backward(apply_(inputs_), dy_);
  std::vector<double> all;
  for (const Tensor& input : inputs_) {
    if (!input.defined() || !input.wants_grad()) { continue; }
    const std::vector<double> grad = input.grad().to_doubles();
    all.insert(all.end(), grad.begin(), grad.end());
  }
  clear_grads();
  return all;
}

Op op_named(std::string_view text) {
  for (std::size_t i = 0; i < kOpNames.size(); ++i) {
    if (kOpNames.at(i) == text) { return static_cast<Op>(i); }
  }
  VOX_FAIL("operator '{}': there are {}", text, fmt::join(kOpNames, ", "));
}

}  // namespace vox::bench
