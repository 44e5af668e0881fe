#include "data/cases/names.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace vox {
namespace {

/// What ends a file's name, before .nii or .nii.gz, and the image it then holds; none: the labels.
struct Ending {
  std::string_view text;
  char separator;
  std::optional<Modality> image;
};
constexpr std::array<Ending, 13> kEndings{{
    {"t1", '_', Modality::t1},
    {"t1ce", '_', Modality::t1ce},
    {"t1c", '_', Modality::t1ce},
    {"t1gd", '_', Modality::t1ce},
    {"t2", '_', Modality::t2},
    {"flair", '_', Modality::flair},
    {"seg", '_', {}},
    {"tumor_segmentation", '_', {}},
    {"t1n", '-', Modality::t1},
    {"t1c", '-', Modality::t1ce},
    {"t2w", '-', Modality::t2},
    {"t2f", '-', Modality::flair},
    {"seg", '-', {}},
}};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// The name without the ending and the character before it; empty where it does not end so or nothing is left.
std::optional<std::string> before(const std::string& stem, std::string_view ending, std::string_view separators) {
  if (stem.size() < ending.size() + 2 || !lower(stem).ends_with(ending)) { return {}; }
  const std::size_t at = stem.size() - ending.size() - 1;
  if (separators.find(stem[at]) == std::string_view::npos) { return {}; }
  return stem.substr(0, at);
}

}  // namespace

std::string_view name(Modality m) {
  constexpr std::array<std::string_view, 4> kNames{"t1", "t1ce", "t2", "flair"};
  return kNames[static_cast<std::size_t>(m)];
}

std::optional<Modality> modality_named(std::string_view word) {
  std::string letters;
  for (const char c : lower(std::string(word))) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) { letters += c; }
  }
  constexpr std::array<std::pair<std::string_view, Modality>, 32> kWords{{
      {"t1", Modality::t1},
      {"t1w", Modality::t1},
      {"t1n", Modality::t1},
      {"t1native", Modality::t1},
      {"t1pre", Modality::t1},
      {"t1weighted", Modality::t1},
      {"t1wpre", Modality::t1},
      {"t1ce", Modality::t1ce},
      {"t1c", Modality::t1ce},
      {"t1gd", Modality::t1ce},
      {"t1wce", Modality::t1ce},
      {"t1wgd", Modality::t1ce},
      {"t1post", Modality::t1ce},
      {"t1wpost", Modality::t1ce},
      {"t1contrast", Modality::t1ce},
      {"t1wcontrast", Modality::t1ce},
      {"cet1", Modality::t1ce},
      {"cet1w", Modality::t1ce},
      {"t1km", Modality::t1ce},
      {"t1gadolinium", Modality::t1ce},
      {"t1wgadolinium", Modality::t1ce},
      {"t2", Modality::t2},
      {"t2w", Modality::t2},
      {"t2weighted", Modality::t2},
      {"flair", Modality::flair},
      {"t2f", Modality::flair},
      {"t2flair", Modality::flair},
      {"t2wflair", Modality::flair},
      {"fla", Modality::flair},
      {"flairw", Modality::flair},
      {"fl", Modality::flair},
      {"tc", Modality::t1ce},
  }};
  const auto* const found =
      std::ranges::find(kWords, std::string_view(letters), &std::pair<std::string_view, Modality>::first);
  if (found == kWords.end()) { return {}; }
  return found->second;
}

std::optional<std::string> nifti_stem(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  for (const std::string_view ending : {".nii.gz", ".nii"}) {
    if (lower(name).ends_with(ending)) { return name.substr(0, name.size() - ending.size()); }
  }
  return {};
}

std::optional<FileRole> role_of(const std::string& stem, std::string_view mask_suffix) {
  mask_suffix.remove_prefix(std::min(mask_suffix.find_first_not_of("_-"), mask_suffix.size()));
  if (!mask_suffix.empty()) {
    if (const auto id = before(stem, lower(std::string(mask_suffix)), "_-")) {
      return FileRole{.id = *id, .image = {}, .mask = true, .hyphenated = stem[id->size()] == '-'};
    }
  }
  for (const auto& [text, separator, image] : kEndings) {
    if (const auto id = before(stem, text, {&separator, 1})) {
      return FileRole{.id = *id, .image = image, .mask = false, .hyphenated = separator == '-'};
    }
  }
  return {};
}

bool looks_like_labels(const std::string& stem) { return lower(stem).ends_with("_segm"); }

bool is_hidden(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name == "__MACOSX";
}

}  // namespace vox
