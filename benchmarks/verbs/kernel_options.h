#pragma once

#include <string>
#include <vector>

#include "benchmarks/verbs/bench.h"
#include "benchmarks/workloads/kernel_case.h"

namespace vox::bench {

/// What `bench kernel` was asked for.
struct KernelOptions {
  Common common;
  std::vector<std::string> ops;
  std::vector<std::string> shapes;
  std::vector<std::string> passes;
  std::vector<std::string> dtypes{"f32"};
  std::vector<std::int64_t> sizes{128, 64};
  std::vector<std::int64_t> batches{1};
  std::vector<std::int64_t> widths{16, 32, 64, 128, 256};
  std::string cache = "flushed";
  std::string plot;
  double least_s = 0.02;
  bool values = false;
};

/// The lines that are wanted. Throws Error where none is.
[[nodiscard]] std::vector<KernelSpec> rows_of(const KernelOptions&);
/// Every way of --isa and --conv. Throws Error for one that is none here.
[[nodiscard]] std::vector<Way> ways_of(const KernelOptions&);
/// Those that differ at this case: another instruction set or another algorithm, the first of each.
[[nodiscard]] std::vector<Way> different_ways(const std::vector<Way>&, const KernelCase&);

/// The first cells of a line, before what was measured.
[[nodiscard]] std::vector<std::string> cells_of(const KernelSpec&);

/// Measures lines one after the other and prints them.
void measure_kernels(const KernelOptions&);
/// Instead: the values of each way beside those of the definition. Throws Error where they differ by more than their
/// roundings allow.
void compare_values(const KernelOptions&);

}  // namespace vox::bench
