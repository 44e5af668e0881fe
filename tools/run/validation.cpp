#include "tools/run/validation.h"

#include <algorithm>
#include <utility>

#include "data/cases/regions.h"
#include "engine/allocator.h"
#include "engine/ranks/deal.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {

Tensor network_labels(std::span<const std::uint8_t> labels, const std::array<std::int64_t, 5>& shape) {
  return Tensor::of<std::uint8_t>({shape[0], shape[2], shape[3], shape[4]}, labels);
}

std::uint8_t predicted_class(std::span<const float> scores, Targets targets) {
  if (targets == Targets::regions) {
    return class_of_regions([&](std::size_t r) { return scores[r] > 0; });
  }
  return static_cast<std::uint8_t>(std::ranges::max_element(scores.first(kClasses)) - scores.begin());
}

std::size_t shown_channel(const Recipe& recipe) {
  const auto flair = std::ranges::find(recipe.modalities, Modality::flair);
  return flair == recipe.modalities.end() ? 0 : static_cast<std::size_t>(flair - recipe.modalities.begin());
}

namespace {

/// The logits of a case, where its loss is computed: on the network's device, and by windows on the CPU.
Tensor logits_of(const UNet3d& net, const PreparedFile& file, const std::optional<WindowOptions>& windows,
                 const ArenaPlan& plan) {
  const Extent3& size = file.info().mapping.size;
  std::vector<float> converted;
  const std::span<const float> image = file.image(converted);
  if (windows) {
    return Tensor::volume_of<float>({1, net.config().classes, size[0], size[1], size[2]},
                                    case_logits(net, image, size, windows, plan));
  }
  const std::array<std::int64_t, 5> shape{1, net.config().in_channels, size[0], size[1], size[2]};
  return net.forward(network_input(image, shape, net.dtype()).to(net.device()), {});
}

/// What a case adds to the whole.
struct Validated {
  CaseValidation scores;
  std::vector<double> loss_parts;
  Confusion confusion;
};

Validated validate_case(const UNet3d& net, const PreparedFile& file, const LossOptions& loss, const ArenaPlan& plan,
                        const std::optional<WindowOptions>& windows, const OnValidated& on_case) {
  const Extent3& size = file.info().mapping.size;
  std::optional<ArenaScope> arena;
  if (!windows) { arena.emplace(net.device(), plan); }
  const Tensor logits = logits_of(net, file, windows, plan);
  const Tensor labels = network_labels(file.label(), {1, 1, size[0], size[1], size[2]}).to(logits.device());
  Validated v;
  v.scores.id = file.info().id;
  v.scores.loss = segmentation_loss(logits, labels, loss).item();
  for (std::size_t t = 0; loss.terms.size() > 1 && t < loss.terms.size(); ++t) {
    LossOptions term = loss;
    term.terms = {loss.terms[t]};
    v.loss_parts.push_back(segmentation_loss(logits, labels, term).item());
  }
  const Tensor scores = scores_on_cpu(logits);
  if (net.config().targets == Targets::regions) {
    v.confusion.add_regions(file.label(), scores.values<float>(), kBlock8, 1);
  } else {
    v.confusion.add_argmax(file.label(), scores.values<float>(), kBlock8, 1);
  }
  for (std::size_t r = 0; r < kRegions.size(); ++r) {
    v.scores.dice[r] = overlap_scores(v.confusion.of_region(kRegions[r])).dice;
    v.scores.trivial[r] = overlap_scores(v.confusion.all_background().of_region(kRegions[r])).dice;
  }
  if (on_case) { on_case(file, v.scores, scores); }
  return v;
}

}  // namespace

Validation validate(const UNet3d& net, const std::vector<std::filesystem::path>& files, const LossOptions& loss,
                    const ArenaPlan& plan, const std::optional<WindowOptions>& windows, const OnValidated& on_case,
                    Communicator* given) {
  VOX_CHECK(!files.empty(), "validate: no cases");
  const NoGradScope no_grad;
  Communicator& ranks = ranks_or_alone(given);
  Deal deal(ranks, files.size());
  std::vector<Validated> found(files.size());
  for (const std::size_t i : deal.mine()) {
    found[i] = validate_case(net, PreparedFile(files[i]), loss, plan, windows, on_case);
  }
  deal.gather_results(found, [](auto& message, auto& one) {
    auto& s = one.scores;
    fields(message, s.id, s.loss, s.dice, s.trivial, one.loss_parts, one.confusion);
  });
  Validation v;
  const double share = 1.0 / static_cast<double>(files.size());
  for (Validated& one : found) {
    v.loss += share * one.scores.loss;
    v.loss_parts.resize(one.loss_parts.size());
    for (std::size_t t = 0; t < one.loss_parts.size(); ++t) { v.loss_parts[t] += share * one.loss_parts[t]; }
    for (std::size_t r = 0; r < kRegions.size(); ++r) {
      v.dice[r] += share * one.scores.dice[r];
      v.trivial[r] += share * one.scores.trivial[r];
    }
    v.confusion += one.confusion;
    v.cases.push_back(std::move(one.scores));
  }
  return v;
}

}  // namespace vox
