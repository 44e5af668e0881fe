#include "tools/run/run_events.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/check.h"
#include "kernels/base/volume.h"
#include "tools/ui/output.h"
#include "tools/ui/overlay_planes.h"
#include "tools/ui/png.h"

namespace vox {
namespace {

/// Names that group in TensorBoard, of numbers that stand alone in the log.
std::string tag_of(const std::string& type, const std::string& key) {
  static const std::map<std::string, std::string, std::less<>> kTags{
      {"step/loss", "loss/step"},
      {"step/seconds", "time/step_seconds"},
      {"epoch/train_loss", "loss/train"},
      {"epoch/val_loss", "loss/validation"},
      {"epoch/val_loss_parts", "loss/validation_parts"},
      {"epoch/seconds", "time/epoch_seconds"},
      {"epoch/load_seconds", "time/load_seconds"},
      {"epoch/validate_seconds", "time/validate_seconds"},
      {"epoch/peak_resident_bytes", "memory/peak_resident_bytes"},
      {"epoch/samples_per_second", "time/samples_per_second"},
      {"epoch/peak_tensor_bytes", "memory/peak_tensor_bytes"},
      {"epoch/best", "dice/best"},
      {"epoch/lr", "lr_of_epoch/lr"},
      {"epoch/lr_first", "lr_of_epoch/first"},
      {"epoch/lr_last", "lr_of_epoch/last"}};
  const auto found = kTags.find(type + "/" + key);
  return found == kTags.end() ? key : found->second;
}

void add_numbers(BoardEvent& event, const std::string& tag, const Json& value) {
  if (value.is_number()) { event.scalars.push_back({tag, value.get<double>()}); }
  if (!value.is_object()) { return; }
  for (const auto& [key, inner] : value.items()) { add_numbers(event, tag + "/" + key, inner); }
}

}  // namespace

BoardEvent board_event(const Json& line) {
  const std::string type = line.value("type", "");
  BoardEvent event{.step = line.value("step", std::int64_t{0})};
  for (const auto& [key, value] : line.items()) {
    if (key == "step" || (type == "step" && key == "epoch")) { continue; }
    if (key == "cases" && type == "epoch") {
      for (const Json& one : value) {
        event.scalars.push_back({"cases/" + one.at("id").get<std::string>(), one.at("mean_dice").get<double>()});
      }
      continue;
    }
    add_numbers(event, tag_of(type, key), value);
  }
  return event;
}

BoardEvent::Picture slice_picture(const PreparedFile& file, const Tensor& logits, Targets targets) {
  constexpr double kOpacity = 0.55;
  // Okabe and Ito's colours, as tools/ui/picture.h has them: background, necrotic, oedema, enhancing.
  constexpr std::array<std::array<double, 3>, kClasses> kColours{{{}, {213, 94, 0}, {86, 180, 233}, {240, 228, 66}}};
  const Extent3& size = file.info().mapping.size;
  const std::int64_t height = size[1];
  const std::int64_t width = size[2];
  const std::span<const std::uint8_t> truth = file.label();
  const auto start = static_cast<std::size_t>(slice_to_show(truth, size) * height * width);
  const auto voxels = static_cast<std::size_t>(height * width);

  std::vector<float> converted;
  const std::span<const float> image = file.image(converted);
  const std::size_t channel = shown_channel(file.info().recipe);
  const std::size_t volume = truth.size();
  const auto slice = image.subspan(channel * volume + start, voxels);
  const auto [low, high] = std::ranges::minmax(slice);
  const double range = high > low ? static_cast<double>(high) - static_cast<double>(low) : 1;

  const std::span<const float> scores = logits.values<float>();  // blocked: eight channels of a voxel together
  BoardEvent::Picture picture{
      .tag = "validation/prediction beside truth", .width = 2 * width, .height = height, .png = {}};
  std::vector<std::uint8_t> rows;
  for (std::int64_t h = 0; h < height; ++h) {
    for (const bool predicted : {true, false}) {
      for (std::int64_t w = 0; w < width; ++w) {
        const auto v = static_cast<std::size_t>(h * width + w);
        const std::uint8_t cls =
            predicted ? predicted_class(scores.subspan((start + v) * kBlock8, kBlock8), targets) : truth[start + v];
        const double grey = 255 * (static_cast<double>(slice[v]) - static_cast<double>(low)) / range;
        for (const double colour : kColours.at(cls)) {
          rows.push_back(static_cast<std::uint8_t>(cls == 0 ? grey : (1 - kOpacity) * grey + kOpacity * colour));
        }
      }
    }
  }
  picture.png = png_file(picture.width, picture.height, 3, rows);
  return picture;
}

RunEvents::RunEvents(const std::filesystem::path& run, std::int64_t last_step, std::int64_t last_epoch) {
  const auto keep = [&](const BoardEvent& event) {
    const auto epoch = std::ranges::find(event.scalars, "epoch", &BoardEvent::Scalar::tag);
    return event.step <= last_step && (epoch == event.scalars.end() || epoch->value <= static_cast<double>(last_epoch));
  };
  guarded([&] { file_.emplace(run / "events.out.tfevents.voxgrad", keep); });
}

void RunEvents::write(const Json& line) {
  if (!file_) { return; }
  BoardEvent event = board_event(line);
  event.pictures = std::exchange(pictures_, {});
  guarded([&] { file_->write(event); });
}

void RunEvents::sync() {
  if (file_) {
    guarded([&] { file_->sync(); });
  }
}

void RunEvents::show(const PreparedFile& file, const Tensor& logits, Targets targets) {
  if (file_ && pictures_.empty()) { pictures_.push_back(slice_picture(file, logits, targets)); }
}

void RunEvents::guarded(const std::function<void()>& act) {
  try {
    act();
  } catch (const OutputError& e) {
    note_failed_output(e.what());
    file_.reset();
  }
}

}  // namespace vox
