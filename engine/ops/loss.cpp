#include "engine/ops/loss.h"

#include <algorithm>
#include <cmath>

#include "engine/ops/check.h"
#include "engine/ranks/share_scope.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::int64_t kMaxClasses = 256;  // a label is a byte

[[noreturn]] void refuse_label(Op op, const Tensor& labels, std::int64_t at, std::int64_t classes) {
  const Shape& s = labels.shape();
  VOX_FAIL("{}: label {} at [{},{},{},{}], wants less than {}, the number of classes", name(op),
           labels.values<std::uint8_t>()[static_cast<std::size_t>(at)], at / (s[1] * s[2] * s[3]),
           at / (s[2] * s[3]) % s[1], at / s[3] % s[2], at % s[3], classes);
}

}  // namespace

void check_label_values(Op op, const Tensor& labels, std::int64_t classes) {
  if (classes >= kMaxClasses || labels.largest_label() < classes) { return; }
  VOX_CHECK(labels.device() == Device::cpu, "{}: label {}, wants less than {}, the number of classes", name(op),
            labels.largest_label(), classes);
  const auto values = labels.values<std::uint8_t>();
  const auto at = std::ranges::find_if(values, [classes](std::uint8_t label) { return label >= classes; });
  refuse_label(op, labels, at - values.begin(), classes);
}

void check_loss_inputs(Op op, const char* operand, const Tensor& x, const Tensor& labels, std::int64_t classes) {
  check_volume(op, operand, x);
  check_labels(op, labels, x);
  VOX_CHECK(x.shape().count() > 0, "{}: {} is {}, wants at least one voxel", name(op), operand, x.shape().str());
  VOX_CHECK(x.device() == Device::cpu || classes <= kMaxClasses, "{}: {} classes, wants at most {} on {}", name(op),
            classes, kMaxClasses, name(x.device()));
  check_label_values(op, labels, classes);
}

void check_loss_inputs(Op op, const char* operand, const Tensor& x, const Tensor& labels) {
  check_volume(op, operand, x);
  check_loss_inputs(op, operand, x, labels, x.shape()[1]);
}

std::vector<double> counted_weights(Op op, const std::vector<double>& class_weights, Background background,
                                    std::int64_t classes) {
  VOX_CHECK(class_weights.empty() || std::ssize(class_weights) == classes,
            "{}: {} class_weights, wants one for each of {} classes", name(op), class_weights.size(), classes);
  VOX_CHECK(counted(background, classes) > 0, "{}: without background no class is left of {}", name(op), classes);
  std::vector<double> weights = class_weights;
  if (weights.empty()) { weights.assign(static_cast<std::size_t>(classes), 1.0); }
  for (std::size_t c = 0; c < weights.size(); ++c) {
    VOX_CHECK(std::isfinite(weights[c]) && weights[c] >= 0, "{}: class_weights[{}] is {}, wants 0 or more", name(op), c,
              weights[c]);
  }
  if (background == Background::exclude) { weights[0] = 0; }
  return weights;
}

std::size_t first_sums(std::int64_t groups, std::int64_t of_group) {
  const ActiveShare* const active = active_share();
  return active == nullptr || groups == 1 ? 0 : static_cast<std::size_t>(active->share.first_here() * of_group);
}

}  // namespace vox
