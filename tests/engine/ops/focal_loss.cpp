#include <algorithm>
#include <cmath>

#include "tests/engine/op_case.h"

namespace vox::test {
namespace {

/// From the formula, over every class of every voxel, as the one-hot sum is written.
Values reference(const Shape& p, const FocalLossOptions& options, const std::vector<Values>& in) {
  const std::int64_t first = options.background == Background::include ? 0 : 1;
  double total = 0;
  for (std::int64_t n = 0; n < p[0]; ++n) {
    for (std::int64_t c = first; c < p[1]; ++c) {
      for (std::int64_t v = 0; v < p.voxels(); ++v) {
        const double q = std::clamp(in[0][static_cast<std::size_t>((n * p[1] + c) * p.voxels() + v)], options.clip,
                                    1 - options.clip);
        const double y = in[1][static_cast<std::size_t>(n * p.voxels() + v)] == static_cast<double>(c) ? 1 : 0;
        const double weight = options.class_weights.empty() ? 1 : options.class_weights[static_cast<std::size_t>(c)];
        total -= y * weight * options.alpha * std::pow(1 - q, options.gamma) * std::log(q);
      }
    }
  }
  const std::int64_t classes = options.mean == FocalMean::voxels ? 1 : p[1] - first;
  return {total / static_cast<double>(p[0] * p.voxels() * classes)};
}

OpCase at(const Shape& p, const FocalLossOptions& options = {}) {
  return {.op = Op::focal_loss,
          .label = "focal_loss " + p.str(),
          .inputs = {{.shape = p, .make = make_probabilities},
                     {.shape = {p[0], p[2], p[3], p[4]},
                      .kind = Kind::labels,
                      .make = [c = p[1]](std::int64_t count, unsigned seed) { return make_labels(count, c, seed); }}},
          .apply = [options](const auto& in) { return focal_loss(in[0], in[1], options); },
          .reference = [p, options](const auto& in) { return reference(p, options, in); },
          .terms = p[0] * p.voxels(),
          .grad_terms = 8,
          .conditioning = 4};
}

void call(std::uint8_t label, const FocalLossOptions& options) {
  const Tensor p = Tensor::zeros({1, 3, 1, 1, 2}, DType::f32, Device::cpu, Layout::blocked);
  static_cast<void>(
      focal_loss(p, Tensor::of<std::uint8_t>({1, 1, 1, 2}, std::vector<std::uint8_t>{label, 0}), options));
}

const Register kCases({at({1, 1, 1, 1, 1}), at({2, 4, 3, 4, 5}),
                       at({2, 4, 2, 3, 3},
                          {.gamma = 3, .class_weights = {0.25, 2, 3, 0.5}, .background = Background::exclude}),
                       at({3, 3, 2, 1, 5}, {.alpha = 1, .gamma = 0.5, .mean = FocalMean::voxels}),
                       at({1, 3, 2, 1, 5}, {.alpha = 1, .gamma = 0}), at({2, 12, 1, 4, 3}, {.gamma = 1}),
                       at({1, 33, 1, 5, 7}, {.background = Background::exclude, .mean = FocalMean::voxels})},
                      {{"label beyond the classes", [] { call(7, {}); },
                        "focal_loss: label 7 at [0,0,0,0], wants less than 3, the number of classes"},
                       {"clip 0", [] { call(0, {.clip = 0}); }, "focal_loss: clip is 0, wants (0,0.5)"},
                       {"gamma negative", [] { call(0, {.gamma = -1}); }, "focal_loss: gamma is -1, wants 0 or more"},
                       {"alpha negative", [] { call(0, {.alpha = -1}); }, "focal_loss: alpha is -1, wants 0 or more"},
                       {"four weights",
                        [] {
                          call(0, {.class_weights = {1, 1, 1, 1}});
                        },
                        "focal_loss: 4 class_weights, wants one for each of 3 classes"}});

}  // namespace
}  // namespace vox::test
