#include "data/cases/recipe.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <system_error>
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
    case RecipeKind::native:
      return "native";
  }
  VOX_FAIL("unknown recipe");
}

bool is_cube(const Recipe& recipe) { return recipe.kind != RecipeKind::native; }

Recipe recipe_named(std::string_view kind, std::int64_t size) {
  if (kind == name(RecipeKind::native)) {
    return {RecipeKind::native, {kModalities.begin(), kModalities.end()}, 0, 0, {1, 1, 1}};
  }
  VOX_CHECK(size >= 8 && size <= 512, "recipe: size {} is out of range, wants 8 to 512 voxels", size);
  if (kind == name(RecipeKind::tutorial)) {
    VOX_CHECK(size == 128, "recipe tutorial crops to 128 voxels: size {} needs recipe seed or zscore", size);
    return {RecipeKind::tutorial, {Modality::flair, Modality::t1ce, Modality::t2}, size, 0.01, {}};
  }
  for (const RecipeKind k : {RecipeKind::seed, RecipeKind::zscore}) {
    if (kind == name(k)) { return {k, {kModalities.begin(), kModalities.end()}, size, 0, {}}; }
  }
  VOX_FAIL("recipe '{}' is none of tutorial, seed, zscore, native", kind);
}

std::array<double, 3> spacing_named(std::string_view text) {
  if (text == "keep") { return {}; }
  constexpr double kWidest = 100;
  const auto wrong = [&] {
    VOX_FAIL("spacing '{}': wants three numbers of mm joined by ',' (along D, H, W), one for all, or keep", text);
  };
  std::vector<double> found;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    double mm = 0;
    const auto [end, error] = std::from_chars(text.data() + from, text.data() + comma, mm);
    if (error != std::errc{} || end != text.data() + comma) { wrong(); }
    VOX_CHECK(mm > 0 && mm <= kWidest, "spacing '{}': {} mm, wants above 0 and at most {}", text, mm, kWidest);
    found.push_back(mm);
    from = comma + 1;
  }
  if (found.size() == 1) { found.assign(3, found.front()); }
  if (found.size() != 3) { wrong(); }
  return {found[0], found[1], found[2]};
}

std::string spacing_text(const std::array<double, 3>& mm) {
  return mm == std::array<double, 3>{} ? "keep" : fmt::format("{},{},{}", mm[0], mm[1], mm[2]);
}

std::string recipe_text(const Recipe& r) {
  if (is_cube(r)) { return fmt::format("{} at {}^3", name(r.kind), r.size); }
  const std::string spacing = spacing_text(r.spacing_mm);
  return spacing == "keep" ? fmt::format("{}, spacing kept", name(r.kind))
                           : fmt::format("{} at {} mm", name(r.kind), spacing);
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
