#include "tools/run_log.h"

#include <span>
#include <string>

#include "data/atomic_file.h"
#include "kernels/check.h"

namespace vox {

RunLog::RunLog(const std::filesystem::path& path, std::int64_t last_step) : path_(path) {
  std::string kept;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const auto j = nlohmann::json::parse(line, nullptr, false);  // a line cut short by a crash is dropped
    if (j.is_discarded() || j.value("step", last_step + 1) > last_step) { continue; }
    kept += line + '\n';
    if (j.value("type", "") == "epoch") { epochs_.push_back(j); }
  }
  in.close();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(kept)));
  file.commit();
  out_.open(path, std::ios::app);
  VOX_CHECK_DATA(out_.good(), "{}: cannot be written", path.string());
}

void RunLog::write(const nlohmann::ordered_json& line) {
  out_ << line.dump() << std::endl;  // flushed: a watcher sees every step
  VOX_CHECK_DATA(out_.good(), "{}: cannot be written: is the disk full?", path_.string());
  if (line.value("type", "") == "epoch") { epochs_.push_back(nlohmann::json::parse(line.dump())); }
}

}  // namespace vox
