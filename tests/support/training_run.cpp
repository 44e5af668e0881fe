#include "tests/support/training_run.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "engine/safetensors.h"

namespace vox::test {

namespace fs = std::filesystem;

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
    for (const char* const time : {"seconds", "samples_per_second", "peak_tensor_bytes"}) { j.erase(time); }
    lines.push_back(j);
  }
  return lines;
}

int train_and_interrupt(const fs::path& cache, const fs::path& run, std::size_t lines_wanted,
                        const std::vector<std::string>& more) {
  std::vector<std::string> words{
      VOX_PROGRAM, "train",   "-i", cache.string(), "-o", run.string(), "--widths", "4",       "4", "6", "6",
      "8",         "--batch", "2",  "--epochs",     "3",  "--lr",       "1e-2",     "--folds", "3"};
  words.insert(words.end(), more.begin(), more.end());
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
    std::ifstream in(run / "log.jsonl");
    for (std::string line; std::getline(in, line);) { ++lines; }
    if (lines >= lines_wanted) { break; }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  kill(child, SIGINT);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace vox::test
