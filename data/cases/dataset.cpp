#include "data/cases/dataset.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "data/cases/dataset_json.h"
#include "data/cases/layout_files.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

class Finder {
 public:
  explicit Finder(std::string_view mask_suffix) : mask_suffix_(mask_suffix) {}

  void walk(const fs::path& folder) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    VOX_CHECK_DATA(!error, "'{}' cannot be read: {}", folder.string(), error.message());
    if (!seen_.insert(real).second) { return; }  // a link that leads back up
    const Entries entries = entries_of(folder);
    take(folder, entries.files);
    for (const auto& f : entries.folders) { walk(f); }
  }

  /// The files of one folder.
  void take(const fs::path& folder, const std::vector<fs::path>& files) {
    std::vector<fs::path> unnamed;
    std::set<std::string> ids;
    bool images = false;
    for (const auto& file : files) {
      const auto stem = nifti_stem(file);
      if (!stem) { continue; }
      if (const auto role = role_of(*stem, mask_suffix_)) {
        add(folder, file, *role);
        ids.insert(role->id);
        images = images || role->image;
      } else {
        unnamed.push_back(file);
      }
    }
    adopt_labels(ids, unnamed);
    if (images) { return; }
    for (const auto& file : unnamed) { plain_.push_back({*nifti_stem(file), file, false, {}}); }
  }

  std::vector<CaseFiles> cases() {
    std::vector<CaseFiles> out;
    for (auto& [id, files] : cases_) { out.push_back(std::move(files)); }
    return out;
  }

  /// Files that are called after a case and nothing else.
  [[nodiscard]] const std::vector<LabelFile>& plain() const { return plain_; }

 private:
  void add(const fs::path& folder, const fs::path& file, const FileRole& role) {
    const auto [at, fresh] = cases_.try_emplace(role.id);
    CaseFiles& c = at->second;
    if (fresh) {
      c.id = role.id;
      c.folder = folder;
      c.mask_suffix = mask_suffix_;
    }
    if (c.folder != folder) {
      const bool known = std::ranges::any_of(
          c.clashes, [&](const Clash& k) { return k.two_folders && k.file == folder; });  // one for all of its files
      if (!known) { c.clashes.push_back({folder, c.folder, true}); }
      return;
    }
    fs::path& place = role.mask ? c.mask : role.image ? c.images[static_cast<std::size_t>(*role.image)] : c.labels;
    const bool first = place.empty();
    place_file(c, place, file);
    c.hyphenated = c.hyphenated || (first && role.hyphenated && !role.mask);
  }

  /// Labels under the name of their source: BraTS 2020's case 355 came with W39_1998.09.19_Segm.nii.
  void adopt_labels(const std::set<std::string>& ids, const std::vector<fs::path>& unnamed) {
    std::vector<fs::path> candidates;
    for (const auto& file : unnamed) {
      const std::string stem = *nifti_stem(file);
      if (!looks_like_labels(stem)) { continue; }
      const auto own = cases_.find(stem.substr(0, stem.rfind('_')));  // ID_segm, as UPENN-GBM calls them
      if (own != cases_.end() && ids.contains(own->first) && own->second.labels.empty()) {
        own->second.labels = file;
      } else {
        candidates.push_back(file);
      }
    }
    if (ids.size() != 1 || candidates.size() != 1) { return; }
    CaseFiles& c = cases_.at(*ids.begin());
    if (!c.labels.empty()) { return; }
    c.labels = candidates.front();
    c.note = fmt::format("labels found as '{}'", c.labels.filename().string());
  }

  std::string mask_suffix_;
  std::map<std::string, CaseFiles> cases_;
  std::vector<LabelFile> plain_;
  std::set<fs::path> seen_;
};

std::vector<LabelFile> labels_of(Finder& finder) {
  std::vector<LabelFile> files = finder.plain();
  for (const CaseFiles& c : finder.cases()) {
    for (const Clash& k : c.clashes) {
      VOX_CHECK_DATA(k.other != c.labels && !(k.two_folders && !c.labels.empty()),
                     "two label files for case {}: {} and {}", c.id, k.other.string(), k.file.string());
    }
    if (!c.labels.empty()) { files.push_back(c.label_file()); }
  }
  std::ranges::stable_sort(files, {}, &LabelFile::id);
  const auto twice = std::ranges::adjacent_find(files, {}, &LabelFile::id);
  if (twice != files.end()) {
    VOX_FAIL_DATA("two label files for case {}: {} and {}", twice->id, twice->file.string(),
                  std::next(twice)->file.string());
  }
  return files;
}

}  // namespace

std::filesystem::path CaseFiles::image_name(Modality m) const {
  if (volumes == 0 || image(m).empty()) { return image(m); }
  return fmt::format("{}[{}]", image(m).string(), volume[static_cast<std::size_t>(m)]);
}

NiftiImage read_image(const CaseFiles& c, Modality m) {
  if (c.volumes == 0) { return read_nifti(c.image(m)); }
  const std::array<std::int64_t, 1> which{c.volume[static_cast<std::size_t>(m)]};
  return std::move(read_nifti_volumes(c.image(m), which, c.volumes).front());
}

Entries entries_of(const fs::path& folder) {
  Entries found;
  for (const fs::directory_entry& entry : list_folder(folder)) {
    if (is_hidden(entry.path())) { continue; }
    (is_folder(entry) ? found.folders : found.files).push_back(entry.path());
  }
  std::sort(found.files.begin(), found.files.end());
  std::sort(found.folders.begin(), found.folders.end());
  return found;
}

void place_file(CaseFiles& c, fs::path& place, const fs::path& file) {
  if (place.empty()) {
    place = file;
  } else {
    c.clashes.push_back({file, place, false});
  }
}

std::vector<CaseFiles> brats_cases(const fs::path& folder, std::string_view mask_suffix) {
  Finder finder(mask_suffix);
  finder.walk(folder);
  return finder.cases();
}

std::vector<CaseFiles> find_cases(const fs::path& folder, std::string_view mask_suffix) {
  return find_dataset(folder, {}, mask_suffix).cases;
}

std::vector<LabelFile> find_label_files(const fs::path& folder) {
  const bool list = !is_folder(folder) && has_layout(folder);
  const auto of_cases = [&] {
    std::vector<LabelFile> files;
    for (const CaseFiles& c : find_cases(folder)) {
      if (!c.labels.empty()) { files.push_back(c.label_file()); }
    }
    return files;
  };
  if (list) { return of_cases(); }
  const std::optional<StatedLabels> stated = labels_stated_for(folder);
  const auto with_names = [&](std::vector<LabelFile> files) {
    for (LabelFile& f : files) { f.stated = f.stated ? f.stated : stated; }
    return files;
  };
  Finder here({});
  here.take(folder, entries_of(folder).files);
  if (auto files = labels_of(here); !files.empty()) { return with_names(std::move(files)); }
  if (has_layout(folder)) { return of_cases(); }
  Finder below({});
  below.walk(folder);
  return with_names(labels_of(below));
}

LabelFile label_file(const fs::path& file) {
  const std::string stem = nifti_stem(file).value_or(file.filename().string());
  const auto stated = labels_stated_for(file.parent_path());
  const auto role = role_of(stem);
  if (role && !role->image) { return {role->id, file, role->hyphenated, stated}; }
  return {stem, file, false, stated};
}

}  // namespace vox
