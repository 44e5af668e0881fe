#include "benchmarks/rivals/contest.h"

#include <algorithm>

#include "benchmarks/measure/spread.h"

namespace vox::bench {

Entrant::Entrant(const Rival& rival, Json question) : child_(rival.command, rival.environment), name_(rival.name()) {
  question["do"] = "prepare";
  if (!rival.variant.empty()) { question["variant"] = rival.variant; }
  description_ = child_.ask(question).value("name", name_);
}

void Entrant::warm_up() {
  for (int i = 0; i < 2; ++i) { static_cast<void>(child_.ask({{"do", "run"}, {"count", 1}})); }
}

void Entrant::take_turn() {
  const Json answer = child_.ask({{"do", "run"}, {"count", 1}});
  wall_s_.push_back(answer.at("wall_s").get<double>());
  processor_s_.push_back(answer.value("processor_s", 0.0));
  if (answer.contains("phases_s")) {
    for (const auto& [phase, seconds] : answer["phases_s"].items()) {
      phases_s_[phase].push_back(seconds.get<double>());
    }
  }
  peak_resident_bytes_ = std::max(peak_resident_bytes_, answer.value("peak_resident_bytes", 0.0));
  if (const Json* const loss = answer.find("loss"); loss != nullptr && loss->is_number()) {
    loss_ = loss->get<double>();
  }
  peak_tensor_bytes_ = std::max(peak_tensor_bytes_, answer.value("peak_tensor_bytes", 0.0));
}

Turns take_turns(Entrant& ours, Entrant& theirs, int rounds) {
  const auto before = static_cast<std::ptrdiff_t>(ours.wall_s().size());
  for (int round = 0; round < rounds; ++round) {
    Entrant* const order[] = {round % 2 == 0 ? &ours : &theirs, round % 2 == 0 ? &theirs : &ours};
    for (Entrant* const e : order) { e->take_turn(); }
  }
  const auto since = [&](const std::vector<double>& all) {
    return std::vector<double>(all.begin() + before, all.end());
  };
  return {.wall = ratios(theirs.wall_s(), since(ours.wall_s())),
          .processor = ratios(theirs.processor_s(), since(ours.processor_s()))};
}

}  // namespace vox::bench
