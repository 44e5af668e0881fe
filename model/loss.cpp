#include "model/loss.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <sstream>
#include <utility>

#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::array<std::pair<const char*, LossTerm>, 4> kTermNames{{{"dice", LossTerm::dice},
                                                                      {"focal", LossTerm::focal},
                                                                      {"ce", LossTerm::cross_entropy},
                                                                      {"bce", LossTerm::binary_cross_entropy}}};

/// share * the loss: the operators multiply their terms anyway.
Tensor loss_of_share(const Tensor& logits, const Tensor& labels, const LossOptions& o, double share) {
  VOX_CHECK(!o.terms.empty(), "segmentation_loss: no term");
  const auto weight = [&](LossTerm term) { return std::ranges::find(o.terms, term) != o.terms.end() ? share : 0.0; };
  if (o.targets == Targets::regions) {
    VOX_CHECK(weight(LossTerm::focal) + weight(LossTerm::cross_entropy) == 0,
              "loss '{}': regions are trained by dice and bce", loss_name(o.terms));
    return dice_bce_loss(
        logits, labels,
        {.sums = o.sums, .dice = weight(LossTerm::dice), .bce = weight(LossTerm::binary_cross_entropy)});
  }
  VOX_CHECK(weight(LossTerm::binary_cross_entropy) == 0, "loss '{}': bce is for regions, ce for classes",
            loss_name(o.terms));
  return dice_focal_loss(logits, labels,
                         {.class_weights = o.class_weights,
                          .background = o.background,
                          .dice_background = o.dice_background,
                          .sums = o.sums,
                          .mean = o.focal_mean,
                          .dice = weight(LossTerm::dice),
                          .focal = weight(LossTerm::focal),
                          .cross_entropy = weight(LossTerm::cross_entropy)});
}

}  // namespace

std::vector<LossTerm> loss_terms(const std::string& text) {
  std::vector<LossTerm> terms;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, '+');) {
    const auto found = std::ranges::find_if(kTermNames, [&](const auto& entry) { return part == entry.first; });
    VOX_CHECK(found != kTermNames.end(), "loss '{}': '{}' is none of dice, focal, ce, bce", text, part);
    VOX_CHECK(std::ranges::find(terms, found->second) == terms.end(), "loss '{}': '{}' stands there twice", text, part);
    terms.push_back(found->second);
  }
  VOX_CHECK(!terms.empty(), "loss '{}': wants dice, focal, ce, bce joined by '+'", text);
  return terms;
}

std::string loss_name(const std::vector<LossTerm>& terms) {
  std::string text;
  for (const LossTerm term : terms) {
    const auto found = std::ranges::find_if(kTermNames, [&](const auto& entry) { return term == entry.second; });
    if (!text.empty()) { text += '+'; }
    text += found->first;
  }
  return text;
}

Tensor segmentation_loss(const Tensor& logits, const Tensor& labels, const LossOptions& o) {
  return loss_of_share(logits, labels, o, 1);
}

std::vector<double> supervision_weights(std::size_t heads) {
  std::vector<double> weights(heads);
  for (std::size_t i = 0; i < heads; ++i) { weights[i] = std::ldexp(1.0, -static_cast<int>(i)); }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& w : weights) { w /= sum; }
  return weights;
}

Tensor segmentation_loss(std::span<const Tensor> logits, const Tensor& labels, const LossOptions& o) {
  VOX_CHECK(!logits.empty(), "segmentation_loss: no logits");
  const std::vector<double> weights = supervision_weights(logits.size());
  Tensor total;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const Tensor seen = i == 0 ? labels : shrink_labels(labels, std::int64_t{1} << i);
    const Tensor part = loss_of_share(logits[i], seen, o, weights[i]);
    total = total.defined() ? add(total, part) : part;
  }
  return total;
}

}  // namespace vox
