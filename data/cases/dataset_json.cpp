#include "data/cases/dataset_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "data/cases/layout_files.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) { return {}; }
  return value;
}

/// {"0": "T1", "1": ...}, from 0 without a gap.
std::vector<std::string> channels_of(const Json& names, const std::string& file) {
  std::map<std::int64_t, std::string> numbered;
  for (const auto& [key, value] : names.items()) {
    const auto number = whole_number(key);
    VOX_CHECK_DATA(number && value.is_string(), "{}: channel '{}' wants a number for its key and a name", file, key);
    numbered[*number] = value.get<std::string>();
  }
  std::vector<std::string> channels;
  for (const auto& [number, channel] : numbered) {
    VOX_CHECK_DATA(number == std::ssize(channels), "{}: names channel {} and not channel {}", file, number,
                   channels.size());
    channels.push_back(channel);
  }
  return channels;
}

/// {"edema": 1, "whole tumor": [1, 2, 3]}, or {"1": "edema"} of version 1.
std::vector<NamedLabel> labels_of(const Json& labels, const std::string& file) {
  std::vector<NamedLabel> named;
  for (const auto& [key, value] : labels.items()) {
    const auto number = whole_number(key);
    if (number && value.is_string()) {
      named.push_back({value.get<std::string>(), {*number}});
    } else if (value.is_number_integer()) {
      named.push_back({key, {value.get<std::int64_t>()}});
    } else if (value.is_array()) {
      named.push_back({key, value.get<std::vector<std::int64_t>>()});
    } else {
      VOX_FAIL_DATA("{}: label '{}' wants a number, a list of numbers, or a number for its key", file, key);
    }
  }
  return named;
}

/// "training": [{"image": PATH, "label": PATH}, ...], "test": [PATH or {"image": PATH}, ...]
std::vector<std::string> images_of(const Json* list) {
  std::vector<std::string> images;
  if (list == nullptr || !list->is_array()) { return images; }
  for (const Json& entry : *list) {
    if (entry.is_string()) { images.push_back(entry.get<std::string>()); }
    if (entry.is_object()) { images.push_back(entry.value("image", "")); }
  }
  return images;
}

DatasetJson parse(const fs::path& path) {
  DatasetJson out;
  out.file = path;
  const std::string file = path.string();
  const Json all = Json::parse(text_of(path));
  VOX_CHECK_DATA(all.is_object(), "{}: wants an object", file);
  const Json* channels = all.find("channel_names");
  if (channels == nullptr) { channels = all.find("modality"); }
  if (channels != nullptr) { out.channels = channels_of(*channels, file); }
  if (const Json* const labels = all.find("labels")) { out.labels = labels_of(*labels, file); }
  if (const Json* const n = all.find("numTraining")) { out.training_cases = n->get<std::int64_t>(); }
  out.training = images_of(all.find("training"));
  out.test = images_of(all.find("test"));
  const std::string ending = all.value("file_ending", ".nii.gz");
  VOX_CHECK_DATA(ending == ".nii.gz" || ending == ".nii",
                 "{}: says that files end in '{}'; only .nii.gz and .nii are read. Convert them first, with SimpleITK: "
                 "WriteImage(ReadImage(A), B)",
                 file, ending);
  VOX_CHECK_DATA(
      !all.contains("dataset"),
      "{}: lists its files under 'dataset', which is not read; wants them in imagesTr and labelsTr, or a list "
      "of paths (docs/layouts.md)",
      file);
  return out;
}

}  // namespace

DatasetJson read_dataset_json(const fs::path& path) {
  try {
    return parse(path);
  } catch (const JsonError& e) { VOX_FAIL_DATA("{}: {}", path.string(), e.what()); }
}

ChannelMap map_channels(const DatasetJson& json) {
  const std::string file = json.file.string();
  VOX_CHECK_DATA(!json.channels.empty(), "{}: names no channels; wants 'channel_names' or 'modality'", file);
  ChannelMap map;
  map.count = std::ssize(json.channels);
  std::string unknown;
  for (std::int64_t c = 0; c < map.count; ++c) {
    const std::string& word = json.channels[static_cast<std::size_t>(c)];
    const auto modality = modality_named(word);
    map.text += fmt::format("{}{} '{}' {}", c == 0 ? "" : ", ", c, word, modality ? name(*modality) : "not read");
    if (!modality) {
      unknown += fmt::format("{}{} '{}'", unknown.empty() ? "" : ", ", c, word);
      continue;
    }
    std::int64_t& place = map.channel[static_cast<std::size_t>(*modality)];
    VOX_CHECK_DATA(place < 0, "{}: channels {} and {} are both {}", file, place, c, name(*modality));
    place = c;
  }
  VOX_CHECK_DATA(unknown.empty() || std::ranges::count(map.channel, -1) == 0,
                 "{}: channel {} is none of t1, t1ce, t2 and flair by any name that is known (docs/layouts.md lists "
                 "them), and not all four are named",
                 file, unknown);
  return map;
}

std::optional<StatedLabels> labels_stated_for(const fs::path& folder) {
  std::error_code error;
  fs::path json = folder / "dataset.json";
  if (!is_there(json)) {
    const fs::path full = fs::absolute(folder / ".", error).lexically_normal().parent_path();
    if (!full.filename().string().starts_with("labelsT")) { return {}; }
    json = full.parent_path() / "dataset.json";
    if (!is_there(json)) { return {}; }
  }
  const DatasetJson read = read_dataset_json(json);
  if (read.labels.empty()) { return {}; }
  return stated_labels(json.string(), read.labels);
}

std::string nnunet_dataset_json(LabelConvention c, const std::vector<std::string>& channels,
                                std::int64_t training_cases) {
  Json json = Json::object();
  json["channel_names"] = Json::object();
  for (std::size_t i = 0; i < channels.size(); ++i) { json["channel_names"][std::to_string(i)] = channels[i]; }
  if (c == LabelConvention::msd) {
    json["labels"] = Json{{"background", 0},
                          {"whole tumor", Json::array({1, 2, 3})},
                          {"tumor core", Json::array({2, 3})},
                          {"enhancing tumor", Json::array({3})}};
    json["regions_class_order"] = Json::array({1, 2, 3});
  } else {
    constexpr std::array<const char*, kClasses> kNames{"background", "necrotic and non-enhancing tumor", "edema",
                                                       "enhancing tumor"};
    std::array<std::uint8_t, kClasses> labels{0, 1, 2, 3};
    to_labels(labels, c);
    json["labels"] = Json::object();
    for (std::size_t cls = 0; cls < labels.size(); ++cls) { json["labels"][kNames[cls]] = int{labels[cls]}; }
  }
  json["numTraining"] = training_cases;
  json["file_ending"] = ".nii.gz";
  return json_text(json, 2) + "\n";
}

}  // namespace vox
