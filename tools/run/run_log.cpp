#include "tools/run/run_log.h"

#include <sstream>
#include <string>

#include "engine/atomic_file.h"
#include "engine/json_text.h"
#include "engine/read_file.h"

namespace vox {

RunLog::RunLog(const std::filesystem::path& path, std::int64_t last_step, std::int64_t last_epoch) {
  std::string kept;
  std::istringstream in;
  if (type_of(path) == std::filesystem::file_type::regular) {  // the end of a pipe or a device may never come
    in.str(read_regular(path));
  }
  for (std::string line; std::getline(in, line);) {
    const Json j = Json::try_parse(line).value_or(nullptr);  // a line cut short by a crash is dropped
    const Json* const step = j.find("step");
    if (step == nullptr || !step->is_number_integer() || step->get<double>() > static_cast<double>(last_step)) {
      continue;
    }
    const bool of_epoch = j.contains("type") && j["type"] == "epoch";
    const Json* const epoch = j.find("epoch");
    const bool later = epoch != nullptr && epoch->is_number() && epoch->get<double>() > static_cast<double>(last_epoch);
    if (of_epoch && later) { continue; }
    kept += line + '\n';
    history_.add(j);
  }
  write_file(path, kept);
  out_.emplace(path);
}

void RunLog::write(const Json& line) {
  const std::string text = json_text(line);
  out_->append(text + '\n');  // a watcher sees every step
  history_.add(Json::parse(text));
}

}  // namespace vox
