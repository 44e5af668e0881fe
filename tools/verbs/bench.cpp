#include "benchmarks/verbs/bench.h"

#include "tools/verbs/commands.h"

namespace vox {

void add_bench(Command app) {
  bench::add_bench_verbs(app.command("bench", "Measure kernels, steps, loading and start, beside other software"));
}

}  // namespace vox
