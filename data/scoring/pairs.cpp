#include "data/scoring/pairs.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "data/cases/layout.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

/// The label files of a folder: of every case where it holds cases with images, which must all be labelled.
std::vector<LabelFile> truth_in(const fs::path& folder) {
  std::vector<LabelFile> files = find_label_files(folder);
  std::set<std::string> labelled;
  for (const LabelFile& f : files) { labelled.insert(f.id); }
  if (files.empty()) {
    const auto cases = find_cases(folder);  // says what it wants where there is nothing at all
    VOX_FAIL_DATA("{}: case {} has no label file to compare with", folder.string(), cases.front().id);
  }
  const auto named_as_brats = [](const LabelFile& f) { return role_of(*nifti_stem(f.file)).has_value(); };
  if (std::ranges::any_of(files, named_as_brats) || has_layout(folder)) {
    for (const CaseFiles& c : find_cases(folder)) {
      VOX_CHECK_DATA(labelled.contains(c.id), "{}: case {} has no label file to compare with", folder.string(), c.id);
    }
  }
  return files;
}

}  // namespace

LabelPairs pair_labels(const fs::path& truth, const fs::path& predicted) {
  for (const fs::path& path : {truth, predicted}) {
    VOX_CHECK_DATA(is_there(path), "{}: no such file or folder", path.string());
  }
  if (!is_folder(truth) && !has_layout(truth)) {
    VOX_CHECK_DATA(!is_folder(predicted), "{} is one file and {} a folder: give two files or two folders",
                   truth.string(), predicted.string());
    LabelPair pair{.truth = label_file(truth), .predicted = label_file(predicted)};
    return {.pairs = {std::move(pair)}, .extras = {}};
  }
  VOX_CHECK_DATA(is_folder(predicted), "{} is a folder or a list and {} one file: give two folders or two files",
                 truth.string(), predicted.string());
  std::map<std::string, LabelFile> predictions;
  for (LabelFile& f : find_label_files(predicted)) { predictions.emplace(f.id, f); }
  VOX_CHECK_DATA(!predictions.empty(), "{}: no label file in it, wants ID.nii.gz", predicted.string());
  LabelPairs result;
  for (LabelFile& file : truth_in(truth)) {
    LabelPair pair{.truth = std::move(file), .predicted = {}};
    if (const auto found = predictions.find(pair.truth.id); found != predictions.end()) {
      pair.predicted = std::move(found->second);
      predictions.erase(found);
    }
    result.pairs.push_back(std::move(pair));
  }
  for (const auto& [id, file] : predictions) { result.extras.push_back(file.file.filename().string()); }
  return result;
}

}  // namespace vox
