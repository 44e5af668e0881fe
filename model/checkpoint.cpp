#include "model/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <type_traits>

#include "engine/dispatch.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

TensorToWrite to_write(const NamedTensor& t) {
  TensorToWrite w{.name = t.name, .dtype = file_dtype(t.tensor.dtype()), .shape = {}, .bytes = {}};
  w.shape.assign(t.tensor.shape().extents().begin(), t.tensor.shape().extents().end());
  dispatch_type(t.tensor.dtype(), [&]<class T>(TypeTag<T>) { w.bytes = std::as_bytes(t.tensor.values<T>()); });
  return w;
}

/// The same tensors on the CPU: what is written must be readable there until it is written.
std::vector<NamedTensor> on_cpu(std::vector<NamedTensor> all) {
  for (NamedTensor& t : all) { t.tensor = t.tensor.to(Device::cpu); }
  return all;
}

/// Refuses what no training leaves behind: numbers that T cannot hold or that are none, and variances below 0. A
/// network with one of them would give a picture that looks like a result.
template <class T, class V>
void check_values(const std::vector<V>& values, const std::string& name, const std::filesystem::path& path) {
  const bool variance = name.ends_with(".running_var") || name.starts_with("adam.v.");
  const double lowest = variance ? 0 : static_cast<double>(std::numeric_limits<T>::lowest());
  const double highest = static_cast<double>(std::numeric_limits<T>::max());
  const auto sound = [&](V v) { return static_cast<double>(v) >= lowest && static_cast<double>(v) <= highest; };
  const auto bad = std::ranges::find_if_not(values, sound);
  if (bad == values.end()) { return; }
  const auto value = static_cast<double>(*bad);
  const bool negative = value < 0 && value >= -highest;
  VOX_CHECK_DATA(!negative, "{}: '{}' holds {}, a variance, wants 0 or more", path.string(), name, value);
  fail<NonFiniteError>(__FILE__, __LINE__,
                       fmt::format("{}: '{}' holds {}, wants finite numbers of {}", path.string(), name, value,
                                   std::is_same_v<T, double> ? "f64" : "f32"));
}

/// "encoder.0.norm1.running_mean" -> "encoder.0.norm1.num_batches_tracked"
std::string batches_tracked_name(const std::string& running_mean) {
  return running_mean.substr(0, running_mean.rfind('.')) + ".num_batches_tracked";
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const UNet3d& net, const Adam* optimizer, Metadata extra) {
  std::vector<NamedTensor> all = net.parameters();
  std::ranges::copy(net.buffers(), std::back_inserter(all));
  if (optimizer != nullptr) { std::ranges::copy(optimizer->state(), std::back_inserter(all)); }
  all = on_cpu(std::move(all));
  std::vector<TensorToWrite> tensors;
  std::ranges::transform(all, std::back_inserter(tensors), to_write);

  const std::int64_t batches = optimizer != nullptr ? optimizer->steps() : 0;
  for (const NamedTensor& b : net.buffers()) {
    if (!b.name.ends_with(".running_mean")) { continue; }
    tensors.push_back({.name = batches_tracked_name(b.name),
                       .dtype = FileDType::i64,
                       .shape = {},
                       .bytes = std::as_bytes(std::span(&batches, 1))});
  }
  extra["format"] = kCheckpointFormat;
  extra["unet"] = to_json(net.config());
  extra["adam_steps"] = std::to_string(batches);
  write_safetensors(path, tensors, extra);
}

CheckpointFile::CheckpointFile(const std::filesystem::path& path) : path_(path), file_(path) {
  const auto& meta = file_.metadata();
  const auto format = meta.find("format");
  VOX_CHECK_DATA(format != meta.end(), "{}: is a safetensors file without 'format' in its metadata, wants '{}'",
                 path.string(), kCheckpointFormat);
  VOX_CHECK_DATA(format->second == kCheckpointFormat, "{}: format is '{}', wants '{}'", path.string(), format->second,
                 kCheckpointFormat);
  config_ = unet_config_from_json(file_.meta("unet"), path.string());
}

bool CheckpointFile::has_optimizer() const {
  return std::ranges::any_of(file_.tensors(), [](const auto& t) { return t.first.starts_with("adam.m."); });
}

void CheckpointFile::load(const std::vector<NamedTensor>& into) const {
  for (const NamedTensor& t : into) {
    VOX_CHECK_DATA(file_.has(t.name), "{}: holds no tensor '{}', which the {} network has", path_.string(), t.name,
                   config_.preset);
    const TensorInFile& stored = file_.tensor(t.name);
    const Shape shape{std::span<const std::int64_t>(stored.shape)};
    VOX_CHECK_DATA(shape == t.tensor.shape(), "{}: '{}' is {}, wants {}", path_.string(), t.name, shape.str(),
                   t.tensor.shape().str());
    VOX_CHECK_DATA(stored.dtype == FileDType::f32 || stored.dtype == FileDType::f64, "{}: '{}' wants F32 or F64 values",
                   path_.string(), t.name);
  }
  std::vector<Tensor> read;
  for (const NamedTensor& t : into) {
    Tensor to(t.tensor.shape(), t.tensor.dtype());
    dispatch_type(to.dtype(), [&]<class T>(TypeTag<T>) {
      const auto put = [&](const auto& values) {
        check_values<Acc<T>>(values, t.name, path_);
        std::ranges::transform(values, to.mutable_values<T>().begin(),
                               [](auto v) { return store<T>(static_cast<Acc<T>>(v)); });
      };
      if (file_.tensor(t.name).dtype == FileDType::f64) {
        put(file_.read<double>(t.name));
      } else {
        put(file_.read<float>(t.name));
      }
    });
    read.push_back(to);  // all are checked before the first changes
  }
  for (std::size_t i = 0; i < into.size(); ++i) { Tensor(into[i].tensor).assign(read[i]); }
}

void CheckpointFile::load(UNet3d& net) const {
  VOX_CHECK_DATA(config_ == net.config(), "{}: holds the network {}, wants {}", path_.string(), to_json(config_),
                 to_json(net.config()));
  std::vector<NamedTensor> all = net.parameters();
  std::ranges::copy(net.buffers(), std::back_inserter(all));
  load(all);
}

void CheckpointFile::load(Adam& optimizer) const {
  load(optimizer.state());
  const std::string& text = file_.meta("adam_steps");
  std::int64_t steps = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), steps);
  VOX_CHECK_DATA(parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && steps >= 0,
                 "{}: adam_steps is '{}', wants a number from 0", path_.string(), text);
  optimizer.set_steps(steps);
}

}  // namespace vox
