#pragma once

#include <string>
#include <vector>

#include "benchmarks/gpu/ceilings.h"
#include "benchmarks/gpu/measure.h"

namespace vox::gpu_bench {

/// What was measured where: the head of the table and of the file.
struct Machine {
  std::string device;
  std::string cuda;
  std::string cudnn;
  std::string cublas;
  Ceilings ceilings{};
};

void print_head(const Machine&, const MeasureOptions&);
void print_row(const Machine&, const Result&);
/// Writes all of it as JSON; throws OutputError where the file cannot be written.
void write_json(const std::string& path, const Machine&, const MeasureOptions&, const std::vector<Result>&);

}  // namespace vox::gpu_bench
