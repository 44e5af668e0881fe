#include <algorithm>
#include <utility>

#include "benchmarks/workloads/kernel_case.h"
#include "benchmarks/workloads/lab.h"
#include "engine/samples/sample.h"
#include "model/unet3d.h"

namespace vox::bench {
namespace {

using samples::Role;

/// Collects the rows of one network, each once.
class Rows {
 public:
  Rows(std::int64_t size, std::int64_t batch, DType dtype) : size_(size), batch_(batch), dtype_(dtype) {}

  void add(Op op, std::vector<std::int64_t> in, std::int64_t out, std::size_t level, std::int64_t kernel = 0) {
    const std::int64_t side = size_ >> level;
    const KernelShape shape{.in = std::move(in), .out = out, .extent = {side, side, side}, .kernel = kernel};
    if (side < 1 || (op == Op::max_pool3d && side < 2)) { return; }
    for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
      const bool images = op == Op::conv3d && level == 0 && rows_.size() < 2;  // nobody asks for their gradient
      const auto same = [&](const KernelSpec& r) { return r.op == op && r.pass == pass && r.shape == shape; };
      if (!has_pass(op, pass) || (pass == Pass::grad_input && images) || std::ranges::any_of(rows_, same)) { continue; }
      rows_.push_back({.op = op, .pass = pass, .shape = shape, .batch = batch_, .dtype = dtype_});
    }
  }
  [[nodiscard]] bool has(Op op) const {
    return std::ranges::any_of(rows_, [op](const KernelSpec& r) { return r.op == op; });
  }
  std::vector<KernelSpec> take() { return std::move(rows_); }

 private:
  std::int64_t size_;
  std::int64_t batch_;
  DType dtype_;
  std::vector<KernelSpec> rows_;
};

}  // namespace

std::vector<KernelSpec> seed_rows(std::int64_t size, std::int64_t batch, DType dtype,
                                  const std::vector<std::int64_t>& widths) {
  const UNetConfig net = config_of("seed", widths);
  const auto& w = net.widths;
  Rows rows(size, batch, dtype);
  for (std::size_t l = 0; l < w.size(); ++l) {
    const std::int64_t in = l == 0 ? net.in_channels : w[l - 1];
    for (const Op op : {Op::conv3d, Op::conv3d_batch_norm_relu}) {
      rows.add(op, {in}, w[l], l);
      rows.add(op, {w[l]}, w[l], l);
    }
    if (l + 1 == w.size()) { break; }
    for (const Op op : {Op::conv3d_concat, Op::conv3d_batch_norm_relu}) { rows.add(op, {w[l], w[l]}, w[l], l); }
    rows.add(Op::conv_transpose3d, {w[l + 1]}, w[l], l + 1);
  }
  rows.add(Op::conv3d, {w[0]}, net.classes, 0, 1);
  // Others at every level; what the network does not run, at the first.
  for (std::size_t l = 0; l < w.size(); ++l) {
    rows.add(Op::batch_norm_relu, {w[l]}, 0, l);
    if (l + 1 < w.size()) { rows.add(Op::max_pool3d, {w[l]}, 0, l); }
  }
  rows.add(Op::dice_focal_loss, {net.classes}, 0, 0);
  rows.add(Op::softmax, {net.classes}, 0, 0);
  rows.add(Op::conv3d_instance_norm_relu, {w[0]}, w[0], 0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(Op::count_); ++i) {
    const auto op = static_cast<Op>(i);
    if (rows.has(op)) { continue; }
    const samples::Sample& sample = samples::of(op).front();
    const bool has_labels = std::ranges::any_of(sample.inputs, [](const auto& in) { return in.role == Role::labels; });
    const auto volumes = std::ranges::count_if(sample.inputs, [](const auto& in) { return in.role == Role::volume; });
    rows.add(op, std::vector<std::int64_t>(static_cast<std::size_t>(volumes), has_labels ? net.classes : w[0]), 0, 0);
  }
  return rows.take();
}

}  // namespace vox::bench
