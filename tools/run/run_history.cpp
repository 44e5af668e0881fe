#include "tools/run/run_history.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {

double number_in(const Json& object, std::string_view key) {
  const Json* const found = object.is_object() ? object.find(key) : nullptr;
  return found != nullptr && found->is_number() ? found->get<double>() : NAN;
}

std::vector<std::string> keys_of(const Json* object) {
  std::vector<std::string> keys;
  if (object == nullptr || !object->is_object()) { return keys; }
  for (const auto& [key, value] : object->items()) { keys.push_back(key); }
  return keys;
}

double mean_dice(const Json& scored) {
  const Json* const dice = scored.find("dice");
  if (dice == nullptr || !dice->is_object() || dice->empty()) { return NAN; }
  double sum = 0;
  for (const auto& [region, value] : dice->items()) { sum += value.is_number() ? value.get<double>() : NAN; }
  return sum / static_cast<double>(dice->size());
}

void RunHistory::add(const Json& line) {
  const Json* const found = line.find("type");
  const std::string type = found != nullptr && found->is_string() ? found->get<std::string>() : "";
  if (type == "epoch") {
    add_epoch(line);
  } else if (type == "step") {
    steps_.push_back({.step = number_in(line, "step"),
                      .loss = number_in(line, "loss"),
                      .gradient_norm = number_in(line, "gradient_norm"),
                      .lr = number_in(line, "lr")});
  } else if (type == "start") {
    start_ = line;
  } else if (type == "note" && line.contains("note") && line["note"].is_string()) {
    notes_.push_back(line["note"].get<std::string>());
  }
}

void RunHistory::add_epoch(const Json& line) {
  epochs_.push_back(line);
  const double dice = mean_dice(line);
  if (!line.contains("dice")) { return; }
  const std::ptrdiff_t best_before = best_;
  const std::ptrdiff_t validated_before = validated_;
  validated_ = std::ssize(epochs_) - 1;
  if (best_ < 0 || dice > best_dice_) {
    best_ = validated_;
    best_dice_ = std::isnan(dice) ? -INFINITY : dice;
  }
  for (const std::ptrdiff_t before : {best_before, validated_before}) {
    if (before < 0 || before == best_) { continue; }
    std::erase_if(epochs_[static_cast<std::size_t>(before)].items(), [](const auto& m) { return m.key == "cases"; });
  }
}

const Json* RunHistory::best() const { return best_ < 0 ? nullptr : &epochs_[static_cast<std::size_t>(best_)]; }

const Json* RunHistory::validated() const {
  return validated_ < 0 ? nullptr : &epochs_[static_cast<std::size_t>(validated_)];
}

RunHistory read_history(const std::filesystem::path& log) {
  std::istringstream in(read_regular(log));
  RunHistory history;
  for (std::string line; std::getline(in, line);) {
    const Json j = Json::try_parse(line).value_or(nullptr);
    if (j.is_object()) { history.add(j); }
  }
  return history;
}

}  // namespace vox
