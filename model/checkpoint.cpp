#include "model/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "engine/dispatch.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "model/stored_tensor.h"

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

/// "encoder.0.norm1.running_mean" -> "encoder.0.norm1.num_batches_tracked"
std::string batches_tracked_name(const std::string& running_mean) {
  return running_mean.substr(0, running_mean.rfind('.')) + ".num_batches_tracked";
}

std::string steps_key(const Optimizer& optimizer) { return std::string(optimizer.name()) + "_steps"; }

/// Before memory is asked for a network that the file describes: it holds as many bytes as the convolutions want.
void check_holds(const UNetConfig& c, const SafetensorsFile& file, const std::filesystem::path& path) {
  constexpr std::size_t kTaps = 27;
  std::size_t wanted = 0;  // at most 7 levels of 27 * 2^16 * 2^16 values of 4 bytes: below 2^43
  for (const std::int64_t w : c.widths) { wanted += kTaps * static_cast<std::size_t>(w * w) * sizeof(float); }
  std::size_t held = 0;
  for (const auto& [name, tensor] : file.tensors()) { held += tensor.bytes.size(); }
  VOX_CHECK_DATA(held >= wanted, "{}: holds {} bytes of tensors, its network of widths {} wants {} or more",
                 path.string(), held, fmt::join(c.widths, " "), wanted);
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const UNet3d& net, const Optimizer* optimizer, Metadata extra,
                     const WeightAverage* average) {
  std::vector<NamedTensor> all = net.parameters();
  std::ranges::copy(net.buffers(), std::back_inserter(all));
  if (optimizer != nullptr) { std::ranges::copy(optimizer->state(), std::back_inserter(all)); }
  if (average != nullptr) { std::ranges::copy(average->state(), std::back_inserter(all)); }
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
  if (optimizer != nullptr) { extra[steps_key(*optimizer)] = std::to_string(batches); }
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
  check_holds(config_, file_, path);
}

bool CheckpointFile::has_optimizer() const {
  return std::ranges::any_of(file_.tensors(), [](const auto& t) {
    return t.first.starts_with("adam.m.") || t.first.starts_with("sgd.momentum.");
  });
}

void CheckpointFile::load(const std::vector<NamedTensor>& into) const {
  std::vector<Tensor> read;  // all are checked before the first changes
  for (const NamedTensor& t : into) { read.push_back(stored_tensor(file_, path_, t.name, t.tensor)); }
  for (std::size_t i = 0; i < into.size(); ++i) { Tensor(into[i].tensor).assign(read[i]); }
}

void CheckpointFile::load(UNet3d& net) const {
  VOX_CHECK_DATA(config_ == net.config(), "{}: holds the network {}, wants {}", path_.string(), to_json(config_),
                 to_json(net.config()));
  std::vector<NamedTensor> all = net.parameters();
  std::ranges::copy(net.buffers(), std::back_inserter(all));
  load(all);
}

void CheckpointFile::load(Optimizer& optimizer) const {
  load(optimizer.state());
  const std::string key = steps_key(optimizer);
  const std::string& text = file_.meta(key);
  std::int64_t steps = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), steps);
  VOX_CHECK_DATA(
      parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && steps >= 0 && steps <= kMostSteps,
      "{}: {} is '{}', wants a number from 0 to 2^53", path_.string(), key, text);
  optimizer.set_steps(steps);
}

void CheckpointFile::load(WeightAverage& average) const { load(average.state()); }

}  // namespace vox
