#include "data/dataset.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "kernels/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLabelsSlot = kModalities.size();  // after the four images

/// What ends a file's name, before .nii or .nii.gz, and what it then holds.
struct Ending {
  std::string_view text;
  std::size_t slot;
};
constexpr std::array<Ending, 10> kEndings{{
    {"t1", 0},
    {"t1ce", 1},
    {"t2", 2},
    {"flair", 3},
    {"seg", kLabelsSlot},  // BraTS 2018-2021: ID_flair
    {"t1n", 0},
    {"t1c", 1},
    {"t2w", 2},
    {"t2f", 3},
    {"seg", kLabelsSlot},  // BraTS 2023: ID-t2f
}};
constexpr std::size_t kEndingsPerEdition = 5;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// The name before .nii or .nii.gz; empty for other files.
std::optional<std::string> nifti_stem(const std::string& filename) {
  for (const std::string_view ending : {".nii.gz", ".nii"}) {
    if (lower(filename).ends_with(ending)) { return filename.substr(0, filename.size() - ending.size()); }
  }
  return {};
}

struct Role {
  std::string id;
  std::size_t slot;
};

/// "ID_flair" or "ID-t2f"; the edition decides the character between, so that "a-t2" or "b_t1n" are no accident.
std::optional<Role> role_of(const std::string& stem) {
  const std::string name = lower(stem);
  for (std::size_t e = 0; e < kEndings.size(); ++e) {
    const char separator = e < kEndingsPerEdition ? '_' : '-';
    const auto& [text, slot] = kEndings[e];
    if (name.size() > text.size() + 1 && name.ends_with(text) && name[name.size() - text.size() - 1] == separator) {
      return Role{stem.substr(0, stem.size() - text.size() - 1), slot};
    }
  }
  return {};
}

bool is_hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name == "__MACOSX";  // macOS leaves ._NAME beside NAME, and a folder of them in zips
}

class Finder {
 public:
  void walk(const fs::path& folder) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    if (error || !seen_.insert(real).second) { return; }  // a link that leads back up
    std::vector<fs::path> folders;
    std::vector<fs::path> files;
    fs::directory_iterator entries(folder, error);
    VOX_CHECK_DATA(!error, "cannot read the folder '{}': {}", folder.string(), error.message());
    for (const auto& entry : entries) {
      if (is_hidden(entry.path())) { continue; }
      (entry.is_directory(error) ? folders : files).push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::sort(folders.begin(), folders.end());
    take(folder, files);
    for (const auto& f : folders) { walk(f); }
  }

  std::vector<CaseFiles> cases() {
    std::vector<CaseFiles> out;
    for (auto& [id, files] : cases_) { out.push_back(std::move(files)); }
    return out;
  }

 private:
  void take(const fs::path& folder, const std::vector<fs::path>& files) {
    std::vector<fs::path> unnamed;
    std::set<std::string> ids;
    for (const auto& file : files) {
      const auto stem = nifti_stem(file.filename().string());
      if (!stem) { continue; }
      if (const auto role = role_of(*stem)) {
        add(folder, file, *role);
        ids.insert(role->id);
      } else {
        unnamed.push_back(file);
      }
    }
    if (ids.size() == 1) { adopt_labels(cases_.at(*ids.begin()), unnamed); }
  }

  void add(const fs::path& folder, const fs::path& file, const Role& role) {
    const auto [at, fresh] = cases_.try_emplace(role.id);
    CaseFiles& c = at->second;
    if (fresh) {
      c.id = role.id;
      c.folder = folder;
    }
    VOX_CHECK_DATA(c.folder == folder, "case '{}' is there twice, in '{}' and in '{}'; wants one folder per case",
                   role.id, c.folder.string(), folder.string());
    fs::path& place = role.slot == kLabelsSlot ? c.labels : c.images[role.slot];
    VOX_CHECK_DATA(place.empty(), "case '{}' has two files for one image, '{}' and '{}'; wants one", role.id,
                   place.string(), file.string());
    place = file;
  }

  /// BraTS 2020's case 355 came with its labels under the name of their source, W39_1998.09.19_Segm.nii.
  static void adopt_labels(CaseFiles& c, const std::vector<fs::path>& unnamed) {
    if (!c.labels.empty()) { return; }
    std::vector<fs::path> candidates;
    for (const auto& file : unnamed) {
      if (lower(*nifti_stem(file.filename().string())).ends_with("_segm")) { candidates.push_back(file); }
    }
    if (candidates.size() != 1) { return; }
    c.labels = candidates.front();
    c.note = fmt::format("labels found as '{}'", c.labels.filename().string());
  }

  std::map<std::string, CaseFiles> cases_;
  std::set<fs::path> seen_;
};

}  // namespace

std::string_view name(Modality m) {
  constexpr std::array<std::string_view, 4> kNames{"t1", "t1ce", "t2", "flair"};
  return kNames[static_cast<std::size_t>(m)];
}

std::string_view name(LabelConvention c) { return c == LabelConvention::brats2020 ? "brats2020" : "brats2023"; }

std::vector<CaseFiles> find_cases(const fs::path& folder) {
  std::error_code error;
  VOX_CHECK_DATA(fs::exists(folder, error), "the folder '{}' is not there", folder.string());
  VOX_CHECK_DATA(fs::is_directory(folder, error), "'{}' is a file; wants a folder of cases", folder.string());
  Finder finder;
  finder.walk(folder);
  auto cases = finder.cases();
  VOX_CHECK_DATA(!cases.empty(),
                 "no case below '{}': wants files called ID_{{t1,t1ce,t2,flair,seg}}.nii.gz (BraTS 2018-2021) or "
                 "ID-{{t1n,t1c,t2w,t2f,seg}}.nii.gz (BraTS 2023), .nii as well",
                 folder.string());
  return cases;
}

LabelConvention convention_of(const std::array<std::int64_t, 256>& voxels_by_label, const std::string& file) {
  for (std::size_t label = 5; label < voxels_by_label.size(); ++label) {
    VOX_CHECK_DATA(voxels_by_label[label] == 0,
                   "'{}' holds label {} ({} voxels); wants 0, 1, 2, 4 (BraTS 2018-2021) or 0, 1, 2, 3 (BraTS 2023)",
                   file, label, voxels_by_label[label]);
  }
  VOX_CHECK_DATA(voxels_by_label[3] == 0 || voxels_by_label[4] == 0,
                 "'{}' holds label 3 ({} voxels) and label 4 ({} voxels); wants 0, 1, 2, 4 (BraTS 2018-2021) or 0, 1, "
                 "2, 3 (BraTS 2023)",
                 file, voxels_by_label[3], voxels_by_label[4]);
  return voxels_by_label[3] > 0 ? LabelConvention::brats2023 : LabelConvention::brats2020;
}

void to_classes(std::vector<std::uint8_t>& labels, LabelConvention convention, const std::string& file) {
  const std::uint8_t enhancing = convention == LabelConvention::brats2020 ? 4 : 3;
  for (std::uint8_t& label : labels) {
    VOX_CHECK_DATA(label <= 2 || label == enhancing, "'{}' holds label {}; wants 0, 1, 2, {} ({})", file, label,
                   enhancing, name(convention));
    if (label == enhancing) { label = 3; }
  }
}

void to_brats_labels(std::vector<std::uint8_t>& classes) {
  for (std::uint8_t& c : classes) {
    VOX_CHECK(c < kClasses, "to_brats_labels: class {}, wants 0 to 3", c);
    if (c == 3) { c = 4; }
  }
}

}  // namespace vox
