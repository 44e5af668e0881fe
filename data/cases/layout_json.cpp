// Layouts that have a dataset.json: nnU-Net's raw folder, and the Medical Segmentation Decathlon's.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "data/cases/dataset_json.h"
#include "data/cases/layout_files.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNumberLength = 5;  // _0000

/// CASE_0003: the case's id and the channel.
struct Numbered {
  std::string id;
  std::int64_t channel;
};
std::optional<Numbered> numbered(const std::string& stem) {
  if (stem.size() <= kNumberLength || stem[stem.size() - kNumberLength] != '_') { return {}; }
  const std::string digits = stem.substr(stem.size() - kNumberLength + 1);
  if (!std::ranges::all_of(digits, [](unsigned char c) { return std::isdigit(c) != 0; })) { return {}; }
  return Numbered{stem.substr(0, stem.size() - kNumberLength), std::stoll(digits)};
}

bool has_nifti(const fs::path& folder) {
  return std::ranges::any_of(entries_of(folder).files, [](const fs::path& f) { return nifti_stem(f).has_value(); });
}

bool has_numbered(const fs::path& folder) {
  return std::ranges::any_of(entries_of(folder).files, [](const fs::path& f) {
    const auto stem = nifti_stem(f);
    return stem && numbered(*stem) && numbered(*stem)->channel == 0;
  });
}

/// labelsTr of imagesTr; empty where there is none.
fs::path labels_folder(const fs::path& images) {
  const std::string own = own_name(images);
  if (!own.starts_with("images")) { return {}; }
  const fs::path labels = fs::absolute(images / ".").lexically_normal().parent_path().parent_path() /
                          ("labels" + own.substr(std::string_view("images").size()));
  return is_folder(labels) ? labels : fs::path();
}

std::string first_of(const std::vector<std::string>& names) {
  constexpr std::size_t kNamed = 5;
  const std::span first(names.data(), std::min(names.size(), kNamed));
  return fmt::format("{}{}", fmt::join(first, ", "), first.size() < names.size() ? ", ..." : "");
}

/// Label files by the case that they are called after, put into the cases.
void add_labels(const fs::path& folder, std::map<std::string, CaseFiles>& cases, const DatasetJson& json) {
  if (folder.empty()) { return; }
  std::vector<std::string> strangers;
  for (const fs::path& file : entries_of(folder).files) {
    const auto stem = nifti_stem(file);
    if (!stem) { continue; }
    const auto found = cases.find(*stem);
    if (found == cases.end()) {
      strangers.push_back(file.filename().string());
    } else {
      place_file(found->second, found->second.labels, file);
    }
  }
  VOX_CHECK_DATA(strangers.empty(), "'{}' holds labels of cases that have no image: {}", folder.string(),
                 first_of(strangers));
  if (json.labels.empty()) { return; }
  const StatedLabels stated = stated_labels(json.file.string(), json.labels);
  for (auto& [id, c] : cases) { c.stated = stated; }
}

Dataset finish(CaseLayout layout, const ImagesFolder& where, const DatasetJson& json, const ChannelMap& channels,
               std::map<std::string, CaseFiles> cases) {
  const fs::path labels = labels_folder(where.images);
  add_labels(labels, cases, json);
  VOX_CHECK_DATA(!cases.empty(), "no case in '{}': no file called CASE{}.nii.gz", where.images.string(),
                 layout == CaseLayout::nnunet ? "_0000" : "");
  const bool training = own_name(where.images) == "imagesTr";
  VOX_CHECK_DATA(!training || !json.training_cases || *json.training_cases == std::ssize(cases),
                 "{} contradicts the files: numTraining is {}, and '{}' holds {} cases", json.file.string(),
                 *json.training_cases, where.images.string(), cases.size());
  Dataset d{.layout = layout, .why = {}, .cases = {}, .notes = {}};
  for (auto& [id, c] : cases) { d.cases.push_back(std::move(c)); }
  d.notes.push_back(fmt::format("channels: {}", channels.text));
  if (const auto& stated = d.cases.front().stated) {
    d.notes.push_back(fmt::format("labels: {}{}", stated->text,
                                  stated->convention ? fmt::format(", as {}", name(*stated->convention)) : ""));
  }
  if (training && is_folder(where.images.parent_path() / "imagesTs")) {
    d.notes.push_back(
        fmt::format("'{}' is not read; name it to read it", (where.images.parent_path() / "imagesTs").string()));
  }
  return d;
}

}  // namespace

std::optional<ImagesFolder> images_folder(const fs::path& folder) {
  for (const fs::path& images : {folder / "imagesTr", folder / "imagesTs", folder}) {
    if (!is_folder(images) || !has_nifti(images)) { continue; }
    ImagesFolder found{.images = images, .json = {}, .numbered = has_numbered(images)};
    const bool of_set = images != folder || own_name(folder).starts_with("images");
    for (const fs::path& json : {images / "dataset.json", images / ".." / "dataset.json"}) {
      if (found.json.empty() && is_there(json)) { found.json = json.lexically_normal(); }
    }
    if (found.numbered || of_set) { return found; }
  }
  return {};
}

Dataset nnunet_cases(const ImagesFolder& where) {
  const DatasetJson json = read_dataset_json(where.json);
  const ChannelMap channels = map_channels(json);
  std::map<std::string, CaseFiles> cases;
  for (const fs::path& file : entries_of(where.images).files) {
    const auto stem = nifti_stem(file);
    if (!stem) { continue; }
    const auto at = numbered(*stem);
    VOX_CHECK_DATA(at,
                   "'{}' has no channel's number at the end of its name: layout nnunet wants CASE_0000.nii.gz, "
                   "CASE_0001.nii.gz, ... and nothing else in '{}'",
                   file.string(), where.images.string());
    VOX_CHECK_DATA(at->channel < channels.count, "{} contradicts the files: it names {} channels, and there is '{}'",
                   json.file.string(), channels.count, file.string());
    CaseFiles& c = cases[at->id];
    c.id = at->id;
    c.folder = where.images;
    const auto m = std::ranges::find(channels.channel, at->channel) - channels.channel.begin();
    if (m < std::ssize(channels.channel)) { place_file(c, c.images[static_cast<std::size_t>(m)], file); }
  }
  return finish(CaseLayout::nnunet, where, json, channels, std::move(cases));
}

Dataset msd_cases(const ImagesFolder& where) {
  const DatasetJson json = read_dataset_json(where.json);
  const ChannelMap channels = map_channels(json);
  VOX_CHECK_DATA(channels.count > 1, "{} names one channel, {}: wants the four images of a case in one 4-D file",
                 json.file.string(), channels.text);
  std::map<std::string, CaseFiles> cases;
  std::set<std::string> names;
  for (const fs::path& file : entries_of(where.images).files) {
    const auto stem = nifti_stem(file);
    if (!stem) { continue; }
    names.insert(file.filename().string());
    const auto [at, fresh] = cases.try_emplace(*stem);
    CaseFiles& c = at->second;
    if (!fresh) {
      c.clashes.push_back({file, c.images[0], false});
      continue;
    }
    c.id = *stem;
    c.folder = where.images;
    c.volumes = channels.count;
    for (std::size_t m = 0; m < kModalities.size(); ++m) {
      if (channels.channel[m] < 0) { continue; }
      c.images[m] = file;
      c.volume[m] = channels.channel[m];
    }
  }
  const std::vector<std::string>& listed = own_name(where.images) == "imagesTs" ? json.test : json.training;
  std::vector<std::string> gone;
  for (const std::string& image : listed) {
    const std::string own = fs::path(image).filename().string();
    if (names.erase(own) == 0) { gone.push_back(image); }
  }
  VOX_CHECK_DATA(gone.empty(), "{} contradicts the files: it lists {}, not there in '{}'", json.file.string(),
                 first_of(gone), where.images.string());
  VOX_CHECK_DATA(listed.empty() || names.empty(), "{} contradicts the files: '{}' holds {}, which it does not list",
                 json.file.string(), where.images.string(), first_of({names.begin(), names.end()}));
  return finish(CaseLayout::msd, where, json, channels, std::move(cases));
}

}  // namespace vox
