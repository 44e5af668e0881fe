#include "engine/tape.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "engine/dispatch.h"
#include "engine/dry_run.h"
#include "engine/tensor_body.h"
#include "kernels/add.h"
#include "kernels/base/check.h"
#include "kernels/fill.h"

namespace vox {
namespace {

thread_local bool recording = true;
thread_local TapeListener* listener = nullptr;

/// In the place of a, where nobody else sees that.
Tensor sum_of(Tensor&& a, const Tensor& b) {
  const bool in_place = a.sole();
  const Tensor first = std::move(a);
  Tensor sum = in_place ? first : Tensor::like(first);
  dispatch(sum.device(), sum.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    add_forward(queue, AddArgs<T>{.a = first.values<T>(), .b = b.values<T>(), .y = sum.mutable_values<T>()});
  });
  return sum;
}

/// Made where the loss is: a copy from the CPU would wait for all that was submitted.
Tensor one_like(const Tensor& scalar) {
  Tensor one = Tensor::zeros(scalar.shape(), scalar.dtype(), scalar.device(), scalar.layout());  // a volume has padding
  dispatch(one.device(), one.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    fill_forward(queue, FillArgs<T>{.value = Acc<T>{1}, .y = one.mutable_values<T>().first(1)});
  });
  return one;
}

}  // namespace

bool GradSink::wants(std::size_t input) const { return inputs_[input] != nullptr; }

void GradSink::add(std::size_t input, const Tensor& grad) {
  if (!wants(input)) { return; }
  GradSlot& x = *inputs_[input];
  VOX_CHECK(grad.shape() == x.shape && grad.dtype() == x.dtype && grad.layout() == x.layout,
            "{}: gradient {} {} {} for input {}, which is {} {} {}", name(op_), name(grad.dtype()), name(grad.layout()),
            grad.shape().str(), input, name(x.dtype), name(x.layout), x.shape.str());
  x.grad = x.grad.defined() ? sum_of(std::move(x.grad), grad) : grad;
}

Tensor GradSink::take(std::size_t input) {
  if (!wants(input) || !inputs_[input]->grad.sole()) { return {}; }
  return std::exchange(inputs_[input]->grad, Tensor());
}

GradientSums* GradSink::sums(std::size_t input) const {
  if (!wants(input)) { return nullptr; }
  const GradSlot& x = *inputs_[input];
  return x.uses == 1 && !x.grad.defined() ? x.sums.get() : nullptr;
}

void wants_sums(const Tensor& y, std::shared_ptr<GradientSums> sums) {
  if (y.wants_grad()) { y.body().slot->sums = std::move(sums); }
}

bool records(std::initializer_list<Tensor> inputs) {
  return recording && std::ranges::any_of(inputs, &Tensor::wants_grad);
}

Tensor record(Op op, Tensor y, std::initializer_list<Tensor> inputs, Backward rule) {
  VOX_CHECK(rule != nullptr, "{}: record() needs a backward rule; say no_gradient if there is none", name(op));
  static std::atomic<std::uint64_t> next_serial{0};
  const std::uint64_t serial = next_serial++;
  if (DryRun* const dry = DryRun::current()) { dry->ran(op, y, inputs); }
  if (records(inputs)) {
    auto node = std::make_shared<Node>(Node{.op = op, .serial = serial, .inputs = {}, .backward = std::move(rule)});
    for (const Tensor& t : inputs) {
      node->inputs.push_back(t.wants_grad() ? t.body().slot : nullptr);
      if (t.wants_grad()) { ++t.body().slot->uses; }
    }
    y.requires_grad();
    if (DryRun* const dry = DryRun::current()) { dry->recorded(*node); }
    y.body().slot->node = std::move(node);
    y.body().slot->leaf = false;
  }
  if (listener != nullptr) { listener->ran_forward(op, y, {inputs.begin(), inputs.size()}, serial); }
  return y;
}

Backward no_gradient(Op op) {
  return [op](const Tensor&, GradSink&) { VOX_FAIL("{}: has no gradient", name(op)); };
}

Tensor record(std::string_view name, Tensor y, std::initializer_list<Tensor> inputs, Backward rule) {
  return record(own_op(name), std::move(y), inputs, std::move(rule));
}

Backward no_gradient(std::string_view name) { return no_gradient(own_op(name)); }

void TapeListener::gradient_arrived(std::uint64_t, const Tensor&) {}

TapeListener* set_tape_listener(TapeListener* l) { return std::exchange(listener, l); }

NoGradScope::NoGradScope() : before_(std::exchange(recording, false)) {}
NoGradScope::~NoGradScope() { recording = before_; }

void backward(const Tensor& loss) {
  VOX_CHECK(loss.shape().count() == 1, "backward: loss is {}, wants one value", loss.shape().str());
  backward(loss, one_like(loss));
}

void backward(const Tensor& y, const Tensor& dy) {
  VOX_CHECK(y.wants_grad(), "backward: nothing below y requires a gradient");
  VOX_CHECK(dy.shape() == y.shape() && dy.dtype() == y.dtype() && dy.layout() == y.layout(),
            "backward: dy is {} {} {}, wants {} {} {}", name(dy.dtype()), name(dy.layout()), dy.shape().str(),
            name(y.dtype()), name(y.layout()), y.shape().str());
  const NoGradScope no_grad;
  const DryRun::BackwardPass dry_pass;
  std::map<std::uint64_t, std::shared_ptr<GradSlot>, std::greater<>> pending;  // newest first
  const auto visit = [&](const std::shared_ptr<GradSlot>& slot) {
    if (slot == nullptr || slot->leaf) { return; }
    VOX_CHECK(slot->node != nullptr, "backward: reached a {} tensor a second time, and what its op saved is gone",
              slot->shape.str());
    pending.emplace(slot->node->serial, slot);
  };
  Tensor& first = y.body().slot->grad;
  visit(y.body().slot);
  first = first.defined() ? sum_of(std::move(first), dy) : dy;
  while (!pending.empty()) {
    const std::shared_ptr<GradSlot> at = pending.extract(pending.begin()).mapped();
    const std::shared_ptr<Node> node = std::move(at->node);
    at->sums.reset();  // who could take them has run
    if (DryRun* const dry = DryRun::current()) { dry->runs_backward(*node); }
    const Tensor arriving = std::exchange(at->grad, Tensor());  // only leaves keep theirs
    VOX_CHECK(arriving.defined(),
              "backward: no gradient arrives at the result of {}: the rule of an op above it gave none",
              name(node->op));
    if (listener != nullptr) { listener->gradient_arrived(node->serial, arriving); }
    GradSink sink(node->op, node->inputs);
    node->backward(arriving, sink);
    if (listener != nullptr) { listener->ran_backward(node->serial); }
    std::ranges::for_each(node->inputs, visit);
  }
}

}  // namespace vox
