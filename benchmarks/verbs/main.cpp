// `voxgrad bench` as a program of its own, for machines that have not got what the rest of voxgrad needs.

#include <cstdio>
#include <exception>

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
    vox::CommandLine app("Measure the kernels and the network of voxgrad, beside other software", "vox_bench");
    vox::bench::add_bench_verbs(app);
    return app.read(argc, argv).value_or(0);
  } catch (const vox::MemoryError& e) { return report(e, 4); } catch (const std::exception& e) {
    return report(e, 2);
  }
}
