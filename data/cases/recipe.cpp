#include "data/cases/recipe.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "kernels/base/check.h"

namespace vox {

std::string_view name(RecipeKind kind) {
  switch (kind) {
    case RecipeKind::tutorial:
      return "tutorial";
    case RecipeKind::seed:
      return "seed";
    case RecipeKind::zscore:
      return "zscore";
  }
  VOX_FAIL("unknown recipe");
}

Recipe recipe_named(std::string_view kind, std::int64_t size) {
  VOX_CHECK(size >= 8 && size <= 512, "recipe: size {} is out of range, wants 8 to 512 voxels", size);
  if (kind == name(RecipeKind::tutorial)) {
    VOX_CHECK(size == 128, "recipe tutorial crops to 128 voxels: size {} needs recipe seed or zscore", size);
    return {RecipeKind::tutorial, {Modality::flair, Modality::t1ce, Modality::t2}, size, 0.01};
  }
  for (const RecipeKind k : {RecipeKind::seed, RecipeKind::zscore}) {
    if (kind == name(k)) { return {k, {kModalities.begin(), kModalities.end()}, size, 0}; }
  }
  VOX_FAIL("recipe '{}' is none of tutorial, seed, zscore", kind);
}

std::string modality_list(const std::vector<Modality>& modalities) {
  std::string text;
  for (const Modality m : modalities) {
    if (!text.empty()) { text += ','; }
    text += name(m);
  }
  return text;
}

std::vector<Modality> modalities_listed(std::string_view text) {
  std::vector<Modality> found;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const auto* const m = std::ranges::find(kModalities, word, [](Modality known) { return name(known); });
    VOX_CHECK(m != kModalities.end(), "modality '{}' is none of {}", word,
              modality_list({kModalities.begin(), kModalities.end()}));
    VOX_CHECK(std::ranges::find(found, *m) == found.end(), "modality '{}' is named twice", word);
    found.push_back(*m);
  }
  return found;
}

}  // namespace vox
