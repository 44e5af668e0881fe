#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "tools/ui/exit_code.h"

namespace vox {

// One file per verb: tools/<verb>.cpp defines add_<verb>(), which adds the subcommand, its options and its callback.
// A callback returns nothing and throws: Error (exit 2), DataError (3), MemoryError (4), NonFiniteError (5), or
// ExitCode. --config and --set come to every verb from add_verbs().

void add_doctor(CLI::App&);
void add_info(CLI::App&);
void add_plan(CLI::App&);
void add_synth(CLI::App&);
void add_check(CLI::App&);
void add_prepare(CLI::App&);
void add_train(CLI::App&);
void add_predict(CLI::App&);
void add_evaluate(CLI::App&);
void add_overlay(CLI::App&);
void add_gradcheck(CLI::App&);
void add_bench(CLI::App&);  ///< in builds with the benchmarks

void add_verbs(CLI::App&);  ///< all of them, in the order of --help

[[nodiscard]] std::string_view version();  ///< "0.1.0"
[[nodiscard]] std::string version_text();  ///< "0.1.0 (commit 1a2b3c4d5e, Release, g++ 12.2.0, CUDA off)"

}  // namespace vox
