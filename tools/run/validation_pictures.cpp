#include "tools/run/validation_pictures.h"

#include <fmt/format.h>
#include <zlib.h>

#include <utility>

#include "engine/ranks/deal.h"
#include "kernels/base/check.h"
#include "kernels/layout.h"
#include "tools/report/case_picture.h"

namespace vox {
namespace {

std::string pack(std::span<const std::uint8_t> classes) {
  uLongf size = compressBound(static_cast<uLong>(classes.size()));
  std::string packed(size, '\0');
  const int code = compress2(reinterpret_cast<Bytef*>(packed.data()), &size, classes.data(),
                             static_cast<uLong>(classes.size()), Z_BEST_SPEED);
  if (code == Z_MEM_ERROR) { throw std::bad_alloc(); }
  VOX_CHECK(code == Z_OK, "a prediction cannot be kept: zlib says {}", code);
  packed.resize(size);
  packed.shrink_to_fit();
  return packed;
}

std::vector<std::uint8_t> unpack(const std::string& packed, std::size_t voxels) {
  std::vector<std::uint8_t> classes(voxels);
  uLongf size = static_cast<uLongf>(voxels);
  const int code = uncompress(classes.data(), &size, reinterpret_cast<const Bytef*>(packed.data()),
                              static_cast<uLong>(packed.size()));
  if (code == Z_MEM_ERROR) { throw std::bad_alloc(); }
  VOX_CHECK(code == Z_OK && size == voxels, "a prediction was not kept whole: zlib says {}", code);
  return classes;
}

}  // namespace

std::vector<std::uint8_t> predicted_classes(const Tensor& scores, Targets targets) {
  const std::span<const float> values = scores.values<float>();
  const std::int64_t voxels = scores.shape()[2] * scores.shape()[3] * scores.shape()[4];
  std::vector<std::uint8_t> predicted(static_cast<std::size_t>(voxels));
  for (std::int64_t v = 0; v < voxels; ++v) {
    const auto at = static_cast<std::size_t>(v);
    predicted[at] = predicted_class(values.subspan(at * kBlock8, kBlock8), targets);
  }
  return predicted;
}

void ValidationPictures::keep(const PreparedFile& file, const CaseValidation& scores, const Tensor& logits,
                              Targets targets) {
  const std::vector<std::uint8_t> classes = predicted_classes(logits, targets);
  kept_.push_back({.file = file.file(), .scores = scores, .voxels = classes.size(), .packed = pack(classes)});
}

void ValidationPictures::gather(Communicator& ranks, std::span<const std::filesystem::path> files) {
  if (ranks.size() == 1) { return; }
  Deal deal(ranks, files.size());
  VOX_CHECK(kept_.size() == deal.mine().size(), "{} predictions were kept, of {} cases", kept_.size(),
            deal.mine().size());
  std::vector<Kept> all(files.size());
  for (std::size_t k = 0; k < kept_.size(); ++k) { all[deal.mine()[k]] = std::move(kept_[k]); }
  deal.gather_results(all, [](auto& message, auto& kept) {
    auto& s = kept.scores;
    fields(message, s.id, s.loss, s.dice, s.trivial, kept.voxels, kept.packed);
  });
  for (std::size_t i = 0; i < files.size(); ++i) { all[i].file = files[i].string(); }
  kept_ = std::move(all);
}

Json ValidationPictures::draw() const {
  std::vector<double> dice;
  for (const Kept& k : kept_) { dice.push_back(k.scores.mean_dice()); }
  Json cases = Json::array();
  for (const auto& [role, index] : worst_median_best(dice)) {
    const Kept& kept = kept_[index];
    const PreparedFile file(kept.file);
    const PreparedInfo& info = file.info();
    const Extent3& size = info.mapping.size;
    const std::size_t channel = shown_channel(info.recipe);
    std::vector<float> converted;
    const std::vector<std::uint8_t> predicted = unpack(kept.packed, kept.voxels);
    std::array<double, 3> spacing{};
    for (std::size_t k = 0; k < 3; ++k) {
      spacing[k] = info.mapping.source.spacing_mm[k] * static_cast<double>(info.mapping.box.size[k]) /
                   static_cast<double>(size[k]);
    }
    const auto& d = kept.scores.dice;
    cases.push_back(case_picture({.id = kept.scores.id,
                                  .title = fmt::format("{}: {}", role, kept.scores.id),
                                  .facts = {fmt::format("Dice WT {:.3f}, TC {:.3f}, ET {:.3f}", d[0], d[1], d[2]),
                                            fmt::format("{} as prepared ({})", name(info.recipe.modalities.at(channel)),
                                                        recipe_text(info.recipe))},
                                  .size = size,
                                  .spacing_mm = spacing,
                                  .image = file.image(converted).subspan(channel * kept.voxels, kept.voxels),
                                  .truth = file.label(),
                                  .prediction = predicted}));
  }
  return cases;
}

}  // namespace vox
