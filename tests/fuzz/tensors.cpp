// safetensors, and what is kept in it: checkpoints and prepared cases.
#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "data/prepare/prepared_case.h"
#include "engine/read_file.h"
#include "engine/safetensors.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "model/optimizer.h"
#include "model/warm_start.h"
#include "model/weight_average.h"
#include "tests/fuzz/target.h"
#include "tools/interchange/nnunet_plan.h"
#include "tools/interchange/weights_of_file.h"
#include "tools/run/stored_run.h"
#include "tools/run/train_options.h"
#include "tools/run/training_progress.h"

namespace vox::fuzz {
namespace {

constexpr std::size_t kLengthBytes = 8;

/// All bytes of all tensors, so that one that lies outside the file is noticed.
unsigned read_all(const SafetensorsFile& file) {
  unsigned sum = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    for (const std::byte b : tensor.bytes) { sum += static_cast<unsigned>(b); }
  }
  return sum;
}

void require_same_again(const SafetensorsFile& file) {
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, t] : file.tensors()) { tensors.push_back({name, t.dtype, t.shape, t.bytes}); }
  const std::string path = file_with("again.safetensors", "");
  write_safetensors(path, tensors, file.metadata());
  const SafetensorsFile again(path);
  require(again.metadata() == file.metadata(), "other metadata when written and read again");
  require(again.tensors().size() == file.tensors().size(), "other tensors when written and read again");
  for (const auto& [name, t] : file.tensors()) {
    const TensorInFile& u = again.tensor(name);
    require(u.dtype == t.dtype && u.shape == t.shape && std::ranges::equal(u.bytes, t.bytes),
            "another tensor when written and read again");
  }
}

/// A refusal is an answer: what is asked next has its turn.
template <class Read> void taken_or_refused(const Read& read) {
  try {
    read();
  } catch (const Error&) {}
}

}  // namespace

/// The JSON header, without the spaces that align what follows, and, behind it, the bytes of the tensors.
std::string header_of(std::string_view file) {
  if (file.size() < kLengthBytes) { return std::string(file); }
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  file.remove_prefix(kLengthBytes);
  const std::string_view header = file.substr(0, length);
  const std::size_t end = header.find_last_not_of(' ') + 1;
  return std::string(header.substr(0, end)).append(file.substr(header.size()));
}

/// The header ends at the last "}" that closes what the first one opens; its length is put in front, and spaces align
/// the tensors again: else a changed header is refused for them before it is read.
std::string with_header(std::string_view inner) {
  int depth = 0;
  bool quoted = false;
  std::size_t end = inner.size();
  for (std::size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '\\' && quoted) {
      ++i;
    } else if (inner[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && inner[i] == '{') {
      ++depth;
    } else if (!quoted && inner[i] == '}' && --depth <= 0) {
      end = i + 1;
      break;
    }
  }
  const std::uint64_t length = (end + kLengthBytes - 1) / kLengthBytes * kLengthBytes;
  std::string file(kLengthBytes, '\0');
  std::memcpy(file.data(), &length, kLengthBytes);
  file.append(inner.substr(0, end)).append(length - end, ' ');
  return file.append(inner.substr(end));
}

void fuzz_safetensors(std::string_view bytes) {
  const SafetensorsFile file(file_with("file.safetensors", bytes));
  static_cast<void>(read_all(file));
  require_same_again(file);
}

/// What a training that goes on makes of a checkpoint's options.
void use_options(const TrainOptions& o) {
  require(to_json(train_options_from_json(to_json(o), "")) == to_json(o), "other options when written again");
  static_cast<void>(toml::parse(to_toml(o)));
  check_options(o);
  static_cast<void>(loss_options(o));
  static_cast<void>(optimizer_options(o));
  static_cast<void>(schedule_options(o, 7));
  static_cast<void>(step_extents(o));
  require(to_json(resumed(o, {}, {})) == to_json(o), "other options when nothing was asked");
  static_cast<void>(resumed(o, {}, {"epochs", "threads", "lr", "patch", "norm"}));
}

/// Written, and read again: the same file when that is written.
void require_same_again(const CheckpointFile& file, const UNet3d& net) {
  const std::array paths{file_with("first.safetensors", ""), file_with("second.safetensors", "")};
  save_checkpoint(paths[0], net, nullptr, {});
  const CheckpointFile again(paths[0]);
  require(again.config() == file.config(), "another network when written again");
  UNet3d other(again.config(), DType::f32, std::nullopt);
  again.load(other);
  save_checkpoint(paths[1], other, nullptr, {});
  require(read_file(paths[0]) == read_file(paths[1]), "other weights when written again");
}

void fuzz_checkpoint(std::string_view bytes) {
  const std::string path = file_with("last.safetensors", bytes);
  const CheckpointFile file(path);
  const auto& meta = file.metadata();
  if (const auto options = meta.find("options"); options != meta.end()) {
    const TrainOptions o = train_options_from_json(options->second, path);
    taken_or_refused([&] { use_options(o); });
  }
  if (const auto training = meta.find("training"); training != meta.end()) {
    const std::string text = to_json(training_progress_from_json(training->second, path));
    require(to_json(training_progress_from_json(text, path)) == text, "another progress when written again");
  }
  static_cast<void>(file.has_optimizer());
  if (meta.contains("options") && meta.contains("training")) {
    static_cast<void>(stored_run(std::filesystem::path(path).parent_path()).is_done({}));
  }
  UNet3d net(file.config(), DType::f32, std::nullopt);
  file.load(net);
  require_same_again(file, net);
  for (const OptimizerKind kind : {OptimizerKind::adam, OptimizerKind::sgd}) {
    Optimizer optimizer(net.parameters(), {.kind = kind});
    taken_or_refused([&] { file.load(optimizer); });
  }
  WeightAverage average(net, 0.99);
  taken_or_refused([&] { file.load(average); });
}

/// Weights of PyTorch, of nnU-Net and of a run to begin with, for the smallest networks that there are. What is no
/// safetensors file, as .pth, is refused.
void fuzz_weights(std::string_view bytes) {
  const std::string path = file_with("weights.safetensors", bytes);
  const SafetensorsFile file = open_weights(path, "w");
  static UNet3d ours(with_widths(unet_preset("seed"), {1, 1, 1}), DType::f32, std::nullopt);
  static NnunetPlan plan = [] {
    NnunetPlan p{.config = with_widths(unet_preset("nnunet"), {1, 1, 1}),
                 .recipe = recipe_named("native"),
                 .head_of = {0, 1, 2}};
    p.config.supervision = 1;
    return p;
  }();
  static UNet3d theirs(plan.config, DType::f32, std::nullopt);
  taken_or_refused([&] { take_torch_weights(ours, path, file); });
  taken_or_refused([&] { take_nnunet_weights(theirs, plan, path, file); });
  taken_or_refused([&] { static_cast<void>(warm_start(ours, path)); });
}

void fuzz_prepared_case(std::string_view bytes) {
  const PreparedFile file(file_with("case.safetensors", bytes));
  const PreparedInfo& info = file.info();
  std::vector<float> converted;
  const auto image = file.image(converted);
  const Extent3& size = info.mapping.size;
  const auto voxels = static_cast<std::size_t>(size[0] * size[1] * size[2]);
  require(image.size() == voxels * info.recipe.modalities.size(), "not as many values as voxels");
  require(info.id.find('/') == std::string::npos, "an id that is a path");
  for (std::size_t a = 0; a < 3; ++a) {
    require(info.mapping.source.size[a] >= 1 && info.mapping.source.spacing_mm[a] > 0, "a source without extent");
  }
  if (!info.labelled) { return; }
  const Box box{.start = {-1, 0, 1}, .size = {2, 2, 2}};
  std::vector<float> values(8 * info.recipe.modalities.size());
  std::vector<std::uint8_t> labels(8);
  file.read(box, values, labels);
  if (info.has_positions) { static_cast<void>(file.positions(Foreground::whole_tumour)); }
}

}  // namespace vox::fuzz
