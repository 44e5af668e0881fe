#include "benchmarks/verbs/bench.h"

#include "tools/verbs/commands.h"

namespace vox {

void add_bench(CLI::App& app) {
  bench::add_bench_verbs(
      *app.add_subcommand("bench", "Measure kernels, steps, loading and start, beside other software"));
}

}  // namespace vox
