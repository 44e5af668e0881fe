#pragma once

#include <functional>

#include "engine/json.h"

namespace vox::bench {

/// The answering side of the protocol in ../README.md: a line of JSON on stdout for each line of JSON on stdin, until
/// there is no more. What answer() throws is an answer, too: {"error": what it says}.
void answer_questions(const std::function<Json(const Json&)>& answer);

}  // namespace vox::bench
