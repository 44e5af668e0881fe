#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "benchmarks/rivals/rivals.h"

namespace vox::bench {

/// Adds kernel, step, predict, … to `voxgrad bench`, or to the program vox_bench where there is no voxgrad.
void add_bench_verbs(CLI::App& bench);

/// What every verb that is compared with others takes.
struct Common {
  std::string device = "cpu";
  int threads = 0;  ///< 0: every core
  int rounds = 5;
  std::vector<std::string> against;
  std::vector<std::string> torch_variants{"contiguous eager", "channels_last eager", "contiguous compile",
                                          "channels_last compile"};
  Programs programs;
  std::string json;
  std::string csv;
};
void add_common_options(CLI::App& verb, Common&, const char* rivals);

void add_kernel_verb(CLI::App& bench);
void add_step_verb(CLI::App& bench);  ///< and predict
void add_startup_verb(CLI::App& bench);
void add_loader_verb(CLI::App& bench);  ///< in builds with the data library
void add_serve_verb(CLI::App& bench);   ///< not in --help: the other side of --against

}  // namespace vox::bench
