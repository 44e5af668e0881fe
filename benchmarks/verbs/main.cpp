// What `voxgrad bench` starts. On its own for machines that have not got what the rest of voxgrad needs.

#include <cstdio>
#include <exception>
#include <string>

#include "benchmarks/verbs/bench.h"
#include "kernels/base/check.h"

namespace {

int report(const std::exception& e, int code) {
  static_cast<void>(std::fprintf(stderr, "vox_bench: %s\n", e.what()));
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string asked = argc > 0 ? argv[0] : "";
    vox::CommandLine app("Measure kernels, steps, loading and start, beside other software",
                         asked == "voxgrad bench" ? asked : "vox_bench");
    vox::bench::add_bench_verbs(app);
    return app.read(argc, argv).value_or(0);
  } catch (const vox::DataError& e) { return report(e, 3); } catch (const vox::MemoryError& e) {
    return report(e, 4);
  } catch (const vox::NonFiniteError& e) { return report(e, 5); } catch (const std::exception& e) {
    return report(e, 2);
  }
}
