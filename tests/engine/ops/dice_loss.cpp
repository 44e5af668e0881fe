#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

/// From the formula, one class and one group of cases at a time.
Values reference(const Shape& p, const DiceLossOptions& options, const std::vector<Values>& in) {
  const std::int64_t first = options.background == Background::include ? 0 : 1;
  const std::int64_t groups = options.sums == Sums::batch ? 1 : p[0];
  double total = 0;
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t c = first; c < p[1]; ++c) {
      double tp = 0;
      double sum_p = 0;
      double sum_y = 0;
      for (std::int64_t n = groups == 1 ? 0 : g; n < (groups == 1 ? p[0] : g + 1); ++n) {
        for (std::int64_t v = 0; v < p.voxels(); ++v) {
          const double probability = in[0][static_cast<std::size_t>((n * p[1] + c) * p.voxels() + v)];
          const double y = in[1][static_cast<std::size_t>(n * p.voxels() + v)] == static_cast<double>(c) ? 1 : 0;
          tp += y * probability;
          sum_p += probability;
          sum_y += y;
        }
      }
      const double weight = options.class_weights.empty() ? 1 : options.class_weights[static_cast<std::size_t>(c)];
      const double fp = sum_p - tp;
      const double fn = sum_y - tp;
      total += weight * (2 * tp + options.smooth) / (2 * tp + fn + fp + options.smooth);
    }
  }
  return {1 - total / static_cast<double>(groups * (p[1] - first))};
}

OpCase at(const Shape& p, const DiceLossOptions& options = {}) {
  return {.op = Op::dice_loss,
          .label = "dice_loss " + p.str(),
          .inputs = {{.shape = p, .make = make_probabilities},
                     {.shape = {p[0], p[2], p[3], p[4]},
                      .kind = Kind::labels,
                      .make = [c = p[1]](std::int64_t count, unsigned seed) { return make_labels(count, c, seed); }}},
          .apply = [options](const auto& in) { return dice_loss(in[0], in[1], options); },
          .reference = [p, options](const auto& in) { return reference(p, options, in); },
          .terms = p[0] * p.voxels(),
          .grad_terms = 4 * p[0] * p.voxels(),
          .conditioning = 4};
}

void call(const Shape& labels, std::uint8_t label, const DiceLossOptions& options) {
  const Tensor p = Tensor::zeros({2, 4, 2, 2, 3}, DType::f32, Device::cpu, Layout::blocked);
  std::vector<std::uint8_t> values(static_cast<std::size_t>(labels.count()));
  values.back() = label;
  static_cast<void>(dice_loss(p, Tensor::of<std::uint8_t>(labels, values), options));
}
const Shape kLabels{2, 2, 2, 3};

const Register kCases(
    {at({1, 1, 1, 1, 1}), at({2, 4, 3, 4, 5}),
     at({2, 4, 2, 3, 3}, {.class_weights = {0.25, 2, 3, 0.5}, .background = Background::exclude}),
     at({3, 3, 2, 1, 5}, {.smooth = 0.5, .sums = Sums::per_case}),
     at({2, 12, 1, 4, 3}, {.background = Background::exclude, .sums = Sums::per_case}), at({1, 33, 1, 5, 7})},
    {{"label beyond the classes", [] { call(kLabels, 4, {}); },
      "dice_loss: label 4 at [1,1,1,2], wants less than 4, the number of classes"},
     {"labels of another batch",
      [] {
        call({1, 2, 2, 3}, 0, {});
      },
      "dice_loss: labels are 1x2x2x3 u8 plain on cpu, wants 2x2x2x3 u8 on cpu"},
     {"three weights",
      [] {
        call(kLabels, 0, {.class_weights = {1, 1, 1}});
      },
      "dice_loss: 3 class_weights, wants one for each of 4 classes"},
     {"negative weight",
      [] {
        call(kLabels, 0, {.class_weights = {1, 1, -1, 1}});
      },
      "dice_loss: class_weights[2] is -1, wants 0 or more"},
     {"more classes than a byte counts",
      [] {
        const Tensor p = Tensor::zeros({1, 257, 1, 1, 1}, DType::f32, Device::cpu, Layout::blocked);
        const std::vector<std::uint8_t> label{0};
        static_cast<void>(
            dice_loss(p.to(Device::simt), Tensor::of<std::uint8_t>({1, 1, 1, 1}, label).to(Device::simt)));
      },
      "dice_loss: 257 classes, wants at most 256 on simt"},
     {"smooth 0", [] { call(kLabels, 0, {.smooth = 0}); }, "dice_loss: smooth is 0, wants more than 0"}});

}  // namespace
}  // namespace vox::test
