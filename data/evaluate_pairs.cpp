#include "data/evaluate_pairs.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "data/dataset.h"
#include "kernels/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;
using LabelFiles = std::map<std::string, fs::path>;  // by case

bool drop_end(std::string& text, std::string_view end) {
  if (text.size() <= end.size() || !text.ends_with(end)) { return false; }
  text.resize(text.size() - end.size());
  return true;
}

/// The case that a label file belongs to; nothing for files that are no label files.
std::optional<std::string> case_of(const fs::path& file) {
  std::string id = file.filename().string();
  if (id.starts_with('.') || !(drop_end(id, ".nii.gz") || drop_end(id, ".nii"))) { return std::nullopt; }
  constexpr std::array<std::string_view, 8> kImages{"_t1", "_t1ce", "_t2", "_flair", "-t1n", "-t1c", "-t2w", "-t2f"};
  if (std::any_of(kImages.begin(), kImages.end(), [&](std::string_view end) { return id.ends_with(end); })) {
    return std::nullopt;
  }
  if (!drop_end(id, "_seg")) { drop_end(id, "-seg"); }
  return id;
}

LabelFiles label_files_in(const fs::path& folder) {
  LabelFiles files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const auto id = entry.is_directory() ? std::nullopt : case_of(entry.path());
    if (!id) { continue; }
    const auto [place, is_new] = files.emplace(*id, entry.path());
    VOX_CHECK_DATA(is_new, "{}: two label files for case {}: {} and {}", folder.string(), *id,
                   place->second.filename().string(), entry.path().filename().string());
  }
  return files;
}

bool holds_images(const fs::path& folder) {
  return std::any_of(fs::directory_iterator(folder), fs::directory_iterator(), [](const fs::directory_entry& entry) {
    const std::string file = entry.path().filename().string();
    return !entry.is_directory() && (file.ends_with(".nii.gz") || file.ends_with(".nii")) && !case_of(entry.path());
  });
}

LabelFiles truth_in(const fs::path& folder) {
  if (!holds_images(folder)) {
    if (LabelFiles files = label_files_in(folder); !files.empty()) { return files; }
  }
  LabelFiles files;
  for (const CaseFiles& c : find_cases(folder)) {
    VOX_CHECK_DATA(!c.labels.empty(), "{}: case {} has no label file to compare with", folder.string(), c.id);
    files.emplace(c.id, c.labels);
  }
  return files;
}

}  // namespace

LabelPairs pair_labels(const fs::path& truth, const fs::path& predicted) {
  for (const fs::path& path : {truth, predicted}) {
    VOX_CHECK_DATA(fs::exists(path), "{}: no such file or folder", path.string());
  }
  if (!fs::is_directory(truth)) {
    VOX_CHECK_DATA(!fs::is_directory(predicted), "{} is one file and {} a folder: give two files or two folders",
                   truth.string(), predicted.string());
    return {
        .pairs = {{.id = case_of(truth).value_or(truth.filename().string()), .truth = truth, .predicted = predicted}},
        .extras = {}};
  }
  VOX_CHECK_DATA(fs::is_directory(predicted), "{} is a folder and {} one file: give two folders or two files",
                 truth.string(), predicted.string());
  LabelFiles predictions = label_files_in(predicted);
  VOX_CHECK_DATA(!predictions.empty(), "{}: no label file in it, wants ID.nii.gz", predicted.string());
  LabelPairs result;
  for (const auto& [id, file] : truth_in(truth)) {
    const auto found = predictions.find(id);
    result.pairs.push_back(
        {.id = id, .truth = file, .predicted = found == predictions.end() ? fs::path() : found->second});
    if (found != predictions.end()) { predictions.erase(found); }
  }
  for (const auto& [id, file] : predictions) { result.extras.push_back(file.filename().string()); }
  return result;
}

}  // namespace vox
