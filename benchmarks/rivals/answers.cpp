#include "benchmarks/rivals/answers.h"

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "engine/json_text.h"

namespace vox::bench {

void answer_questions(const std::function<Json(const Json&)>& answer) {
  for (std::string line; std::getline(std::cin, line);) {
    Json said;
    try {
      said = answer(Json::parse(line));
    } catch (const std::exception& e) {  // of ours, of the allocator, of the parser: whoever asked is told
      said = {{"error", e.what()}};
    }
    fmt::print("{}\n", json_text(said));
    static_cast<void>(std::fflush(stdout));  // somebody waits for it
  }
}

}  // namespace vox::bench
