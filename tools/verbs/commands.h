#pragma once

#include <string>
#include <string_view>

#include "tools/ui/command_line.h"
#include "tools/ui/exit_code.h"

namespace vox {

// One file per verb: tools/<verb>.cpp defines add_<verb>(), which adds the verb, its options and what it does. That
// returns nothing and throws: Error (exit 2), DataError (3), MemoryError (4), NonFiniteError (5), or
// ExitCode. --config and --set come to every verb from add_verbs().

void add_doctor(Command);
void add_info(Command);
void add_plan(Command);
void add_synth(Command);
void add_check(Command);
void add_prepare(Command);
void add_preview(Command);
void add_train(Command);
void add_predict(Command);
void add_evaluate(Command);
void add_compare(Command);
void add_plot(Command);
void add_convert(Command);
void add_tune(Command);
void add_overlay(Command);
void add_report(Command);
void add_export(Command);
void add_import(Command);
void add_gradcheck(Command);
void add_bench(Command);  ///< in builds with the benchmarks: for the list of verbs, see bench.h

void add_texts(CommandLine&);  ///< man and completion, of the verbs that are there
void add_verbs(Command);       ///< all of them, in the order of --help

[[nodiscard]] std::string_view version();  ///< "0.1.0"
[[nodiscard]] std::string version_text();  ///< "0.1.0 (commit 1a2b3c4d5e, Release, g++ 12.2.0, CUDA off)"

}  // namespace vox
