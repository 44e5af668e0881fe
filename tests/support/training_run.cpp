#include "tests/support/training_run.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "data/prepare/prepared_case.h"
#include "engine/safetensors.h"
#include "kernels/base/philox.h"

namespace vox::test {

namespace fs = std::filesystem;

void make_training_cache(const fs::path& folder, RecipeKind kind, std::uint32_t cases) {
  fs::create_directories(folder);
  for (std::uint32_t n = 0; n < cases; ++n) {
    PreparedCase c;
    c.info.id = "case_" + std::to_string(n);
    c.info.recipe = recipe_named(name(kind), kSmallSize);
    c.info.mapping = {.source = {.size = {kSmallSize, kSmallSize, kSmallSize},
                                 .spacing_mm = {1, 1, 1},
                                 .affine = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0}},
                      .box = {.start = {}, .size = {kSmallSize, kSmallSize, kSmallSize}},
                      .size = {kSmallSize, kSmallSize, kSmallSize}};
    c.info.labelled = true;
    const RandomKey key{.seed = 11, .step = n};
    const std::int64_t at = 3 + n;
    for (std::int64_t v = 0; v < kSmallSize * kSmallSize * kSmallSize; ++v) {
      const std::int64_t d = v / (kSmallSize * kSmallSize) - at;
      const std::int64_t h = v / kSmallSize % kSmallSize - at;
      const bool inside = d >= 0 && d < 6 && h >= 0 && h < 6;
      c.label.push_back(inside ? static_cast<std::uint8_t>(1 + (d + h) % 3) : std::uint8_t{0});
    }
    for (std::size_t channel = 0; channel < c.info.recipe.modalities.size(); ++channel) {
      for (std::size_t v = 0; v < c.label.size(); ++v) {
        const double noise = unit(random4(key, channel * c.label.size() + v).v[0]) - 0.5;
        c.image.push_back(static_cast<float>(noise + (c.label[v] > 0 ? 1.0 + 0.5 * c.label[v] : 0.0)));
      }
    }
    write_prepared_case(folder / (c.info.id + ".safetensors"), c);
  }
}

TrainOptions small_training() {
  TrainOptions o;
  o.widths = {4, 4, 6, 6, 8};
  o.batch = 2;
  o.epochs = 3;
  o.lr = 1e-2;
  o.folds = 3;
  return o;
}

void train(const fs::path& cache, const fs::path& run, const TrainOptions& o, Training::Start start) {
  Training(cache, run, o, start).run();
}

std::map<std::string, std::string> tensors_of(const fs::path& file) {
  const SafetensorsFile f(file);
  std::map<std::string, std::string> all;
  for (const auto& [name, t] : f.tensors()) {
    all[name] = std::string(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
  }
  return all;
}

std::vector<nlohmann::json> log_of(const fs::path& run, const std::string& type) {
  std::vector<nlohmann::json> lines;
  std::ifstream in(run / "log.jsonl");
  for (std::string line; std::getline(in, line);) {
    nlohmann::json j = nlohmann::json::parse(line);
    if (j.at("type") != type) { continue; }
    for (const char* const time : {"seconds", "load_seconds", "validate_seconds", "samples_per_second",
                                   "peak_tensor_bytes", "peak_resident_bytes"}) {
      j.erase(time);
    }
    lines.push_back(j);
  }
  return lines;
}

int train_with_program(const fs::path& cache, const fs::path& run, std::size_t lines_wanted,
                       const std::function<void(int process)>& act, const std::vector<std::string>& more,
                       const std::string& of_series) {
  std::vector<std::string> words{
      VOX_PROGRAM, "train", "-i", cache.string(), "-o", run.string(), "--widths", "4",       "4",
      "6",         "6",     "8",  "--batch",      "2",  "--lr",       "1e-2",     "--folds", "3"};
  words.insert(words.end(), more.begin(), more.end());
  if (std::ranges::find(more, "--epochs") == more.end()) { words.insert(words.end(), {"--epochs", "3"}); }
  std::vector<char*> arguments;
  for (std::string& word : words) { arguments.push_back(word.data()); }
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execv(VOX_PROGRAM, arguments.data());
    _exit(127);
  }
  for (int wait = 0; wait < 6000; ++wait) {
    std::size_t lines = 0;
    std::ifstream in(run / of_series / "log.jsonl");
    for (std::string line; std::getline(in, line);) { ++lines; }
    if (lines >= lines_wanted) { break; }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  act(child);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int train_and_interrupt(const fs::path& cache, const fs::path& run, std::size_t lines_wanted,
                        const std::vector<std::string>& more, const std::string& of_series) {
  return train_with_program(
      cache, run, lines_wanted, [](int process) { kill(process, SIGINT); }, more, of_series);
}

}  // namespace vox::test
