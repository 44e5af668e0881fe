#include "tools/interchange/weights_of_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <string_view>
#include <utility>

#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "model/stored_tensor.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamed = 4;  // of each kind of fault

/// "3 missing: 'a', 'b' and 1 more"
void add_list(std::vector<std::string>& parts, const char* what, const std::vector<std::string>& names) {
  if (names.empty()) { return; }
  const std::vector<std::string> first(names.begin(),
                                       names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamed)));
  const std::string more = names.size() > kNamed ? fmt::format(" and {} more", names.size() - kNamed) : "";
  parts.push_back(fmt::format("{} {}: {}{}", names.size(), what, fmt::join(first, ", "), more));
}

bool fits(const TensorInFile& stored, const Tensor& wanted) {
  return (stored.dtype == FileDType::f32 || stored.dtype == FileDType::f64) &&
         std::ranges::equal(stored.shape, wanted.shape().extents());
}

}  // namespace

void take_all_weights(UNet3d& net, const fs::path& path, const SafetensorsFile& file,
                      const std::vector<OtherNames>& names, const std::function<bool(const std::string&)>& ignored) {
  std::map<std::string, Tensor> wanted;
  for (const auto* const all : {&net.parameters(), &net.buffers()}) {
    for (const NamedTensor& t : *all) { wanted.emplace(t.name, t.tensor); }
  }
  std::vector<std::string> missing;
  std::vector<std::string> other;
  std::vector<std::string> unexpected;
  std::set<std::string> known;
  std::vector<std::pair<Tensor, std::string>> found;  // to what, from which of the file
  for (const OtherNames& n : names) {
    known.insert(n.theirs.begin(), n.theirs.end());
    const Tensor& to = wanted.at(n.ours);
    const auto there = std::ranges::find_if(n.theirs, [&](const std::string& name) { return file.has(name); });
    if (there == n.theirs.end()) {
      missing.push_back(fmt::format("'{}'", n.theirs.front()));
    } else if (!fits(file.tensor(*there), to)) {
      other.push_back(fmt::format("'{}' is {}, wants {}", *there, text_of(file.tensor(*there)), to.shape().str()));
    } else {
      found.emplace_back(to, *there);
    }
  }
  for (const auto& [name, t] : file.tensors()) {
    if (!known.contains(name) && !ignored(name)) { unexpected.push_back(fmt::format("'{}' {}", name, text_of(t))); }
  }
  std::vector<std::string> faults;
  add_list(faults, "missing", missing);
  add_list(faults, "of another shape or type", other);
  add_list(faults, "unexpected", unexpected);
  VOX_CHECK_DATA(faults.empty(), "{}: its {} tensors are not the {} of the network ({}):\n  {}", path.string(),
                 file.tensors().size(), names.size(), text_of(net.config()), fmt::join(faults, "\n  "));
  std::vector<Tensor> values;  // all are checked before the first changes
  for (const auto& [to, name] : found) { values.push_back(stored_tensor(file, path, name, to)); }
  for (std::size_t i = 0; i < found.size(); ++i) { found[i].first.assign(values[i]); }
}

std::string prefix_before(const SafetensorsFile& file, const std::string& name) {
  std::string shortest;
  std::size_t length = std::string::npos;
  for (const auto& [stored, t] : file.tensors()) {
    const bool ends = stored == name || stored.ends_with("." + name);
    if (ends && stored.size() < length) {
      length = stored.size();
      shortest = stored.substr(0, stored.size() - name.size());
    }
  }
  return shortest;
}

SafetensorsFile open_weights(const fs::path& path, const std::string& expression) {
  const std::string start = read_start(path, 4);
  // Of PyTorch since 1.6 a zip archive, before that a pickle, whose protocol 2 and later begin with 0x80.
  if (start == "PK\x03\x04" || start.starts_with('\x80')) {
    VOX_FAIL_DATA(
        "{}: is a pickle, as torch.save() writes it, and wants to be a safetensors file: a pickle is a program, which "
        "runs when it is loaded. Where you trust it, convert it once:\n"
        "  python3 -c \"import sys, torch; from safetensors.torch import save_file; "
        "w = torch.load(sys.argv[1], map_location='cpu', weights_only=False); "
        "save_file({{k: v.clone().contiguous() for k, v in {}.items()}}, sys.argv[2])\" '{}' '{}'",
        path.string(), expression, path.string(), fs::path(path).replace_extension(".safetensors").string());
  }
  return SafetensorsFile(path);
}

void take_torch_weights(UNet3d& net, const fs::path& path, const SafetensorsFile& file) {
  const std::string prefix = prefix_before(file, "encoder.0.conv1.weight");
  std::vector<OtherNames> names;
  for (const auto* const all : {&net.parameters(), &net.buffers()}) {
    for (const NamedTensor& t : *all) { names.push_back({.ours = t.name, .theirs = {prefix + t.name}}); }
  }
  take_all_weights(net, path, file, names, [](const std::string& name) {
    constexpr std::array<std::string_view, 4> kBeside{"adam.m.", "adam.v.", "sgd.momentum.", "ema."};
    return name.ends_with(".num_batches_tracked") ||
           std::ranges::any_of(kBeside, [&](std::string_view start) { return name.starts_with(start); });
  });
}

}  // namespace vox
